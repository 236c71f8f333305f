// A small plot of one number over time: the line, a limit, where it fired. SVG, drawn at the width it has.

import { count, duration, moment, rate } from "./format.js";
import { svg } from "./spark.js";

const HEIGHT = 170, TOP = 8, FOOT = 18, LEFT = 46;

/** A value of a metric in words. */
export function worded(metric, value) {
  if (metric.endsWith("_seconds")) return duration(value);
  return metric.endsWith("_rate") ? `${rate(value)} /s` : count(value);
}

/** Runs of known values as lists of [x, y]. */
function lines(times, values, x, y) {
  const found = [];
  let run = null;
  values.forEach((value, i) => {
    if (value === null || value === undefined) return (run = null);
    if (!run) found.push((run = []));
    run.push(`${x(times[i]).toFixed(1)} ${y(value).toFixed(1)}`);
  });
  return found;
}

function level(root, className, at, width, name) {
  root.append(svg("line", { class: className, x1: LEFT, x2: width, y1: at, y2: at }));
  if (!name) return;
  const text = svg("text", { class: `${className}-name`, x: width, y: at - 4, "text-anchor": "end" });
  text.textContent = name;
  root.append(text);
}

/** Draw `chart`: {times (epoch seconds), values, metric, limit, clear, spans: [[from, to or null]]} into `place`. */
export function plot(place, chart, from, to) {
  const { times, values, metric, limit = null, clear = null, spans = [] } = chart;
  const width = Math.max(280, place.clientWidth);
  const root = svg("svg", { viewBox: `0 0 ${width} ${HEIGHT}`, role: "img", "aria-label": `${metric.replaceAll("_", " ")} over time` });
  const known = values.filter((value) => value !== null);
  const most = Math.max(1e-9, ...known, limit ?? 0) * 1.08;
  const least = Math.min(0, ...known);
  const x = (at) => LEFT + ((at - from) / (to - from)) * (width - LEFT);
  const y = (value) => TOP + (1 - (value - least) / (most - least)) * (HEIGHT - TOP - FOOT);
  for (const share of [0, 0.5, 1]) {
    const value = least + share * (most / 1.08 - least);
    root.append(svg("line", { class: "grid-line", x1: LEFT, x2: width, y1: y(value), y2: y(value) }));
    const text = svg("text", { x: LEFT - 6, y: y(value) + 4, "text-anchor": "end" });
    text.textContent = worded(metric, value).replace(/ 00 [ms]$/, "");
    root.append(text);
  }
  for (const [begins, ends] of spans) {
    const [a, b] = [Math.max(begins, from), Math.min(ends ?? to, to)];
    if (b > a) root.append(svg("rect", { class: "fired", x: x(a), width: Math.max(1.5, x(b) - x(a)), y: TOP, height: HEIGHT - TOP - FOOT }));
  }
  for (const points of lines(times, values, x, y)) root.append(svg("polyline", { class: "line", points: (points.length > 1 ? points : [points[0], points[0]]).join(" ") }));
  if (limit !== null) level(root, "limit", y(limit), width, worded(metric, limit));
  if (clear !== null && clear !== limit) level(root, "clear", y(clear), width, "");
  for (const [share, anchor] of [[0, "start"], [0.5, "middle"], [1, "end"]]) {
    const text = svg("text", { x: LEFT + share * (width - LEFT), y: HEIGHT - 4, "text-anchor": anchor });
    text.textContent = moment(new Date((from + share * (to - from)) * 1000).toISOString());
    root.append(text);
  }
  place.replaceChildren(root);
}
