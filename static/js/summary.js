// The heading in one sentence, the strip of totals, and the chips with their counts.

import { count, duration, rate } from "./format.js";
import { hasTerm } from "./filterbox.js";

const put = (node, text) => node && node.textContent !== text && (node.textContent = text);
const queues = (n) => `${count(n)} queue${n === 1 ? "" : "s"}`;
const list = (names) => (names.length > 3 ? `${names.slice(0, 2).join(", ")} and ${names.length - 2} more` : names.join(", ").replace(/, ([^,]*)$/, " and $1"));
const known = (value, words) => (value === null || value === undefined ? "?" : words(value));

/** "5 brokers, all reporting", or which are not. */
function brokerWords(brokers) {
  const parts = [];
  for (const state of ["silent", "failing"]) {
    const names = brokers[state];
    if (names.length) parts.push(`${list(names)} ${names.length > 1 ? "are" : "is"} ${state}`);
  }
  const well = !parts.length;
  if (brokers.new) parts.push(`${brokers.new} not polled yet`);
  if (brokers.paused) parts.push(`${brokers.paused} paused`);
  const many = `${count(brokers.total)} broker${brokers.total === 1 ? "" : "s"}`;
  return { words: parts.length ? `${many}: ${parts.join(", ")}` : `${many}, ${brokers.total > 1 ? "all " : ""}reporting`, well };
}

/** Where no broker is polled, nobody knows that all is well: what is so instead, or "". */
function unwatched(brokers) {
  if (!brokers.total || brokers.paused + brokers.new < brokers.total) return "";
  return brokers.new ? "Not polled yet" : "Polling is paused";
}

export class Summary {
  constructor(page) {
    this.heading = page.querySelector("#heading");
    this.under = page.querySelector("#under");
    this.brokers = page.querySelector("#broker-news");
    this.totals = page.querySelector("#totals");
    this.chips = [...page.querySelectorAll("[data-chip]")];
  }

  show(summary) {
    const urgent = summary.needs_attention;
    const troubled = summary.brokers.silent.length + summary.brokers.failing.length;
    const fine = Math.max(0, summary.queues - (urgent - troubled));
    const what = urgent === troubled ? "broker" : troubled ? "thing" : "queue";
    const { words, well } = brokerWords(summary.brokers);
    const still = !urgent && unwatched(summary.brokers);
    put(this.heading, urgent ? `${count(urgent)} ${what}${urgent === 1 ? " needs" : "s need"} attention` : still || "All is well");
    const calm = still ? `${queues(summary.queues)}, of which nothing new is known` : `${queues(summary.queues)} watched, none needs attention`;
    put(this.under, urgent ? `${count(fine)} ${what === "queue" ? "" : "queues "}${fine === 1 ? "is" : "are"} fine` : calm);
    put(this.brokers, words);
    this.brokers.className = well ? "muted" : "strong warn";
    const letters = document.querySelector("header [data-count=letters]");
    if (letters) put(letters, summary.dead_letters ? count(summary.dead_letters) : "");
    document.title = `${urgent ? `(${urgent}) ` : ""}Queues · Weir`;
    this.showTotals(summary);
    this.showChips(summary);
  }

  showTotals(summary) {
    const at = (name) => this.totals.querySelector(`[data-total=${name}]`);
    const change = summary.backlog_change_10m;
    put(at("backlog"), known(summary.backlog, count));
    const moved = at("backlog-change");
    put(moved, !change ? "no change in 10 min" : `${change > 0 ? "▲" : "▼"} ${count(Math.abs(change))} in 10 min`);
    if (change === null || change === undefined) put(moved, "messages waiting");
    moved.className = change > 0 ? "warn" : change < 0 ? "ok" : "";
    put(at("in"), known(summary.in_rate, rate));
    put(at("out"), known(summary.out_rate, rate));
    put(at("lag"), known(summary.worst_lag?.seconds, duration));
    put(at("lag-queue"), summary.worst_lag?.name ?? "nothing waits, or nobody tells");
    const dead = at("dead");
    put(dead, known(summary.dead_letters, count));
    dead.className = summary.dead_letters ? "dead" : "";
    put(at("consumers"), known(summary.consumers, count));
  }

  showChips(summary) {
    for (const chip of this.chips) {
      const name = chip.dataset.chip;
      const n = name === "all" ? summary.queues : name === "dead" ? summary.dead_letters : (summary.by_state[name] ?? 0);
      if (name !== "dead") put(chip.querySelector("b"), count(n));
      chip.hidden = !n && name !== "all" && chip.getAttribute("aria-pressed") !== "true";
    }
  }

  /** Mark the chip that the filter holds. */
  mark(text) {
    let any = false;
    for (const chip of this.chips) {
      const on = Boolean(chip.dataset.term) && hasTerm(text, chip.dataset.term);
      any ||= on;
      chip.setAttribute("aria-pressed", on);
      if (on) chip.hidden = false;
    }
    this.chips[0].setAttribute("aria-pressed", !any);
  }
}
