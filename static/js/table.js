// The virtual table: of thousands of rows only those near the window are in the page. Keyed by position; filled in place.

import { COLUMNS, fillRow, makeRow } from "./cells.js";

const BEYOND = 12; // rows drawn above and below the window
const STEP = 20; // windows start at multiples of it, so that people share frames

export class Table {
  /** `on`: {window(offset, limit), hold(bool), sort(name), settle(offset)}; `base`: where the pages start. */
  constructor(card, { base, sparks, on }) {
    Object.assign(this, { card, base, sparks, on });
    this.table = card.querySelector("table");
    this.body = card.querySelector("tbody.rows");
    [this.above, this.below] = [...card.querySelectorAll("tbody.space td")];
    this.rows = new Map(); // by position
    this.shown = new Map(); // elements by position
    this.total = 0;
    this.cursor = null;
    this.held = { pointer: false, focus: false };
    this.holding = false;
    this.listen();
    this.measure();
  }

  listen() {
    addEventListener("scroll", () => this.soon(), { passive: true });
    new ResizeObserver(() => (this.measure(), this.soon())).observe(document.documentElement);
    new ResizeObserver(() => (this.measure(), this.soon())).observe(this.card.parentElement);
    this.body.addEventListener("pointerenter", (e) => e.pointerType === "mouse" && this.hold("pointer", true));
    this.body.addEventListener("pointerleave", () => this.hold("pointer", false));
    this.body.addEventListener("focusin", (event) => {
      this.setCursor(event.target.closest("tr")?.position ?? null);
      this.hold("focus", true);
    });
    this.body.addEventListener("focusout", () => this.hold("focus", false));
    this.body.addEventListener("click", (event) => {
      if (event.target.closest("a, button") || String(getSelection())) return;
      event.target.closest("tr")?.querySelector("a")?.click();
    });
    addEventListener("weir:marked", () => this.letGo());
    addEventListener("weir:move", (event) => {
      if (this.total) event.preventDefault();
      this.move(event.detail);
    });
    this.table.tHead.addEventListener("click", (event) => {
      const name = event.target.closest("button")?.dataset.sort;
      if (name) this.on.sort(name);
    });
  }

  /** Where the table stands. When what is above it grew or shrank, whoever reads further down keeps their place. */
  measure() {
    const before = this.top;
    this.height = parseFloat(getComputedStyle(document.documentElement).getPropertyValue("--row")) || 34;
    this.top = this.table.getBoundingClientRect().top + scrollY + this.table.tHead.offsetHeight;
    this.screen = innerHeight;
    const head = this.table.tHead.rows[0].cells[0]; // stays in sight: so much of the window is covered
    this.stuck = head.offsetHeight ? head.offsetHeight + parseFloat(getComputedStyle(head).top) : 0;
    if (scrollY > before && this.top !== before) scrollBy(0, this.top - before);
    this.y = scrollY;
  }

  /** Positions in the window now: [first, past the last]. `y` is how far it is scrolled: to ask the window lays it out. */
  range(beyond) {
    const first = Math.floor((this.y - this.top) / this.height) - beyond;
    const past = Math.ceil((this.y + this.screen - this.top) / this.height) + beyond;
    return [Math.min(Math.max(0, first), Math.max(0, this.total - 1)), Math.min(this.total, Math.max(past, 0))];
  }

  soon() {
    this.waiting ||= requestAnimationFrame(() => {
      this.waiting = 0;
      this.y = scrollY;
      this.place();
      this.ask();
    });
  }

  /** What to ask the server for, given the rows in the window. */
  wanted() {
    const first = Math.max(0, Math.floor((this.y - this.top) / this.height));
    const visible = Math.ceil(this.screen / this.height);
    const offset = Math.max(0, Math.floor((first - BEYOND) / STEP) * STEP);
    return [offset, Math.min(200, Math.ceil((visible + 2 * BEYOND + STEP) / STEP) * STEP)];
  }

  ask() {
    const [offset, limit] = this.wanted();
    clearTimeout(this.settling);
    this.settling = setTimeout(() => this.on.settle(Math.max(0, Math.round((scrollY + this.stuck - this.top) / this.height))), 250);
    if (offset === this.asked?.[0] && limit === this.asked[1]) return;
    this.asked = [offset, limit];
    this.on.window(offset, limit);
  }

  /** Another filter or order: what is known by position is no longer true. */
  reset() {
    this.rows.clear();
    this.asked = null;
  }

  /** Take a frame's rows, which stand from `offset` on. */
  take(rows, offset, total) {
    this.total = total;
    rows.forEach((row, i) => {
      this.sparks.take(row);
      this.rows.set(offset + i, row);
    });
    if (this.rows.size > 5000) this.rows = new Map([...this.rows].slice(-1000));
    this.place(true);
  }

  /** Put the rows near the window into the page, and the height of the others above and below them. */
  place(fresh = false) {
    const [first, past] = this.range(BEYOND);
    const spare = [];
    for (const [position, element] of this.shown) {
      if (position < first || position >= past) {
        spare.push(element);
        this.shown.delete(position);
      }
    }
    spare.sort((a, b) => a.position - b.position); // the last one is taken first: few rows have to move
    let after = null;
    for (let position = past - 1; position >= first; position--) {
      let element = this.shown.get(position);
      const isNew = !element;
      if (isNew) {
        element = spare.pop() ?? makeRow();
        element.position = position;
        element.setAttribute("aria-rowindex", position + 2);
        this.shown.set(position, element);
      }
      if (element.nextSibling !== after || !element.parentNode) this.body.insertBefore(element, after);
      if (isNew || fresh) fillRow(element, this.rows.get(position), this.base, this.sparks);
      after = element;
    }
    for (const element of spare) element.remove();
    this.space(first * this.height, (this.total - past) * this.height);
    this.table.setAttribute("aria-rowcount", this.total + 1);
    this.mark();
  }

  space(above, below) {
    if (this.spaceAbove !== above) this.above.style.height = `${(this.spaceAbove = above)}px`;
    if (this.spaceBelow !== below) this.below.style.height = `${(this.spaceBelow = below)}px`;
    this.above.parentElement.parentElement.hidden = !above;
    this.below.parentElement.parentElement.hidden = !below;
  }

  /** One link of the table takes the focus by Tab: the cursor's, or the first. */
  mark() {
    const active = this.shown.has(this.cursor) ? this.cursor : Math.min(...this.shown.keys());
    if (active === this.marked && this.tabbed === this.shown.get(active)) return;
    if (this.tabbed) this.tabbed.querySelector("a").tabIndex = -1;
    this.marked = active;
    this.tabbed = this.shown.get(active);
    if (this.tabbed) this.tabbed.querySelector("a").tabIndex = 0;
  }

  setCursor(position) {
    this.cursor = position;
    this.mark();
  }

  /** j and k: the next or the previous row; the first one in the window when there is no cursor. */
  move(by) {
    if (!this.total) return;
    this.y = scrollY;
    const [first, past] = this.range(0);
    const here = this.cursor !== null && this.cursor >= first - 1 && this.cursor <= past;
    const next = here ? Math.min(this.total - 1, Math.max(0, this.cursor + by)) : first;
    const y = this.top + next * this.height;
    if (y - this.stuck < this.y) scrollTo(scrollX, y - this.stuck);
    else if (y + this.height > this.y + this.screen) scrollTo(scrollX, y + this.height - this.screen + 8);
    this.y = scrollY;
    this.place();
    this.cursor = next;
    this.shown.get(next)?.querySelector("a").focus({ preventScroll: true });
  }

  /** The order is held while the pointer or the focus is in the table. */
  hold(what, on) {
    this.held[what] = on;
    const wanted = this.held.pointer || this.held.focus;
    clearTimeout(this.letting);
    const tell = () => wanted !== this.holding && this.on.hold((this.holding = wanted));
    if (wanted) tell();
    else this.letting = setTimeout(tell, 150); // focus goes from row to row by way of nowhere
  }

  /** Rows are to leave at once: the order is held no longer, wherever pointer and focus are. */
  letGo() {
    if (this.body.contains(document.activeElement)) document.activeElement.blur();
    for (const what of ["pointer", "focus"]) this.hold(what, false);
  }

  scrollToRow(offset) {
    this.measure();
    if (offset > 0) scrollTo(0, this.top + offset * this.height - this.stuck);
  }

  showSort(sort) {
    for (const head of this.table.tHead.rows[0].cells) {
      const name = head.querySelector("button")?.dataset.sort;
      if (name && (sort === name || sort === `-${name}`)) head.setAttribute("aria-sort", sort === name ? "ascending" : "descending");
      else head.removeAttribute("aria-sort");
    }
  }
}

/** The next order when a column's head is pressed: its natural direction, the other one, then what needs attention. */
export function nextSort(current, name) {
  const column = COLUMNS.find((c) => c.sort === name);
  const [natural, other] = column.down ? [`-${name}`, name] : [name, `-${name}`];
  return current === natural ? other : current === other ? "" : natural;
}
