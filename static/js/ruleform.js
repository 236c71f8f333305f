// The form of a rule: a sentence that is tried on the stored history as it changes, and saved through the API.

import { duration, moment } from "./format.js";
import { plot, worded } from "./plot.js";

const form = document.getElementById("rule");
const { base, done, id } = form.dataset;
const given = JSON.parse(document.getElementById("given").textContent);
const clock = "clock" in form.dataset;
const part = (name) => form.elements.namedItem(name);
const place = (name) => document.getElementById(name);
const UNITS = { ms: 0.001, s: 1, m: 60, min: 60, h: 3600, d: 86400, w: 604800 };
const SIZES = { k: 1e3, m: 1e6, g: 1e9 };
const PATIENCE = 250; // milliseconds after the last key

class Wrong extends Error {
  constructor(name, words) {
    super(words);
    this.name = name;
  }
}

/** Seconds of "90", "5m", "1h 30m". */
function seconds(name) {
  const text = part(name).value.trim();
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text);
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)\s*(ms|min|[smhdw])\s*/g)];
  if (!parts.length || parts.map(([all]) => all).join("") !== text) throw new Wrong(name, `"${text}" is no duration: write 30s, 5m or 2h.`);
  return parts.reduce((sum, [, n, unit]) => sum + n * UNITS[unit], 0);
}

function number(name, metric) {
  if (metric.endsWith("_seconds")) return seconds(name);
  const found = /^(-?\d+(?:\.\d+)?)\s*([kMGmg])?$/.exec(part(name).value.trim().replaceAll(",", ""));
  if (!found) throw new Wrong(name, `"${part(name).value}" is no number: write 5, 10k or 2M.`);
  return found[1] * (SIZES[found[2]?.toLowerCase()] ?? 1);
}

/** Seconds as they are typed: 5m, 1h 30m. */
function typed(value) {
  if (!value) return "0s";
  const parts = [];
  for (const unit of ["d", "h", "m", "s"]) {
    const n = Math.floor(value / UNITS[unit]);
    if (n) parts.push(`${n}${unit}`);
    value -= n * UNITS[unit];
  }
  return parts.join(" ") || `${value}s`;
}

const inWords = (metric, value) => (metric?.endsWith("_seconds") ? typed(value) : String(value));

function show() {
  const { condition } = given;
  part("for").value = typed(condition.for_seconds);
  part("clear").value = typed(condition.clear_seconds ?? 120);
  if (part("escalate") && given.escalation?.length) {
    part("escalate").value = typed(given.escalation[0].after_seconds);
    part("escalate_to").value = given.escalation[0].notifiers[0] ?? "";
  }
  place("zone").dataset.zone ||= Intl.DateTimeFormat().resolvedOptions().timeZone;
  place("zone").textContent = `in ${place("zone").dataset.zone}`;
  if (clock) return;
  const kind = condition.kind ?? (condition.metric === "state" ? "state" : "threshold");
  part("kind").value = kind;
  if (["state", "stuck", "event"].includes(kind)) part(kind).value = condition.value;
  else {
    part("metric").value = condition.metric;
    part("value").value = inWords(kind === "unusual" ? "" : condition.metric, condition.value);
  }
  for (const name of ["op", "op_forecast", "op_change", "op_unusual"]) part(name).value = condition.op ?? ">";
  if (condition.clear_value !== undefined && condition.clear_value !== null) part("clear_value").value = inWords(condition.metric, condition.clear_value);
  if (condition.window_seconds) part("window").value = typed(condition.window_seconds);
  if (condition.horizon_seconds) part("horizon").value = typed(condition.horizon_seconds);
  part("percent").checked = Boolean(condition.percent);
  part("unknown").value = condition.unknown ?? "keep";
  fit();
}

/** Only the words that go with the kind of condition. */
function fit() {
  const kind = part("kind").value;
  for (const piece of form.querySelectorAll("[data-for]")) {
    piece.hidden = !piece.dataset.for.split(" ").includes(kind);
    for (const input of piece.matches("label") ? [] : piece.querySelectorAll("input")) input.disabled = piece.hidden;
  }
}

function condition() {
  const timing = { for_seconds: seconds("for"), clear_seconds: seconds("clear") };
  if (clock) return { ...given.condition, ...timing };
  const kind = part("kind").value;
  if (kind === "event") return { kind, value: part("event").value, clear_seconds: timing.clear_seconds };
  const common = { kind, ...timing, unknown: part("unknown").value };
  if (kind === "state") return { ...common, value: part("state").value };
  if (kind === "stuck") return { ...common, value: part("stuck").value, window_seconds: seconds("window") };
  const metric = part("metric").value;
  const op = part(kind === "threshold" ? "op" : `op_${kind}`).value;
  const plain = kind === "unusual" || (kind === "change" && part("percent").checked);
  const made = { ...common, metric, op, value: number("value", plain ? "" : metric) };
  if (kind === "change" || kind === "forecast") made.window_seconds = seconds("window");
  if (kind === "forecast") made.horizon_seconds = seconds("horizon");
  if (kind === "change") made.percent = part("percent").checked;
  if (["threshold", "forecast"].includes(kind) && part("clear_value").value.trim()) made.clear_value = number("clear_value", metric);
  return made;
}

function whole() {
  const to = [...form.querySelectorAll("[name=notifier]:checked")].map((box) => Number(box.value));
  const [from, until] = [part("quiet_from").value, part("quiet_to").value];
  const next = part("escalate_to")?.value;
  const [first, ...later] = given.escalation ?? []; // the form shows the first step, and who is told first in it
  const told = first && next === String(first.notifiers[0]) ? first.notifiers : [Number(next)];
  return {
    name: part("name").value,
    filter: clock ? given.filter : part("filter").value,
    condition: condition(),
    severity: part("severity").value,
    per: clock ? given.per : part("per").value,
    notifiers: to,
    quiet: from && until ? { from, to: until, timezone: place("zone").dataset.zone } : {},
    escalation: next ? [{ after_seconds: seconds("escalate"), notifiers: told }, ...later] : [],
  };
}

const token = form.querySelector("[name=csrfmiddlewaretoken]").value;

async function send(method, path, body) {
  const answer = await fetch(`${base}api/v1/${path}`, { method, headers: { "Content-Type": "application/json", "X-CSRFToken": token }, body: JSON.stringify(body) });
  const said = await answer.json();
  if (!answer.ok) throw new Wrong(said.error.field ?? "", said.error.message);
  return said;
}

function complain(error) {
  place("rule-error").textContent = error?.message ?? "";
  for (const input of form.querySelectorAll("[aria-invalid]")) input.removeAttribute("aria-invalid");
  const name = error?.name?.replace("condition.", "").replace("_seconds", "");
  if (name && part(name)?.setAttribute) part(name).setAttribute("aria-invalid", "true");
}

// --- preview ---

let asked = 0;
let timer = 0;

async function preview() {
  const turn = ++asked;
  if (part("kind").value === "event") return nothingToTry();
  try {
    const body = { filter: part("filter").value, condition: condition(), per: part("per").value, hours: Number(place("hours").value) };
    place("found").classList.add("old");
    const found = await send("POST", "rules/preview", body);
    if (turn !== asked) return;
    complain(null);
    tell(found);
  } catch (error) {
    if (turn !== asked) return;
    complain(error);
    place("found").textContent = "Nothing to try as it stands.";
  }
  place("found").classList.remove("old");
}

function nothingToTry() {
  complain(null);
  place("found").textContent = "What happens once has no history to try it on.";
  for (const name of ["shown", "notes", "plot", "firings"]) place(name).replaceChildren();
}

function tell(found) {
  const times = found.incidents === 1 ? "1 incident" : `${found.incidents.toLocaleString("en-US")} incidents`;
  const all = found.queues.toLocaleString("en-US"), plural = found.queues === 1 ? "" : "s";
  place("found").textContent = !found.queues
    ? "The filter finds no queue at present; new ones that match will be watched."
    : found.incidents
      ? `Would have fired on ${found.queues_fired.toLocaleString("en-US")} of ${all} queue${plural}: ${times}, ${found.messages.toLocaleString("en-US")} message${found.messages === 1 ? "" : "s"}, ${duration(found.firing_seconds)} in all.`
      : `Would not have fired on ${all} queue${plural}.`;
  place("notes").textContent = found.notes.join(" ");
  const [from, to] = [Date.parse(found.start) / 1000, Date.parse(found.end) / 1000];
  place("shown").textContent = found.chart ? `${found.chart.queue}${found.queues > 1 ? ", the one that it is most about" : ""}` : "";
  if (found.chart) plot(place("plot"), found.chart, from, to);
  else place("plot").replaceChildren();
  place("firings").replaceChildren(...found.fired.slice(0, 20).map((one) => ofQueue(one, found)));
}

/** A queue, how often and how long; unfolded, when. */
function ofQueue(mine, found) {
  const [item, fold, head] = ["li", "details", "summary"].map((name) => document.createElement(name));
  const [what, much] = [document.createElement("span"), document.createElement("span")];
  what.textContent = mine.queue;
  what.className = "mono";
  much.textContent = `${mine.incidents} × · ${duration(mine.seconds)}`;
  head.append(what, much);
  const times = found.firings.filter((one) => one.queue_id === mine.queue_id).slice(-30).reverse();
  fold.append(head, ...times.map((one) => firing(one, found.chart?.metric ?? "")));
  item.append(fold);
  return item;
}

function firing(one, metric) {
  const ends = one.closed_at ? duration((Date.parse(one.closed_at) - Date.parse(one.opened_at)) / 1000) : "still";
  const when = document.createElement("p");
  when.className = "muted";
  when.textContent = `${moment(one.opened_at)} · ${ends}${one.value === null ? "" : ` · ${worded(metric, one.value)}`}`;
  return when;
}

form.addEventListener("input", (event) => {
  if (clock) return;
  if (event.target.name === "kind" && event.target.value === "event" && part("clear").value === "2m") part("clear").value = "1h";
  if (event.target.name === "metric" && event.target.value === "retention_left_seconds") part("op").value = "<"; // it runs out
  fit();
  clearTimeout(timer);
  timer = setTimeout(preview, PATIENCE);
});
place("hours")?.addEventListener("change", preview);
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    await (id ? send("PATCH", `rules/${id}`, whole()) : send("POST", "rules", whole()));
    location.assign(done);
  } catch (error) {
    complain(error);
  }
});
show();
if (!clock) preview();
