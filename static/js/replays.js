// The list of replays and deletions: numbers change in place, a new one is fetched with the page, deletions are restored.

import { Api } from "./api.js";
import { count, moment } from "./format.js";
import { Live } from "./live.js";
import { restore, typing } from "./restore.js";
import { moveAmong } from "./stops.js";

const page = document.getElementById("replays");
const { base } = page.dataset;
const api = new Api(base, page);
const asked = new URLSearchParams(location.search);
const first = !asked.has("before") && !asked.has("deleted");
let newest = null; // of which the page knows; what a filter leaves out is not fetched again and again
const live = new Live(`${base}ws/live/`, { frame: (frame) => frame.rows && show(frame.rows), error: () => {} });
live.show({ view: "replays" });
localTimes();
live.open();

function show(rows) {
  for (const row of rows) {
    const line = page.querySelector(`tr[data-id="${row.id}"]`);
    if (line) fill(line, row);
  }
  const latest = Math.max(0, ...rows.map((row) => row.id));
  newest ??= asked.size ? latest : Math.max(0, ...[...page.querySelectorAll("tr[data-id]")].map((line) => Number(line.dataset.id)));
  if (latest <= newest || !first || page.contains(document.activeElement?.closest("form"))) return;
  fetchRows().then((there) => there && (newest = latest));
}

function fill(line, row) {
  for (const cell of line.querySelectorAll("[data-field]")) {
    const value = row[cell.dataset.field];
    const text = typeof value === "number" ? count(value) : (value ?? "?");
    if (cell.textContent !== text) cell.textContent = text;
    if (cell.dataset.field === "state") cell.className = `state ${value}`;
  }
}

/** Times as they are here; the server wrote them in UTC. */
function localTimes() {
  for (const time of page.querySelectorAll("time[datetime]")) {
    time.title = time.textContent;
    time.textContent = moment(time.dateTime);
  }
}

let fetching = false;
async function fetchRows() {
  if (fetching) return false;
  fetching = true;
  try {
    const response = await fetch(location.href);
    if (!response.ok) return false;
    const fresh = new DOMParser().parseFromString(await response.text(), "text/html").getElementById("replays");
    const held = document.activeElement?.closest("tr")?.dataset.id;
    page.replaceChildren(...fresh.childNodes);
    localTimes();
    if (held) page.querySelector(`tr[data-id="${held}"]`)?.focus();
    return true;
  } catch {
    return false; // the next frame tries again
  } finally {
    setTimeout(() => (fetching = false), 2000);
  }
}

/** What went wrong, in a line of its own below the one that it is of. */
function say(line, words) {
  page.querySelector("tr.said")?.remove();
  if (!words) return;
  const cell = Object.assign(document.createElement("td"), { colSpan: line.cells.length, className: "l wrap" });
  const row = Object.assign(document.createElement("tr"), { className: "said" });
  cell.append(Object.assign(document.createElement("p"), { className: "note bad", role: "alert", textContent: words }));
  row.append(cell);
  line.after(row);
}

page.addEventListener("click", (event) => {
  const button = event.target.closest("[data-restore]");
  if (button) putBack(button);
});

async function putBack(button, confirm) {
  const line = button.closest("tr");
  button.disabled = true;
  const ask = () => {
    page.querySelector("tr.said td").append(typing((typed) => putBack(button, typed)));
    page.querySelector("tr.said input").select();
  };
  const answer = await restore(api, button.dataset.restore, confirm, { say: (words) => say(line, words), ask });
  if (answer) return (location.href = `${base}replays/${answer.id}/`);
  button.disabled = false;
}

page.addEventListener("submit", (event) => {
  if (event.target.matches(".asks")) for (const field of event.target.querySelectorAll("[name]")) field.disabled = !field.value;
});
moveAmong(() => [...page.querySelectorAll("tbody tr[tabindex], .pages a")]);
addEventListener("keydown", (event) => {
  if (event.key === "Enter" && event.target.matches?.("#replays tr")) event.target.querySelector("a")?.click();
});
