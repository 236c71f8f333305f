// The inbox of dead letters: its address, its live connection, and the parts that show a frame.

import { Api } from "./api.js";
import { CauseMarks } from "./causemarks.js";
import { FilterBox } from "./filterbox.js";
import { count, duration } from "./format.js";
import { Letter } from "./letter.js";
import { Deeds } from "./letterdeeds.js";
import { Groups, titled } from "./lettergroups.js";
import { List } from "./letterlist.js";
import { Live } from "./live.js";
import { Looking } from "./looking.js";

const page = document.getElementById("letters");
const base = page.dataset.base;
const boot = JSON.parse(document.getElementById("boot").textContent);
const part = (name) => page.querySelector(`#${name}`);
const withheld = page.dataset.withheld; // why payloads are, where they are

const api = new Api(base, page);
const groups = new Groups(part("groups"), { choose: (key) => go({ key, letter: null }, true), by: (group) => go({ group, key: null, letter: null }, true) }, (key) => addressOf({ ...view, key, letter: null }));
const list = new List(part("messages"), api, { open: (letter) => go({ letter }, true), ticked, taken: () => withheld && opened() }, (letter) => addressOf({ ...view, letter }));
const letter = new Letter(part("letter"), api, base);
const looking = new Looking(part("look"), api, () => loadList());
const deeds = new Deeds(page, api, base);
const marks = new CauseMarks(part("cause"), api, (words) => (part("news").textContent = words));
const box = new FilterBox(part("filter"), (filter, done) => go({ filter, key: null, letter: null }, done));
const live = new Live(`${base}ws/live/`, { frame: show, error: fail });

let view = { filter: "", group: "cause", key: null, letter: null };
let latest = null;
let counted = null; // what the chosen group said when its list was loaded

/** What the address says: filter, group, key, letter. */
function address() {
  const asked = new URLSearchParams(location.search);
  const group = asked.get("group") ?? "cause";
  const key = asked.get("key");
  return { filter: asked.get("filter") ?? "", group, key: key === null ? null : group === "type" ? key : Number(key), letter: Number(asked.get("letter")) || null };
}

function addressOf({ filter, group, key, letter: id }) {
  const asked = new URLSearchParams();
  if (filter) asked.set("filter", filter);
  if (group !== "cause") asked.set("group", group);
  if (key !== null) asked.set("key", key);
  if (id) asked.set("letter", id);
  return `${location.pathname}${asked.size ? `?${asked}` : ""}`;
}

/** Something else is looked at: into the address, to the server, into the parts that show it. */
function go(change, push) {
  const before = view;
  view = { ...view, ...change };
  const there = addressOf(view);
  if (there !== location.pathname + location.search) history[push ? "pushState" : "replaceState"](null, "", there);
  apply(before);
}

function apply(before) {
  if (view.filter !== before.filter || view.group !== before.group) live.show(asked());
  if (view.key !== before.key || view.group !== before.group || view.filter !== before.filter) chosen();
  else if (view.letter !== before.letter) opened();
  showStep();
}

const asked = () => ({ view: "dead-letters", filter: view.filter, group: view.group });
const row = () => groups.rows.find((one) => one.key === view.key) ?? null;

/** The filter of the chosen group's letters, together with what is in the box. */
function scope(of) {
  const own = view.group === "cause" ? `cause:${of.fingerprint}` : view.group === "type" ? `type:${JSON.stringify(of.key)}` : "";
  const text = view.filter && own ? `(${view.filter}) ${own}` : view.filter || own;
  return { filter: text, queue_id: view.group === "queue" ? of.key : undefined };
}

/** Another group: its heading, its letters. */
function chosen() {
  const of = row();
  groups.mark(view.key);
  part("messages").hidden = part("choose").hidden = true;
  (of ? part("messages") : part("choose")).hidden = false;
  looking.close();
  letter.close();
  showHeading();
  if (of) loadList();
}

function loadList() {
  const of = row();
  if (!of) return;
  counted = [of.count, of.last_at].join();
  list.load({ ...scope(of), sort: "-died_at" }, view.letter);
  opened();
  if (!of.count && of.taken?.as_of === null && !looking.open) looking.show(of.queues, of.taken?.of);
}

function opened() {
  list.mark(view.letter);
  if (!view.letter) letter.close();
  else if (withheld) letter.outline(list.letters.find((one) => one.id === view.letter), withheld);
  else letter.open(view.letter);
  ticked();
}

function showHeading() {
  const of = row();
  if (!of) return;
  [part("heading").textContent, part("detail").textContent] = titled(of);
  const where = of.queue_count === 1 ? of.queues[0].name : `${count(of.queue_count)} queues`;
  const unlooked = !of.count && of.taken?.as_of === null;
  part("subject").textContent = unlooked ? "nobody has looked into it yet" : `${count(of.count)} ${of.count === 1 ? "message" : "messages"} · ${where}`;
  part("export").href = `${base}api/v1/dead-letters/export?${new URLSearchParams(Object.entries(scope(of)).filter(([, value]) => value))}`;
  marks.show(view.group === "cause" ? of : null);
}

/** On a phone one step is shown at a time: the groups, a group's letters, a letter. */
function showStep() {
  page.dataset.step = view.letter ? "letter" : view.key !== null ? "letters" : "groups";
}

function ticked(letters = [...list.ticked.values()]) {
  const group = row();
  const open = !withheld ? list.letters.find((one) => one.id === view.letter) : undefined;
  deeds.show({ letters, group, by: view.group, scope: group && scope(group), open });
}

function fail(error) {
  if (error.field === undefined || error.field === "filter") box.fail(error);
}

function show(frame) {
  latest = frame;
  if (document.hidden || !frame.rows) return;
  latest = null;
  if (frame.view.filter !== view.filter || frame.view.group !== view.group) return;
  if (box.error && box.text === frame.view.filter) box.fail(null);
  groups.show(frame.rows, view.group, view.key, frame.total);
  summary(frame.summary, frame.rows.length);
  const of = row();
  const blank = part("messages").hidden && part("choose").hidden;
  if (!of && view.key === null && frame.rows.length && blank && matchMedia("(min-width: 761px)").matches) return go({ key: frame.rows[0].key }, false);
  if (of && part("messages").hidden) return chosen();
  if (!of && view.key !== null) chosen();
  if (!of) return;
  showHeading();
  ticked();
  const now = [of.count, of.last_at].join();
  if (now !== counted) {
    list.stale(of.count - Number(counted?.split(",")[0]));
    counted = now;
  }
}

function summary(said, shown) {
  const words = [];
  if (said.problem) words.push(said.problem);
  else {
    words.push(`${count(said.messages)} in ${count(said.queues)} ${said.queues === 1 ? "queue" : "queues"}`, `${count(said.causes)} ${said.causes === 1 ? "cause" : "causes"}`);
    if (said.new) words.push(`${count(said.new)} new within an hour`);
    if (said.taken) words.push(said.taken.sentence);
    if (said.searched) words.push(said.searched);
  }
  const none = !shown && !view.filter;
  part("under").textContent = none && !said.problem ? "" : words.join(" · ");
  const expiry = said.oldest_expires_at ? (Date.parse(said.oldest_expires_at) - Date.now()) / 1000 : null;
  part("expiry").textContent = expiry === null ? "" : `oldest expires in ${duration(Math.max(0, expiry))}`;
  part("calm").hidden = !none;
  part("inbox").hidden = none;
  part("nothing").hidden = Boolean(shown) || none;
  const lying = none && !said.problem ? (said.taken?.of ?? 0) : 0; // known to their brokers, and never looked at
  part("calm-title").textContent = lying ? "Nothing was looked at yet" : "No dead letters";
  part("calm-look").hidden = !lying;
  if (lying) part("calm-words").textContent = `${count(lying)} dead letters lie in ${count(said.holders)} ${said.holders === 1 ? "queue" : "queues"}. What is in them shows when somebody looks; the price is said first.`;
  else part("calm-words").textContent = said.holders ? `${said.holders === 1 ? "One queue is there for them, and it is" : `${count(said.holders)} queues are there for them, and all are`} empty.` : "No queue of dead letters is known yet.";
  part("snoozed").textContent = said.snoozed ? `${count(said.snoozed)} snoozed` : "";
  part("snoozed").hidden = !said.snoozed;
}

part("looks").addEventListener("click", (event) => (looking.open ? looking.close() : looking.show(row().queues, row().taken?.of, event.currentTarget)));
for (const back of page.querySelectorAll("[data-back]")) back.addEventListener("click", () => go(back.dataset.back === "groups" ? { key: null, letter: null } : { letter: null }, true));
addEventListener("popstate", () => {
  const before = view;
  view = address();
  box.set(view.filter);
  groups.show(groups.rows, view.group, view.key, groups.rows.length);
  apply(before);
});
document.addEventListener("visibilitychange", () => !document.hidden && latest && show(latest));

view = address();
box.set(view.filter);
if (boot.error) box.fail(boot.error), (view = { ...view, filter: "" });
showStep();
part("loading").hidden = true;
show(boot.frame);
live.show(asked());
live.open();
