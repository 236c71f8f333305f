// The plan of a replay, a move, a copy or a deletion in words, before it is started: [[label, text, look], ...].

import { bytes, count, duration } from "./format.js";

const many = (n) => `${count(n)} message${n === 1 ? "" : "s"}`;

/** `of`: how the letters were chosen, in words. */
export function rowsOf(replay, of) {
  const plan = replay.planned;
  const rows = [["Messages", messages(plan, of)]];
  if (plan.edited.length) rows.push(["Edited", plan.edited.join(", ")]);
  if (replay.deed !== "delete") {
    rows.push(["To", plan.destinations.map((one) => one.name).join(", ") || "where each died"]);
    const { lag, depth } = replay.limits;
    const held = [lag !== null && `lag > ${duration(lag)}`, depth !== null && `depth > ${count(depth)}`].filter(Boolean).join(" or ");
    const yields = held && replay.how === "weir" ? `, yields when ${held}` : "";
    rows.push(["Rate", `${replay.rate === null ? "no limit" : `${replay.rate} /s`}${yields}`]);
  }
  if (plan.trial_words) rows.push(["Trial", plan.trial_words]);
  if (replay.trial) rows.push(["Trial first", `${plan.exact ? "" : "up to "}${many(replay.trial)}, wait ${duration(replay.limits.trial_wait)}, stop if any returns`]);
  if (plan.seconds !== null) rows.push(plan.seconds < 1 ? ["Takes", "less than a second"] : ["Takes about", `${duration(plan.seconds)}${why(replay)}`]);
  if (plan.staging) rows.push(["Instead", plan.staging, "warn"]);
  rows.push(["Safety", plan.safety]);
  if (plan.own_move && replay.how === "weir") rows.push([`Or ${plan.own_name}`, `moves them by itself. ${plan.own_move}`]);
  for (const warning of plan.warnings) rows.push(["Mind", warning, "warn"]);
  return rows;
}

/** Of what the time consists, and whence it is known: by the rate that was chosen, or by a pace that was measured. */
function why({ rate, trial, limits, planned: { seconds, pace, pace_known_by: by } }) {
  if (trial && seconds - limits.trial_wait < 1) return ", the wait after the trial";
  const wait = trial ? `, ${duration(limits.trial_wait)} of it the wait after the trial` : "";
  if (pace === null || (rate !== null && rate <= pace)) return wait;
  return `${wait}${wait ? "; at" : ", at"} ${pace < 10 ? pace : count(Math.round(pace))} /s ${by}`;
}

function messages(plan, of) {
  const number = plan.count === null ? "as many as match" : `${plan.exact ? "" : "≈ "}${count(plan.count)}`;
  const weight = plan.bytes ? `, about ${bytes(plan.bytes)}` : "";
  return `${number}${plan.of !== null && plan.of !== plan.count ? `${plan.count === null ? "," : ""} of ${count(plan.of)}` : ""}${weight}${of ? ` · ${of}` : ""}`;
}
