// j and k over whatever of a page can be stopped at: rows of a table, links to more pages.

/** `stops()` are the elements at this moment, in their order. */
export function moveAmong(stops) {
  addEventListener("weir:move", (event) => {
    const all = stops();
    const here = all.findIndex((stop) => stop.contains(document.activeElement));
    const next = all[here < 0 ? (event.detail > 0 ? 0 : all.length - 1) : here + event.detail];
    if (!next) return;
    event.preventDefault();
    next.focus();
  });
}
