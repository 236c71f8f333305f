// Keys that work on every page, the help they are listed in, and menus that close. `g` and a letter: the link in the header
// with that data-go. j, k, x, r, h go out as events: table.js, letterlist.js, letterdeeds.js, marks.js.

const typing = (target) => target.closest?.("input:not([type=radio], [type=checkbox]), textarea, select, [contenteditable]");
let going = 0; // when `g` was pressed

const help = document.getElementById("help");
const openHelp = () => help && !help.open && help.showModal();
document.getElementById("help-open")?.addEventListener("click", openHelp);

function search() {
  const field = document.querySelector("[data-search]") ?? document.getElementById("search");
  if (!field) return false;
  field.focus();
  field.select();
  return true;
}

function go(key) {
  const link = /^[a-z]$/.test(key) && document.querySelector(`header nav [data-go=${key}]`);
  if (link) link.click();
  return Boolean(link);
}

function move(by) {
  return !dispatchEvent(new CustomEvent("weir:move", { detail: by, cancelable: true }));
}

function act(key) {
  if (going && performance.now() - going < 1500 && go(key)) return true;
  going = key === "g" ? performance.now() : 0;
  if (key === "/") return search();
  if (key === "?") return openHelp(), true;
  if (key === "j") return move(1);
  if (key === "k") return move(-1);
  if (key === "x") return !dispatchEvent(new Event("weir:select", { cancelable: true }));
  if (key === "r") return !dispatchEvent(new Event("weir:replay", { cancelable: true }));
  if (key === "a") return !dispatchEvent(new Event("weir:acknowledge", { cancelable: true }));
  if (key === "h") return !dispatchEvent(new Event("weir:hide", { cancelable: true }));
  return false;
}

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (event.key === "Escape") {
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
    if (typing(event.target)) event.target.blur();
    return;
  }
  if (typing(event.target) || help?.open) return;
  if (act(event.key)) event.preventDefault();
});

addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});
