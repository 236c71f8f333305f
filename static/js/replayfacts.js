// What there is to say of a replay: its steps, its counts, its plan, and what can be done with it now. Pure.

import { count, duration, moment } from "./format.js";

const ACTIVE = ["trial", "ramping", "running", "yielding", "watching"];
export const OVER = ["done", "stopped", "failed"];
const DONE = { delete: "deleted", restore: "put back", move: "moved", copy: "copied" };
const VERB = { replay: "Replay", move: "Move", copy: "Copy", delete: "Delete" };
export const mover = (row) => row.planned?.own_name || "The broker";

/** Trial, ramp, the rest, watching: [{label, word, step}], step being done, now, bad or later. */
export function stepsOf(row) {
  const far = row.trial && row.sent <= row.trial ? 0 : 2; // of one that was paused or has ended before its end
  const at = { planning: -1, planned: -1, trial: 0, ramping: 1, running: 2, yielding: 2, watching: 3, done: 4 }[row.state] ?? far;
  const [own, back] = [row.how === "broker", `${count(row.came_back)} came back`];
  const rate = row.rate === null ? "as fast as it goes" : `${row.rate} /s`;
  const all = own ? `${mover(row)} moves them, ${rate}` : { delete: "Delete, keeping copies", restore: "Put back" }[row.deed] ?? `All, ${rate}`;
  const steps = [];
  if (row.trial) steps.push([0, `Trial of ${count(row.trial)}, wait ${duration(row.limits.trial_wait)}`, row.state === "trial" ? "now" : at < 0 ? "" : back], [1, "Ramp", row.state === "ramping" ? "now" : ""]);
  steps.push([2, all, at >= 1 ? `${count(row.sent)} ${own ? "moved" : (DONE[row.deed] ?? "sent")}` : ""]);
  if (row.deed === "replay" && !own) steps.push([3, `Watch for returns, ${duration(row.limits.watch)}`, row.state === "watching" ? "now" : at === 4 ? back : ""]);
  const ended = row.state === "stopped" || row.state === "failed";
  return steps.map(([n, label, word]) => ({ label, word, step: n < at ? "done" : n === at ? (ended ? "bad" : "now") : "later" }));
}

/** Counts: [label, text, look, , fate by which the list of messages shows them]. */
export function fatesOf(row) {
  const by = ["By", `${row.started_by ?? row.made_by} · ${moment(row.started_at ?? row.made_at)}`];
  if (row.how === "broker") return [["Moved", `≈ ${count(row.sent)}`], ["Came back", "?"], ["Possibly twice", "?"], by];
  const rows = [[{ delete: "Copies kept", restore: "Put back" }[row.deed] ?? "Confirmed", count(row.sent)]];
  if (row.deed === "copy") rows.push(["Originals kept", count(row.sent)]);
  else if (row.deed !== "restore") rows.push([row.deed === "delete" ? "Deleted" : "Originals removed", count(row.removed)]);
  const some = (label, n, look, fate) => rows.push([label, count(n), n ? look : "", "", n ? fate : ""]);
  if (row.deed === "replay") rows.push(["Came back", count(row.came_back), row.came_back ? "bad" : "ok", "", row.came_back ? "came_back" : ""]);
  some("Failed", row.failed, "bad", "failed");
  some("Left out", row.skipped, "", "skipped");
  some("Possibly twice", row.possibly_duplicated, "warn", "possibly_duplicated");
  return [...rows, by];
}

/** The plan that it follows. */
export function planOf(row) {
  const { planned: plan, selection } = row;
  const [kind] = Object.keys(selection);
  const chosen = { all: row.deed === "restore" ? "what is kept of it" : "all that lay there", ids: `${count(selection.ids?.length ?? 0)} ticked`, oldest: `the oldest ${count(selection.oldest ?? 0)}`, filter: selection.filter, cause: `cause ${selection.cause}` }[kind];
  const rows = [["Chosen", (selection.others ? "all but: " : "") + (chosen ?? "")]];
  if (row.deed !== "delete") rows.push(["To", plan.destinations.map((one) => one.name).join(", ") || "–"]);
  if (row.edited) rows.push(["Edited", plan.edited?.join(", ") || "before it was sent"]);
  rows.push(["Safety", plan.safety]);
  for (const warning of plan.warnings) rows.push(["Mind", warning, "warn", "term"]);
  return rows;
}

/** What was moved aside: its way back, or nothing where it is back. */
function wayBack({ back, sent }) {
  if (back.state && !OVER.includes(back.state)) return [["back", back.state === "planned" ? "See the plan of moving the rest back" : `Move ${back.replay} takes the rest back`, ""]];
  return back.left === 0 ? [] : [["back", `Move ${count(back.left ?? sent)} back`, ""]];
}

/** What can be done with it now: [verb, words on the button, look]. */
export function actsOf(row) {
  const [over, mends] = [OVER.includes(row.state), row.failed + row.skipped];
  const named = `${VERB[row.deed]} ${row.total === null ? "what matches" : count(row.total)}`;
  const acts = [];
  if (row.state === "planned") acts.push(["start", row.how === "broker" ? `Let ${mover(row)} move them` : row.trial ? `Start trial of ${count(row.trial)}` : named, row.deed === "delete" ? "danger" : "pri"]);
  if (ACTIVE.includes(row.state) && row.state !== "watching" && row.deed !== "restore" && row.how === "weir") acts.push(["pause", "Pause", ""]);
  if (row.state === "paused" || (row.state === "failed" && row.started_at)) acts.push(["resume", "Go on", "pri"]);
  if (!over) acts.push(["stop", row.state === "watching" ? "Stop watching" : row.state === "planned" ? "Drop this plan" : "Stop", row.state === "watching" || row.state === "planned" ? "" : "danger"]);
  if (over && mends && row.deed !== "restore") acts.push(["repeat", `Repeat ${count(mends)} that were not sent`, ""]);
  if (over && row.deed === "replay" && row.started_at && row.queue_id && row.sent + mends < row.total && !row.selection.others) acts.push(["left", "Plan what is left …", ""]);
  if (row.state === "failed" && row.planned?.staging) acts.push(["stage", "Move the rest aside first", "pri"]);
  if (over && row.deed === "delete" && row.removed) acts.push(["restore", "Restore", ""]);
  if (row.back) acts.push(["chosen", "Plan what was chosen", "pri"], ...wayBack(row));
  return acts;
}
