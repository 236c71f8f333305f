// The list of replays and deletions: numbers change in place, a new one is fetched with the page, deletions are restored.

import { Api } from "./api.js";
import { count, moment } from "./format.js";
import { Live } from "./live.js";
import { moveAmong } from "./stops.js";

const page = document.getElementById("replays");
const { base } = page.dataset;
const api = new Api(base, page);
const error = document.getElementById("error");
const first = !new URLSearchParams(location.search).has("before");
const live = new Live(`${base}ws/live/`, { frame: (frame) => frame.rows && show(frame.rows), error: () => {} });
live.show({ view: "replays" });
localTimes();
live.open();

function show(rows) {
  let unknown = false;
  for (const row of rows) {
    const line = page.querySelector(`tr[data-id="${row.id}"]`);
    if (!line) unknown = true;
    else fill(line, row);
  }
  if (unknown && first && rows.length) fetchRows();
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
  if (fetching) return;
  fetching = true;
  try {
    const response = await fetch(location.href);
    if (!response.ok) return;
    const fresh = new DOMParser().parseFromString(await response.text(), "text/html").getElementById("replays");
    const held = document.activeElement?.closest("tr")?.dataset.id;
    page.replaceChildren(...fresh.childNodes);
    localTimes();
    if (held) page.querySelector(`tr[data-id="${held}"]`)?.focus();
  } finally {
    setTimeout(() => (fetching = false), 2000);
  }
}

page.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-restore]");
  if (!button) return;
  button.disabled = true;
  const answer = await api.call("POST", `deletions/${button.dataset.restore}/restore`);
  if (!answer.error) return (location.href = `${base}replays/${answer.id}/`);
  button.disabled = false;
  error.textContent = answer.error.message;
  error.hidden = false;
});

moveAmong(() => [...page.querySelectorAll("tbody tr, .pages a")]);
addEventListener("keydown", (event) => {
  if (event.key === "Enter" && event.target.matches?.("#replays tr")) event.target.querySelector("a")?.click();
});
