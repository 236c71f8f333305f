// Sparklines: SVG polylines of depth over half an hour. A gap is a gap.

const NS = "http://www.w3.org/2000/svg";

export function svg(name, attributes = {}) {
  const element = document.createElementNS(NS, name);
  for (const key in attributes) element.setAttribute(key, attributes[key]);
  return element;
}

/** An empty sparkline of a size; `draw` fills it. Its colour is the CSS variable --c, else that of depth. */
export function sparkline(width, height) {
  const root = svg("svg", { class: "spark", viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", "aria-hidden": "true" });
  root.size = [width, height];
  return root;
}

/** Runs of known values as [first index, values]. */
function runs(values) {
  const found = [];
  let run = null;
  values.forEach((value, i) => {
    if (value === null || value === undefined) run = null;
    else if (run) run[1].push(value);
    else found.push((run = [i, [value]]));
  });
  return found;
}

function parts(values, width, height) {
  const top = Math.max(1, ...values.filter((v) => v !== null && v !== undefined));
  const x = (i) => Math.round((i / (values.length - 1)) * width * 10) / 10;
  const y = (v) => Math.round((height - 2 - (v / top) * (height - 5)) * 10) / 10;
  return runs(values).map(([first, run]) => {
    if (run.length === 1) run = [run[0], run[0]];
    const last = first + run.length - 1;
    return { line: run.map((v, i) => `${x(first + i)} ${y(v)}`).join(" "), from: x(first), to: x(last) };
  });
}

/** Draw values (null = unknown) into a sparkline; only the parts that changed are touched. */
export function draw(root, values) {
  const [width, height] = root.size;
  const segments = values && values.length > 1 ? parts(values, width, height) : [];
  while (root.childElementCount > segments.length * 2) root.lastChild.remove();
  segments.forEach(({ line, from, to }, i) => {
    if (root.childElementCount < i * 2 + 2) root.append(svg("polygon"), svg("polyline"));
    const [area, stroke] = [root.children[i * 2], root.children[i * 2 + 1]];
    if (stroke.drawn === line) return;
    stroke.drawn = line;
    stroke.setAttribute("points", line);
    area.setAttribute("points", `${from} ${height} ${line} ${to} ${height}`);
  });
}

/** Half an hour of depth per queue: filled by a row's `spark`, moved on by its `point` and its newest depth. */
export class Sparks {
  constructor() {
    this.byId = new Map();
  }

  take(row) {
    if (row.spark) this.byId.set(row.id, { ...row.spark, values: row.spark.values.slice() });
    const spark = this.byId.get(row.id);
    if (!spark) return;
    if (row.point) this.put(spark, row.point[0], row.point[1]);
    if (row.depth !== null && row.sampled_at) this.put(spark, Date.parse(row.sampled_at) / 1000, row.depth);
    if (this.byId.size > 4000) this.byId.delete(this.byId.keys().next().value);
  }

  put(spark, at, value) {
    const slot = Math.floor((at - spark.start) / spark.step + 1e-6);
    if (slot < 0) return;
    const late = slot - spark.values.length + 1;
    if (late > 0) {
      spark.values.splice(0, late);
      for (let i = 0; i < Math.min(late, 60); i++) spark.values.push(null);
      spark.start += late * spark.step;
    }
    spark.values[Math.min(slot, spark.values.length - 1)] = value;
  }

  of(id) {
    return this.byId.get(id)?.values;
  }
}
