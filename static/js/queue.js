// The page of one queue: verdict and figures from the live connection, charts fetched beside it.

import { Chart, asked } from "./chart.js";
import { balance, capital, count, duration, exactTime, figure, howKnown, moment, rate } from "./format.js";
import { Live } from "./live.js";
import { Outlook } from "./outlook.js";

const page = document.getElementById("queue");
const { base, id } = page.dataset;
const name = page.querySelector("h1").textContent;
const chart = new Chart(document.getElementById("chart"), document.getElementById("chart-news"), `${base}api/v1/queues/${id}/figure`);
const live = new Live(`${base}ws/live/`, { frame: show });
const outlook = new Outlook(document.getElementById("outlook"), `${base}api/v1/queues/${id}/outlook`, () => newest && showVerdict(newest));
const ranges = [...page.querySelectorAll("a[data-range]")];

const NOW = [
  ["depth", "Depth"],
  ["in_flight", "In flight"],
  ["delayed", "Delayed"],
  ["in_rate", "In", " /s"],
  ["out_rate", "Out", " /s"],
  ["net_rate", "Net", " /s"],
  ["redelivery_rate", "Delivered again", " /s"],
  ["lag_seconds", "Lag"],
  ["lag_messages", "Lag in messages"],
  ["wait_seconds", "Expected wait"],
  ["clears_in_seconds", "Clears in"],
  ["consumers", "Consumers"],
  ["dead_letters", "Dead letters"],
];
const ALWAYS = new Set(["depth", "in_rate", "out_rate", "lag_seconds", "wait_seconds", "clears_in_seconds", "consumers"]);

const put = (node, text) => node.textContent !== text && (node.textContent = text);

function entry(field, label) {
  const list = document.getElementById("now");
  const parts = { term: document.createElement("dt"), value: document.createElement("dd") };
  parts.term.textContent = label;
  parts.number = parts.value.appendChild(document.createElement("span"));
  parts.how = parts.value.appendChild(document.createElement("small"));
  list.append(parts.term, parts.value);
  return parts;
}

const entries = new Map(NOW.map(([field, label]) => [field, entry(field, label)]));

const alarm = { lag_seconds: (row) => ({ growing: "warn", stalled: "bad" })[row.state] ?? "", dead_letters: (row) => (row.dead_letters ? "dead" : "") };

function showNow(row) {
  for (const [field, label, unit = ""] of NOW) {
    const parts = entries.get(field);
    const shown = figure(row, field, label);
    const known = row[field] !== null && row[field] !== undefined;
    const hidden = !shown.text || (!known && !ALWAYS.has(field)) || (field === "net_rate" && row.in_rate !== null);
    parts.term.hidden = parts.value.hidden = hidden;
    if (hidden) continue;
    put(parts.number, shown.text + (known && shown.text ? unit : ""));
    const how = howKnown(row, field);
    put(parts.how, how.startsWith("exact") ? "" : how); // what is not marked is exact
    parts.value.title = how;
    parts.value.className = shown.look || alarm[field]?.(row) || "";
  }
}

/** The verdict: the reason of the state, then what it means for a message that arrives now. */
function verdict(row) {
  const parts = [["b", row.reason]];
  const by = balance(row);
  if (row.stale || !row.depth) return parts;
  if (row.wait_seconds !== null) parts.push(["", " A message arriving now waits about "], ["b", duration(row.wait_seconds)], ["", by > 0 ? " at today's pace." : "."]);
  if (row.never_clears && by > 0) parts.push(["", ` The backlog grows by ${rate(by)} a second and never clears.`]);
  if (row.state === "growing" && outlook.words) parts.push(["", ` ${outlook.words}`]);
  if (row.state === "draining" && row.clears_in_seconds > 0) parts.push(["", " It clears in about "], ["b", duration(row.clears_in_seconds)], ["", "."]);
  return parts;
}

function showVerdict(row) {
  const parts = verdict(row);
  const words = parts.map(([, text]) => text).join("");
  const place = document.getElementById("verdict");
  if (place.textContent === words) return;
  place.replaceChildren(
    ...parts.map(([tag, text]) => {
      const piece = document.createElement(tag || "span");
      piece.textContent = text;
      return piece;
    }),
  );
}

let sampled = null;
let newest = null;
function show(frame) {
  if (!frame.rows) return;
  const [row] = frame.rows;
  if (!row) {
    if (!("gone" in page.dataset)) put(document.getElementById("verdict"), "Nothing is known of this queue at present: no answer that holds it has arrived since Weir started.");
    return;
  }
  const state = document.getElementById("state");
  put(state, capital(row.state));
  state.className = `state ${row.state}`;
  state.title = row.state_since ? `since ${moment(row.state_since)}` : "";
  document.title = `${name} · ${row.depth === null ? "?" : count(row.depth)} · Weir`;
  page.classList.toggle("stale", row.stale);
  newest = row;
  showVerdict(row);
  showNow(row);
  outlook.refresh();
  put(document.getElementById("now-title"), row.stale ? `Last known, at ${exactTime(row.sampled_at)}` : "Now");
  if (row.sampled_at !== sampled && sampled !== null) chart.refresh();
  sampled = row.sampled_at;
}

function showRange(range, push) {
  for (const link of ranges) {
    if (link.dataset.range === range) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
  if (push) history.pushState(null, "", `?${asked(range)}`);
  chart.show(range);
}

for (const link of ranges) {
  link.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    showRange(link.dataset.range, true);
  });
}
addEventListener("popstate", () => {
  const said = new URLSearchParams(location.search);
  showRange(said.has("start") ? `${said.get("start")},${said.get("end")}` : said.get("range") ?? page.dataset.range, false);
});
document.getElementById("csv").addEventListener("click", () => chart.csv(name));
document.getElementById("png").addEventListener("click", () => chart.png(name));
for (const time of page.querySelectorAll("time")) time.textContent = moment(time.dateTime);

show(JSON.parse(document.getElementById("boot").textContent));
live.show({ view: "queue", id: Number(id), range: page.dataset.range });
live.open();
showRange(page.dataset.span || page.dataset.range, false);
