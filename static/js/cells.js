// The columns of the queues table: what stands in each cell, and changing it in place only where it changed.

import { balance, capital, exactTime, figure, rate } from "./format.js";
import { draw, sparkline, svg } from "./spark.js";

/** Set a cell's text, class and hint; the DOM is touched only for what differs from last time. */
function put(cell, text, look = "", hint = "") {
  if (cell.text !== text) cell.textContent = cell.text = text;
  if (cell.look !== look) cell.className = cell.look = look;
  if (cell.hint !== hint) {
    cell.hint = hint;
    if (hint) cell.title = hint;
    else cell.removeAttribute("title");
  }
}

const number = (field, label, look = () => "") => ({
  make() {},
  fill(cell, row) {
    const shown = figure(row, field, label);
    put(cell, shown.text, `${field} ${look(row) || shown.look}`, shown.hint);
  },
});

const alarm = (row) => (row.state === "stalled" ? "bad" : row.state === "growing" ? "warn" : "");

const state = {
  make(cell) {
    cell.className = "l st";
    cell.word = cell.appendChild(document.createElement("span"));
  },
  fill(cell, row) {
    put(cell.word, capital(row.state), `state ${row.state}`, row.reason ?? "");
  },
};

const marks = document.querySelector("[data-marks]") !== null; // this person may hide queues

const queue = {
  make(cell) {
    cell.className = "l name";
    cell.link = cell.appendChild(document.createElement("a"));
    cell.link.tabIndex = -1;
    if (!marks) return;
    cell.mark = cell.appendChild(document.createElement("button"));
    cell.mark.className = "btn mark";
    cell.mark.type = "button";
    cell.mark.tabIndex = -1; // by keyboard it is `h`
  },
  fill(cell, row, base) {
    cell.row = row;
    if (cell.mark) put(cell.mark, row.hidden ? "Show" : "Hide", "btn mark", row.hidden ? "Show it again" : "Neither show nor count it; it can be undone");
    put(cell.link, row.name, "mono", row.name.length > 28 ? row.name : "");
    const href = `${base}queues/${row.id}/`;
    if (cell.href !== href) cell.link.href = cell.href = href;
  },
};

const KIND_WORDS = { classic: "", quorum: "quorum", stream: "stream", list: "list" };

const broker = {
  make() {},
  fill(cell, row) {
    const kind = row.dialect ? capital(row.dialect) : (KIND_WORDS[row.kind] ?? row.kind);
    put(cell, kind ? `${row.broker} · ${kind}` : row.broker, "l bk", `${row.broker}, ${row.kind}, sampled at ${exactTime(row.sampled_at)}`);
  },
};

const spark = {
  make(cell) {
    cell.className = "l sp";
    cell.chart = cell.appendChild(sparkline(120, 24));
  },
  fill(cell, row, _base, sparks) {
    const look = `spark ${alarm(row) ? row.state : ""}`;
    if (cell.state !== look) cell.chart.setAttribute("class", (cell.state = look));
    draw(cell.chart, sparks.of(row.id));
  },
};

const net = {
  make(cell) {
    cell.className = "net";
    const chart = cell.appendChild(svg("svg", { viewBox: "0 0 64 6", class: "bar", "aria-hidden": "true" }));
    chart.append(svg("path", { d: "M32 0v6" }));
    cell.bar = chart.appendChild(svg("rect", { y: 0, height: 6, rx: 3 }));
    cell.said = cell.appendChild(document.createElement("span"));
    cell.said.className = "sr";
  },
  fill(cell, row) {
    const by = balance(row);
    const width = by ? Math.min(31, 3 + 9 * Math.log10(1 + Math.abs(by))) : 0;
    const key = by === null ? "" : `${by > 0 ? 32 : 32 - width} ${width.toFixed(1)}`;
    if (cell.key !== key) {
      cell.key = key;
      cell.bar.setAttribute("x", by > 0 ? 32 : 32 - width);
      cell.bar.setAttribute("width", width.toFixed(1));
      cell.bar.setAttribute("class", by > 0 ? "up" : "down");
    }
    const words = by === null ? "not known" : `${by > 0 ? "+" : by < 0 ? "−" : ""}${rate(Math.abs(by))} per second`;
    if (cell.words !== words) {
      cell.said.textContent = cell.words = words;
      cell.title = `Balance: ${words}`;
    }
  },
};

const nobody = (row) => (row.consumers === 0 && row.state === "stalled" ? "bad" : "");
const any = (row) => (row.dead_letters ? "dead" : "");

/** The columns in order: `sort` is the name by which the server sorts, `low` columns leave a narrow window first. */
export const COLUMNS = [
  { name: "state", title: "State", sort: "state", left: true, ...state },
  { name: "queue", title: "Queue", sort: "name", left: true, ...queue },
  { name: "broker", title: "Broker", sort: "broker", left: true, ...broker },
  { name: "depth", title: "Depth", sort: "depth", down: true, ...number("depth", "Depth") },
  { name: "spark", title: "Last 30 min", left: true, ...spark },
  { name: "inflight", title: "In flight", sort: "in_flight", down: true, ...number("in_flight", "In flight", (row) => (row.in_flight ? "muted" : "")) },
  { name: "in", title: "In /s", sort: "in_rate", down: true, ...number("in_rate", "In") },
  { name: "out", title: "Out /s", sort: "out_rate", down: true, ...number("out_rate", "Out") },
  { name: "net", title: "Balance", sort: "balance", down: true, ...net },
  { name: "lag", title: "Lag", sort: "lag", down: true, ...number("lag_seconds", "Lag", alarm) },
  { name: "clears", title: "Clears in", sort: "clears", down: true, ...number("clears_in_seconds", "Clears in", () => "muted") },
  { name: "consumers", title: "Consumers", sort: "consumers", ...number("consumers", "Consumers", nobody) },
  { name: "dead", title: "Dead", sort: "dead", down: true, ...number("dead_letters", "Dead letters", any) },
];

/** A row of the table with its cells, not yet filled. */
export function makeRow() {
  const row = document.createElement("tr");
  row.setAttribute("role", "row");
  for (const column of COLUMNS) {
    const cell = document.createElement("td");
    cell.setAttribute("role", "cell");
    column.make(cell);
    row.append(cell);
  }
  return row;
}

/** Fill a row of the table; `row` undefined: its data is on the way. */
export function fillRow(element, row, base, sparks) {
  const look = row ? `${row.state}${row.stale ? " stale" : ""}` : "coming";
  if (element.look !== look) element.className = element.look = look;
  if (!row) return;
  COLUMNS.forEach((column, i) => column.fill(element.cells[i], row, base, sparks));
}

