// One replay, live: how far it is, its steps, what can be done with it, and what became of each message.

import { Api } from "./api.js";
import { Chart } from "./chart.js";
import { count, duration, exactTime } from "./format.js";
import { Live } from "./live.js";
import { OVER, actsOf, fatesOf, mover, planOf, stepsOf } from "./replayfacts.js";
import { restore, typing as countFor } from "./restore.js";

const page = document.getElementById("replay");
const { base, id } = page.dataset;
const find = (selector) => page.querySelector(selector);
const put = (node, text) => node && node.textContent !== text && (node.textContent = text);
const calls = new Api(base, page);
const api = (method, path, body) => calls.call(method, path, { body });
const chart = new Chart(find("#chart-replay"), find("#chart-news"), `${base}api/v1/replays/${id}/figure`);
const live = new Live(`${base}ws/live/`, { frame: (frame) => frame.rows?.[0] && show(frame.rows[0]), error: () => {} });
const STILL = [...OVER, "trial", "watching", "paused"]; // in which no pace is to be seen
let replay = null;
let offered = ""; // what can be done with it, as it was shown last

live.show({ view: "replay", id: Number(id) });
live.open();
if (!find("[data-chart]").hidden) addEventListener("load", () => chart.show("15m"));

function say(selector, words) {
  const box = find(selector);
  put(box, words ?? "");
  box.hidden = !words;
}

function show(row) {
  const changed = replay?.state !== row.state;
  const moved = replay?.sent !== row.sent || replay?.came_back !== row.came_back;
  replay = row;
  const state = find("[data-state]");
  put(state, row.state);
  state.className = `state ${row.state}`;
  document.title = `${row.state === "running" && row.total ? `${Math.round((100 * row.sent) / row.total)} % · ` : ""}${find("h1").textContent} · Weir`;
  say("[data-reason]", row.reason && row.waits_until ? `${row.reason} Until ${exactTime(row.waits_until)} at the latest.` : row.reason);
  say("[data-notes]", row.notes.join(" "));
  find("[data-reason]").classList.toggle("bad", row.state === "failed" || (row.state === "done" && row.failed > 0));
  find("[data-reason]").classList.toggle("warn", row.state === "stopped" && row.came_back > 0);
  say("[data-trouble]", row.trouble && `${row.trouble} Weir tries again by itself.`);
  const of = row.total === null ? "" : ` of ${count(row.total)}`;
  put(find("[data-far]"), `${count(row.sent)}${of}`);
  const left = row.seconds_left === null ? "" : ` · ${duration(row.seconds_left)} left`;
  put(find("[data-pace]"), row.per_second === null || row.trouble || STILL.includes(row.state) ? "" : `${count(row.per_second)} /s${left}`);
  find("progress").value = OVER.includes(row.state) && row.state === "done" ? 1 : row.total ? (row.sent + row.failed + row.skipped) / row.total : 0;
  showSteps(row);
  pairs(find(".fates"), fatesOf(row));
  if (row.planned) pairs(find("[data-plan]"), planOf(row));
  const acts = JSON.stringify(actsOf(row));
  if (changed || acts !== offered) showActs(row);
  offered = acts;
  const form = find("[data-rate-form]");
  const rate = find("#rate");
  if (rate && changed && document.activeElement !== rate) rate.value = row.rate ?? "";
  if (form) form.hidden = OVER.includes(row.state) || row.deed === "restore" || (row.how === "broker" && row.started_at !== null);
  if (moved || changed) refresh(changed);
}

let [refreshedAt, later] = [-Infinity, 0];
/** The chart and the list, at once or when three seconds have passed; what comes meanwhile is in the one at their end. */
function refresh(now) {
  clearTimeout(later);
  const wait = now ? 0 : refreshedAt + 3000 - performance.now();
  if (wait > 0) return (later = setTimeout(() => refresh(true), wait));
  refreshedAt = performance.now();
  if (!find("[data-chart]").hidden) chart.refresh(now);
  load(true);
}

function showSteps(row) {
  const list = find(".steps");
  const lines = stepsOf(row).map(({ label, word, step }, i) => {
    const line = document.createElement("li");
    const mark = document.createElement("i");
    const [name, told] = [document.createElement("span"), document.createElement("span")];
    line.dataset.step = step;
    mark.textContent = { done: "✓", bad: "✕" }[step] ?? String(i + 1);
    mark.setAttribute("aria-hidden", "true");
    put(name, label);
    put(told, word);
    if (step === "now" || step === "bad") line.setAttribute("aria-current", "step");
    line.append(mark, name, told);
    return line;
  });
  const key = `${row.state} ${lines.map((line) => line.textContent).join("")}`;
  if (list.dataset.key !== key) list.replaceChildren(...lines);
  list.dataset.key = key;
}

function pairs(list, rows) {
  const words = rows.map(([label, text]) => label + text).join("");
  if (list.dataset.words === words) return;
  list.dataset.words = words;
  const had = document.activeElement?.dataset?.fate;
  list.replaceChildren(
    ...rows.flatMap(([label, text, look = "", to = "", fate = ""]) => {
      const [term, value] = [document.createElement("dt"), document.createElement("dd")];
      put(term, label);
      put(fate ? value.appendChild(chooser(fate, label)) : value, text);
      (to === "term" ? term : value).className = look;
      return [term, value];
    }),
  );
  if (had) list.querySelector(`[data-fate=${had}]`)?.focus();
}

/** A count that shows its messages in the list. */
function chooser(fate, label) {
  const button = Object.assign(document.createElement("button"), { type: "button", className: "link", title: `Show them: ${label.toLowerCase()}` });
  button.dataset.fate = fate;
  button.addEventListener("click", () => ((find("#fate").value = fate), (fates.shown = 0), load(true)));
  return button;
}

function showActs(row) {
  const place = find("[data-acts]");
  if (!place) return;
  const had = document.activeElement?.dataset?.act;
  place.replaceChildren(
    ...actsOf(row).map(([verb, words, look]) => {
      const button = document.createElement("button");
      Object.assign(button, { type: "button", className: `btn ${look}`, textContent: words });
      button.dataset.act = verb;
      button.addEventListener("click", () => act(verb));
      return button;
    }),
  );
  if (row.state === "planned" && (row.planned?.confirm ?? null) !== null) place.prepend(typing(row.planned.confirm, place.querySelector("[data-act=start]")));
  if (had) (place.querySelector(`[data-act=${had}]`) ?? place.querySelector("button") ?? find("h1")).focus();
}

/** The count, to be typed before a start that asks for it. */
function typing(confirm, start) {
  const box = Object.assign(document.createElement("input"), { className: "input num short", inputMode: "numeric", autocomplete: "off", placeholder: `type ${count(confirm)}`, ariaLabel: `Type ${count(confirm)} to go on` });
  box.addEventListener("input", () => (start.disabled = box.value.replaceAll(/[,\s]/g, "") !== String(confirm)));
  start.disabled = true;
  return box;
}

/** Under the sentence that says what would be lost. */
function askCount() {
  const there = page.querySelector("form.counted") ?? countFor((typed) => act("restore", typed));
  find("[data-error]").after(there);
  there.querySelector("input").select();
}

async function act(verb, typed) {
  if (verb === "left") return (location.href = `${base}replays/new/?queue=${replay.queue_id}${replay.selection.filter ? `&filter=${encodeURIComponent(replay.selection.filter)}` : ""}`);
  const confirm = verb === "start" ? (replay.planned?.confirm ?? null) : null;
  const answer = NEXT[verb] ? await NEXT[verb](typed) : await api("POST", `replays/${id}/${verb}`, verb === "start" ? { confirm } : undefined);
  if (!answer) return;
  say("[data-error]", answer.error?.message);
  if (answer.error) return;
  if (answer.id !== replay.id) location.href = `${base}replays/${answer.id}/`;
  else show(answer);
}

/** What leads to another one: of a move of the rest to a staging queue the plan that it was made for, and the way back. */
const NEXT = {
  async chosen() {
    const { error, queue_id, selection, deed, to, rate, trial, options, limits, allow_replayed } = await api("GET", `replays/${replay.repeats}`);
    return error ? { error } : api("POST", "replays", { queue_id, selection, deed, to, rate, trial, options, limits, allow_replayed });
  },
  restore: (confirm) => restore(calls, id, confirm, { say: (words) => say("[data-error]", words), ask: askCount }),
  back: () => api("POST", `replays/${id}/back`),
};

find("[data-rate-form]")?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const text = find("#rate").value;
  const answer = await api("PATCH", `replays/${id}`, { rate: text === "" ? null : Number(text) });
  say("[data-error]", answer.error?.message);
  if (!answer.error) show(answer);
});

// --- what became of each message ---
const fates = { body: find(".fatelist tbody"), next: null, shown: 0 };
const WORDS = { removed: "done", came_back: "came back", skipped: "left out", sent: "sent, not yet removed", sending: "being sent", doubled: "may lie here twice" };

async function load(again) {
  const asked = new URLSearchParams({ limit: again ? Math.min(1000, Math.max(50, fates.shown)) : 50 });
  const state = find("#fate").value;
  if (state) asked.set("state", state);
  if (!again && fates.next) asked.set("cursor", fates.next);
  const answer = await api("GET", `replays/${id}/messages?${asked}`);
  if (answer.error) return say("[data-none]", answer.error.message);
  const rows = answer.items.map(line);
  if (again) fates.body.replaceChildren(...rows), (fates.shown = rows.length);
  else fates.body.append(...rows), (fates.shown += rows.length);
  fates.next = answer.next;
  put(find("[data-count]"), `${count(fates.shown)} of ${count(answer.total)}`);
  say("[data-none]", answer.total ? "" : replay?.how === "broker" ? `${mover(replay)} moves them by itself, and does not tell what became of each.` : replay?.started_at ? "None so far." : "Nothing has been sent yet.");
  find("[data-more]").hidden = !answer.next;
}

function line(message) {
  const row = document.createElement("tr");
  const state = message.possibly_duplicated ? `${WORDS[message.state] ?? message.state}, possibly twice` : (WORDS[message.state] ?? message.state);
  const cells = [
    ["No.", String(message.n), "num"],
    ["Became", state, `l ${message.state === "failed" || message.state === "came_back" ? "bad" : ""}`],
    ["To", message.destination ?? "–", "l mono wrap"],
    ["Size", message.size_bytes === null ? "" : `${count(message.size_bytes)} B`, "num"],
    ["When", message.at ? exactTime(message.at) : "", "l num"],
    ["Why", message.why ?? "", "l why muted"],
  ];
  for (const [label, text, look] of cells) {
    const cell = row.appendChild(document.createElement("td"));
    cell.dataset.label = label;
    cell.className = look;
    cell.textContent = text;
  }
  row.title = message.key;
  return row;
}

find("#fate").addEventListener("change", () => ((fates.shown = 0), load(true)));
find("[data-more]").addEventListener("click", () => load(false));
