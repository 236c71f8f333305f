// The wallboard: as many rows of its view as the screen holds, and the figures of that view. It connects again by itself.

import { fillRow, makeRow } from "./cells.js";
import { count } from "./format.js";
import { Live } from "./live.js";
import { Sparks } from "./spark.js";
import { Summary } from "./summary.js";

const page = document.getElementById("wallboard");
const body = page.querySelector("tbody.rows");
const listing = page.querySelector(".listing");
const sparks = new Sparks();
const summary = new Summary(page);
const live = new Live(page.dataset.socket, { frame: show, error: () => {} });
const title = document.title;

/** How many rows the screen holds; on a phone, which scrolls, all that come. */
function holds() {
  if (getComputedStyle(page).overflowY !== "clip") return Infinity;
  const height = parseFloat(getComputedStyle(body).getPropertyValue("--row")) * innerHeight / 100;
  const head = page.querySelector("thead").offsetHeight;
  return Math.max(1, Math.floor((listing.clientHeight - head) / height));
}

function show(frame) {
  if (frame.summary) summary.show(frame.summary);
  document.title = title;
  if (frame.rows) fill(frame.rows, frame.total);
}

function fill(rows, total) {
  const shown = rows.slice(0, holds());
  rows.forEach((row) => sparks.take(row));
  while (body.rows.length > shown.length) body.lastElementChild.remove();
  while (body.rows.length < shown.length) body.append(makeRow());
  shown.forEach((row, i) => {
    fillRow(body.rows[i], row, "", sparks);
    body.rows[i].querySelector("a").removeAttribute("href"); // there is nothing to open without signing in
  });
  page.querySelector("#nothing").hidden = total > 0;
  const beyond = total - shown.length;
  page.querySelector("#more").textContent = beyond > 0 ? `and ${count(beyond)} more` : "";
}

show(JSON.parse(document.getElementById("boot").textContent));
live.show({ view: "queues", limit: Number(page.dataset.rows) });
live.open();
