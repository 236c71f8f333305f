// The queue's figure: fetched as plotly JSON, given the theme's colours and local time, drawn in place. PNG and CSV.

const COLOURS = ["text", "muted", "faint", "line", "line-strong", "surface", "depth", "in", "out", "warn", "bad", "dead"];
const EVERY = { "15m": 5, "1h": 10, "6h": 30, "24h": 60, "48h": 60 }; // seconds between two fetches

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

/** A figure without colours as one in the colours of the theme. */
function themed(figure, colours, font) {
  const layout = { ...figure.layout, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", autosize: true };
  layout.font = { family: font, size: 11, color: colours.muted };
  layout.hoverlabel = { bgcolor: colours.surface, bordercolor: colours["line-strong"], font: { color: colours.text, size: 12 } };
  layout.modebar = { bgcolor: "rgba(0,0,0,0)", color: colours.faint, activecolor: colours.text };
  layout.newshape = undefined;
  for (const name of Object.keys(layout)) {
    if (/^yaxis\d*$/.test(name)) layout[name] = axis(layout[name], colours);
    if (/^legend\d*$/.test(name)) layout[name] = { ...layout[name], font: { color: colours.muted, size: 11 } };
  }
  layout.xaxis = { ...axis(layout.xaxis, colours), range: layout.xaxis.range.map(local) };
  layout.annotations = layout.annotations.map((note) => ({ ...note, font: { size: note.name === "title" ? 12.5 : 12, color: note.name === "title" ? colours.text : colours.muted } }));
  return { data: figure.data.map((trace) => coloured(trace, colours)), layout };
}

const CONFIG = {
  displaylogo: false,
  responsive: true,
  displayModeBar: "hover",
  modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d", "toImage"],
  doubleClick: "reset",
};

export class Chart {
  constructor(root, news, address) {
    Object.assign(this, { root, news, address, figure: null, fetchedAt: 0 });
    addEventListener("weir:theme", () => this.draw());
  }

  /** Show a range ("1h"): at once, whatever was fetched before. */
  async show(range) {
    this.range = range;
    this.fetchedAt = 0;
    this.root.on && window.Plotly.relayout(this.root, { "xaxis.autorange": false });
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
      const answer = await fetch(`${this.address}?range=${range}`, { headers: { Accept: "application/json" } });
      if (!answer.ok) throw new Error(answer.status === 401 ? "you are signed out" : `the server answered ${answer.status}`);
      const figure = await answer.json();
      if (range !== this.range) return;
      this.figure = figure;
      this.say("");
      this.draw(now);
    } catch (error) {
      this.say(`The charts could not be loaded: ${error.message}. They are tried again by themselves.`);
    } finally {
      this.busy = false;
    }
  }

  say(words) {
    if (this.news.textContent !== words) this.news.textContent = words;
  }

  draw(anew = false) {
    if (!this.figure || !window.Plotly) return;
    const style = getComputedStyle(document.documentElement);
    const { data, layout } = themed(this.figure, palette(), style.fontFamily);
    layout.uirevision = anew ? `${this.range} ${Date.now()}` : (this.root.layout?.uirevision ?? this.range);
    window.Plotly.react(this.root, data, layout, CONFIG);
  }

  /** A picture on the theme's ground. */
  async png(name) {
    const ground = palette().surface;
    const { data, layout } = themed(this.figure, palette(), "system-ui, sans-serif");
    const title = { text: name, x: 0.01, y: 0.99, yanchor: "top", font: { size: 14 } };
    layout.margin = { ...layout.margin, t: 26 };
    const figure = { data, layout: { ...layout, paper_bgcolor: ground, title } };
    await window.Plotly.downloadImage(figure, { format: "png", width: 1100, height: 660, scale: 2, filename: name.replace(/[^\w.-]+/g, "_") });
  }

  /** Times (UTC) and every curve, as a spreadsheet reads it; a gap is an empty field. */
  csv(name) {
    const lines = this.figure.data.filter((trace) => trace.meta.metric);
    const times = lines[0]?.x ?? [];
    const head = ["time", ...lines.map((trace) => trace.meta.metric)].join(",");
    const rows = times.map((at, i) => [new Date(at).toISOString(), ...lines.map((trace) => trace.y[i] ?? "")].join(","));
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([[head, ...rows, ""].join("\n")], { type: "text/csv" }));
    link.download = `${name.replace(/[^\w.-]+/g, "_")}-${this.range}.csv`;
    link.click();
    URL.revokeObjectURL(link.href);
  }
}
