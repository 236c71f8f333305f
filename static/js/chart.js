// The queue's figure: fetched as plotly JSON, given the theme's colours and local time, drawn in place. PNG and CSV.

const COLOURS = ["text", "muted", "faint", "line", "line-strong", "surface", "depth", "in", "out", "warn", "bad", "dead"];
const EVERY = { "15m": 5, "1h": 10, "6h": 30, "24h": 60, "7d": 300, "30d": 600, "400d": 3600 }; // seconds between two fetches

/** The tokens of the theme as rgb(...), as the browser resolves them now. */
function palette() {
  const probe = document.body.appendChild(document.createElement("i"));
  const found = {};
  for (const name of COLOURS) {
    probe.style.color = `var(--${name})`;
    found[name] = getComputedStyle(probe).color;
  }
  probe.remove();
  return found;
}

const seeThrough = (rgb, alpha) => rgb.replace(/^rgba?\(([^)]*?)\)$/, (_, parts) => `rgba(${parts.split(",").slice(0, 3)}, ${alpha})`);

/** Plotly knows no time zones: moments are moved so that the axis reads as local time. */
const local = (at) => at - new Date(at).getTimezoneOffset() * 60000;

function coloured(trace, colours) {
  const colour = colours[trace.meta.role] ?? colours.text;
  const x = trace.x.map((at) => (at === null ? null : local(at)));
  if (trace.meta.area) return { ...trace, x, fillcolor: seeThrough(colour, 0.18), line: { ...trace.line, color: "rgba(0,0,0,0)" } };
  return { ...trace, x, line: { ...trace.line, color: colour } };
}

function axis(settings, colours) {
  return { ...settings, color: colours.muted, gridcolor: colours.line, linecolor: colours.line, zerolinecolor: colours.line, spikecolor: colours.faint };
}

/** An incident's time shaded; a limit, a note, a replay as a line: severity and these words are names. */
function shaped(shape, colours) {
  const colour = { critical: colours.bad, warning: colours.warn, limit: colours.bad }[shape.name] ?? colours.in;
  if (shape.name === "note" || shape.name === "replay") return { ...shape, x0: local(shape.x0), x1: local(shape.x1), line: { ...shape.line, color: colours.muted } };
  if (shape.type === "line") return { ...shape, line: { ...shape.line, color: colour } };
  return { ...shape, x0: local(shape.x0), x1: local(shape.x1), fillcolor: seeThrough(colour, 0.13) };
}

/** A panel's title and unit; what happened, beside its line. */
function annotated(note, colours) {
  const size = { title: 12.5, unit: 11.5, moment: 10.5 }[note.name] ?? 12.5;
  const styled = { ...note, font: { ...note.font, size, color: note.name === "title" ? colours.text : colours.muted } };
  if (note.name !== "moment") return styled;
  return { ...styled, x: local(note.x), bgcolor: colours.surface, hoverlabel: { bgcolor: colours.surface, bordercolor: colours["line-strong"], font: { color: colours.text, size: 12 } } };
}

/** A figure without colours as one in the colours of the theme. */
function themed(figure, colours, font) {
  const layout = { ...figure.layout, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", autosize: true };
  layout.font = { family: font, size: 11, color: colours.muted };
  layout.hoverlabel = { bgcolor: colours.surface, bordercolor: colours["line-strong"], font: { color: colours.text, size: 12 } };
  layout.modebar = { bgcolor: "rgba(0,0,0,0)", color: colours.faint, activecolor: colours.text };
  for (const name of Object.keys(layout)) {
    if (/^yaxis\d*$/.test(name)) layout[name] = axis(layout[name], colours);
    if (/^legend\d*$/.test(name)) layout[name] = { ...layout[name], font: { color: colours.muted, size: 11 } };
  }
  layout.xaxis = { ...axis(layout.xaxis, colours), range: layout.xaxis.range.map(local) };
  layout.annotations = (layout.annotations ?? []).map((note) => annotated(note, colours));
  layout.shapes = (layout.shapes ?? []).map((shape) => shaped(shape, colours));
  return { data: figure.data.map((trace) => coloured(trace, colours)), layout };
}

// The buttons are named one by one: plotly's own choice has one that sends the chart to a server of its makers.
const CONFIG = {
  displaylogo: false,
  responsive: true,
  showSendToCloud: false,
  plotlyServerURL: "",
  modeBarButtons: [["zoom2d", "pan2d", "zoomIn2d", "zoomOut2d", "resetScale2d"]],
  doubleClick: "reset",
};
const NARROW = 560; // pixels: less room than titles, units and legends side by side need

const fileName = (name) => name.replace(/[^\w.-]+/g, "_");

function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** A range as the query of an address: of the figure, and of the page that shows it. */
export function asked(range) {
  const [start, end] = range.split(",");
  return end ? `start=${start}&end=${end}` : `range=${range}`;
}

export class Chart {
  constructor(root, news, address) {
    Object.assign(this, { root, news, address, figure: null, fetchedAt: 0 });
    addEventListener("weir:theme", () => this.draw());
  }

  /** Show a range ("1h", or "START,END" in epoch seconds): at once, whatever was fetched before. */
  async show(range) {
    this.range = range;
    this.zoom = null;
    await this.refresh(true);
  }

  /** Something new is known: fetch the figure again, but not too often. */
  async refresh(now = false) {
    const wait = (EVERY[this.range] ?? 10) * 1000;
    if (!now && (this.busy || document.hidden || performance.now() - this.fetchedAt < wait)) return;
    const range = this.range;
    this.busy = true;
    this.fetchedAt = performance.now();
    try {
      const answer = await fetch(`${this.address}?${asked(range)}`, { headers: { Accept: "application/json" } });
      if (!answer.ok) throw new Error(answer.status === 401 ? "you are signed out" : `the server answered ${answer.status}`);
      const figure = await answer.json();
      if (range !== this.range) return;
      this.figure = figure;
      this.say("");
      this.draw();
    } catch (error) {
      this.say(`The charts could not be loaded: ${error.message}. They are tried again by themselves.`);
    } finally {
      this.busy = false;
    }
  }

  say(words) {
    if (this.news.textContent !== words) this.news.textContent = words;
  }

  draw() {
    if (!this.figure || !window.Plotly) return;
    const style = getComputedStyle(document.documentElement);
    const { data, layout } = themed(this.figure, palette(), style.fontFamily);
    this.whole = layout.xaxis.range;
    if (this.zoom) layout.xaxis.range = this.zoom;
    const narrow = this.root.clientWidth < NARROW;
    if (narrow) layout.annotations = layout.annotations.filter((note) => note.name !== "unit");
    if (narrow) for (const trace of data) if (trace.meta.ahead) trace.showlegend = false;
    window.Plotly.react(this.root, data, layout, { ...CONFIG, displayModeBar: narrow ? false : "hover" });
    if (!this.listening) this.root.on("plotly_relayout", (change) => this.zoomed(change));
    this.listening = true;
  }

  /** The reader zoomed or moved: newer figures keep to that, until the whole range is asked for again. */
  zoomed(change) {
    const range = [change["xaxis.range[0]"], change["xaxis.range[1]"]];
    if (range[0] === undefined) return;
    const [from, to] = range.map((at) => (typeof at === "number" ? at : Date.parse(`${at.replace(" ", "T")}Z`)));
    const all = (to - from) / (this.whole[1] - this.whole[0]) > 0.97;
    this.zoom = all ? null : range;
    if (all) this.draw();
  }

  /** A picture on the theme's ground. By way of an SVG in a data: URL, since plotly's own way needs blob: images. */
  async png(name) {
    const colours = palette();
    const { data, layout } = themed(this.figure, colours, "system-ui, sans-serif");
    const title = { text: name, x: 0.01, y: 0.99, yanchor: "top", font: { size: 14, color: colours.text } };
    const figure = { data, layout: { ...layout, title, margin: { ...layout.margin, t: 26 }, paper_bgcolor: colours.surface } };
    const [width, height, scale] = [1100, 660, 2];
    const picture = new Image();
    picture.src = await window.Plotly.toImage(figure, { format: "svg", width, height });
    await picture.decode();
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [width * scale, height * scale];
    canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
    save(await new Promise((done) => canvas.toBlob(done)), `${fileName(name)}-${this.range}.png`);
  }

  /** Times (UTC) and every curve, as a spreadsheet reads it; a gap is an empty field. */
  csv(name) {
    const lines = this.figure.data.filter((trace) => trace.meta.metric);
    const times = lines[0]?.x ?? [];
    const head = ["time", ...lines.map((trace) => trace.meta.metric)].join(",");
    const rows = times.map((at, i) => [new Date(at).toISOString(), ...lines.map((trace) => trace.y[i] ?? "")].join(","));
    save(new Blob([[head, ...rows, ""].join("\n")], { type: "text/csv" }), `${fileName(name)}-${this.range}.csv`);
  }
}
