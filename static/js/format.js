// Numbers and durations as words, and how each figure of a row is known. Pure: no DOM.

const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const tenth = new Intl.NumberFormat("en-US", { maximumFractionDigits: 1 });
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });

export const count = (n) => (Math.abs(n) < 1e7 ? whole.format(n) : `${tenth.format(n / 1e6)} M`);

/** Messages per second: 2,418 · 3.5 · 0.04 */
export function rate(n) {
  const size = Math.abs(n);
  if (size === 0) return "0";
  if (size < 0.01) return "< 0.01";
  return size < 0.1 ? n.toFixed(2) : size < 10 ? tenth.format(n) : whole.format(n);
}

const two = (n) => String(n).padStart(2, "0");

/** Seconds as 0.6 s · 36 s · 3 m 41 s · 2 h 04 m · 3 d 2 h */
export function duration(seconds) {
  if (seconds < 9.95) return `${tenth.format(seconds)} s`;
  const s = Math.round(seconds);
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} m ${two(s % 60)} s`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${two(Math.floor((s % 3600) / 60))} m`;
  return `${count(Math.floor(s / 86400))} d ${Math.floor((s % 86400) / 3600)} h`;
}

/** A moment as local time: 23:06 today, else with its day. */
export function moment(iso) {
  const at = new Date(iso);
  const today = at.toDateString() === new Date().toDateString();
  const time = `${two(at.getHours())}:${two(at.getMinutes())}`;
  return today ? time : `${at.toLocaleDateString(undefined, { day: "numeric", month: "short" })} ${time}`;
}

/** How long ago a moment was, roughly: just now, 12 min ago, 6 h ago, 3 d ago. */
export function ago(iso) {
  const seconds = (Date.now() - Date.parse(iso)) / 1000;
  if (seconds < 5) return "just now";
  for (const [size, word] of [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]]) {
    if (seconds >= size) return `${count(Math.floor(seconds / size))} ${word} ago`;
  }
  return "just now";
}

/** Bytes as 512 B · 1.4 kB · 23 MB */
export function bytes(n) {
  if (n < 1000) return `${whole.format(n)} B`;
  const [size, unit] = n < 1e6 ? [1e3, "kB"] : n < 1e9 ? [1e6, "MB"] : [1e9, "GB"];
  return `${(n / size < 10 ? tenth : whole).format(n / size)} ${unit}`;
}

export const exactTime = (iso) => clock.format(new Date(iso));

export const capital = (word) => word[0].toUpperCase() + word.slice(1);

const LAG_METHODS = {
  message_time: "by the time in the oldest message",
  entry_id: "by the oldest entry's id",
  position: "by position",
  head_watched: "at least: the head has not moved since",
  monitored: "by the broker's own monitoring, carried on from some minutes ago",
};

const QUALITY = {
  exact: "exact, as the broker says",
  approximate: "approximate",
  estimated: "estimated",
};

const WHY = {
  wait_seconds: "Little's law: what waits and is in flight, divided by out",
  clears_in_seconds: "at today's pace",
};

const UNKNOWN = {
  in_rate: "the broker does not tell arrivals",
  out_rate: "the broker does not tell completions",
  wait_seconds: "cannot be worked out without a rate of completions",
  clears_in_seconds: "cannot be worked out from what is known yet",
};

const qualityOf = (row, field) => row.quality?.[field] ?? (row[field] === null ? "unknown" : "exact");

/** How a figure is known, in words, for its hint. */
export function howKnown(row, field) {
  const quality = qualityOf(row, field);
  const parts = [];
  if (field === "clears_in_seconds" && row.never_clears) parts.push("at today's pace it does not empty");
  else if (row[field] === null || row[field] === undefined) return UNKNOWN[field] ?? "the broker does not tell";
  else parts.push(QUALITY[quality] ?? quality);
  if (field === "lag_seconds" && row.lag_method in LAG_METHODS) parts.push(LAG_METHODS[row.lag_method]);
  if (field in WHY && !row.never_clears) parts.push(WHY[field]);
  if (row.stale) parts.push("old: the broker does not answer");
  return parts.join(" · ");
}

const KINDS = { lag_seconds: duration, wait_seconds: duration, clears_in_seconds: duration, in_rate: rate, out_rate: rate, net_rate: rate };

const waitsForNothing = (row) => row.depth === 0 && !row.in_flight;

/** Whether a figure says anything about this queue at all; if not, its place stays blank. */
function applies(row, field) {
  if (row.kind === "pubsub") return !["depth", "in_flight", "delayed", "lag_seconds", "wait_seconds", "clears_in_seconds", "dead_letters"].includes(field);
  if (row[field] !== null && row[field] !== undefined) return field !== "clears_in_seconds" || !waitsForNothing(row);
  if (field === "dead_letters") return Boolean(row.dead_letter_queue_id);
  if (field === "lag_seconds" || field === "wait_seconds") return row.depth !== 0;
  return field !== "clears_in_seconds" || row.never_clears || row.depth !== 0;
}

/** A figure of a row: its text (≈ not exact, ? unknown, blank does not apply), how it looks, its hint. */
export function figure(row, field, label) {
  if (!applies(row, field)) return { text: "", look: "", hint: "" };
  const hint = `${label}: ${howKnown(row, field)}`;
  if (field === "clears_in_seconds" && row.never_clears) return { text: "never", look: "", hint };
  const value = row[field];
  if (value === null || value === undefined) return { text: "?", look: "faint", hint };
  const text = (KINDS[field] ?? count)(value);
  const quality = qualityOf(row, field);
  const near = quality === "approximate" || quality === "estimated" ? "≈ " : "";
  return { text: near + text, look: value === 0 ? "faint" : "", hint };
}

/** What depth does per second: arrivals less completions, or the net where they cannot be told apart; null unknown. */
export function balance(row) {
  if (row.in_rate !== null && row.out_rate !== null) return row.in_rate - row.out_rate;
  return row.net_rate ?? null;
}
