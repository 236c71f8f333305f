// The queues page: its address, its live connection, and the parts that show a frame.

import { Attention } from "./attention.js";
import { FilterBox, hasTerm, withChip } from "./filterbox.js";
import { count } from "./format.js";
import { Live } from "./live.js";
import { Marks } from "./marks.js";
import { Sparks } from "./spark.js";
import { Summary } from "./summary.js";
import { Table, nextSort } from "./table.js";

const page = document.getElementById("queues");
const base = page.dataset.base;
const boot = JSON.parse(document.getElementById("boot").textContent);
const part = (name) => page.querySelector(`#${name}`);

const sparks = new Sparks();
const summary = new Summary(page);
const attention = new Attention(part("attention"), base);
const table = new Table(part("table"), { base, sparks, on: { window: lookAt, hold: (on) => live.hold(on), sort: sortBy, settle: remember } });
const box = new FilterBox(part("filter"), filterBy);
const marks = new Marks(page, base, () => view);
const live = new Live(`${base}ws/live/`, { frame: show, error: fail });

let view = { view: "queues", filter: "", sort: "", offset: 0, limit: 60 };
let place = 0; // the row that the address names, until there are rows to scroll to
let good = ""; // the last filter that was one
let latest = null; // the frame to show when the page is seen again

/** What the address says: filter, sort, offset. */
function address() {
  const asked = new URLSearchParams(location.search);
  return { filter: asked.get("filter") ?? "", sort: asked.get("sort") ?? "", offset: Math.max(0, parseInt(asked.get("offset"), 10) || 0) };
}

function addressOf(filter, sort, offset) {
  const asked = new URLSearchParams();
  if (filter) asked.set("filter", filter);
  if (sort) asked.set("sort", sort);
  if (offset > 0) asked.set("offset", offset);
  return `${location.pathname}${asked.size ? `?${asked}` : ""}`;
}

/** Another filter or order: from the top, into the address, to the server. */
function change({ filter = view.filter, sort = view.sort }, push) {
  if (filter === view.filter && sort === view.sort) return;
  view = { ...view, filter, sort, offset: 0 };
  history[push ? "pushState" : "replaceState"](null, "", addressOf(filter, sort, 0));
  table.reset();
  if (scrollY > table.top) scrollTo(0, Math.max(0, table.top - 140));
  showView();
  live.show(view);
}

function showView() {
  table.showSort(view.sort);
  summary.mark(view.filter);
}

let typed = false; // the address holds a filter that is still being typed
function filterBy(text, done) {
  change({ filter: text }, !typed);
  typed = !done;
}

function sortBy(name) {
  change({ sort: nextSort(view.sort, name) }, true);
}

function lookAt(offset, limit) {
  view = { ...view, offset, limit };
  live.show(view);
}

function remember(offset) {
  if (place) return; // nobody has been there yet
  const there = addressOf(view.filter, view.sort, offset);
  if (there !== location.pathname + location.search) history.replaceState(null, "", there);
}

/** A wrong filter is shown as such; the rows go on by the last good one. */
function fail(error) {
  if (error.field !== undefined && error.field !== "filter") return;
  box.fail(error);
  if (view.filter === good) return;
  view = { ...view, filter: good };
  table.reset();
  live.show(view);
}

function show(frame) {
  latest = frame;
  if (document.hidden) return;
  latest = null;
  if (frame.summary) {
    summary.show(frame.summary);
    attention.show(frame.summary.attention);
    showStates(frame);
  }
  if (frame.rows) take(frame);
}

/** One of: the rows; waiting for a first answer; no queue at all. */
function showStates({ summary: { queues, brokers }, total }) {
  const empty = !queues && !total && !view.filter;
  part("loading").hidden = !empty || !brokers.new;
  part("none").hidden = !empty || Boolean(brokers.new);
  part("listing").hidden = empty;
}

function take(frame) {
  const asked = frame.view;
  if (asked.filter !== view.filter || asked.sort !== view.sort) return; // on its way while the view changed
  good = asked.filter;
  if (box.error && box.text === good) box.fail(null);
  part("nomatch").hidden = frame.total > 0;
  table.table.hidden = frame.total === 0; // before a row of it is scrolled to
  table.take(frame.rows, asked.offset, frame.total);
  if (frame.total && place) {
    table.scrollToRow(place);
    place = 0;
  }
  marks.show(view, frame.total);
  part("total").textContent = `${count(frame.total)} ${frame.total === 1 ? "queue" : "queues"}${view.filter ? (frame.total === 1 ? " matches" : " match") : ""}`;
}

function chips() {
  for (const chip of page.querySelectorAll("[data-chip]")) {
    chip.addEventListener("click", () => {
      const term = chip.dataset.term ?? "";
      const text = withChip(box.text, hasTerm(box.text, term) ? "" : term);
      box.set(text);
      change({ filter: text }, true);
    });
  }
  part("all-queues").addEventListener("click", () => {
    box.set("");
    change({ filter: "" }, true);
    box.input.focus();
  });
}

function goTo({ filter, sort, offset }) {
  view = { ...view, filter, sort, offset };
  box.set(filter);
  showView();
  return offset;
}

addEventListener("popstate", () => {
  const offset = goTo(address());
  table.reset();
  live.show({ ...view, offset: Math.max(0, offset - 20) });
  table.scrollToRow(offset);
  table.soon();
});
document.addEventListener("visibilitychange", () => !document.hidden && latest && show(latest));

history.scrollRestoration = "manual";
chips();
place = goTo(address());
if (boot.error) {
  box.fail(boot.error);
  view.filter = view.sort = "";
}
show(boot.frame);
[view.offset, view.limit] = table.wanted();
live.show(view);
live.open();
