// One letter, read: its cause and path in words, what it says through all its layers, headers, deaths, the raw body.

import { bytes, count, duration, moment } from "./format.js";
import { json } from "./jsontext.js";
import { titled } from "./lettergroups.js";

const TABS = ["decoded", "headers", "history", "raw"];

export class Letter {
  constructor(root, api, base) {
    Object.assign(this, { root, api, base });
    this.part = (name) => root.querySelector(`[data-letter=${name}]`);
    this.tab = "decoded";
    root.querySelector("[role=tablist]").addEventListener("click", (event) => {
      const tab = event.target.closest("[role=tab]")?.dataset.tab;
      if (tab) this.show(tab);
    });
    root.querySelector("[role=tablist]").addEventListener("keydown", (event) => {
      const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!by) return;
      this.show(TABS[(TABS.indexOf(this.tab) + by + TABS.length) % TABS.length]);
      root.querySelector("[role=tab][aria-selected=true]").focus();
    });
    this.part("copy").addEventListener("click", () => this.copy());
  }

  close() {
    this.stop?.abort();
    this.id = null;
    this.root.hidden = true;
  }

  async open(id) {
    if (this.id === id) return;
    this.id = id;
    this.root.hidden = false;
    this.root.dataset.state = "loading";
    this.stop?.abort();
    this.stop = new AbortController();
    const letter = await this.api.get(`dead-letters/${id}`, {}, this.stop.signal);
    if (!letter || this.id !== id) return;
    this.root.dataset.state = letter.error ? "error" : "shown";
    if (letter.error) this.part("error").textContent = letter.error.message;
    else this.fill(letter);
  }

  /** What a row of the list says, for who is not shown more; `why` not. */
  outline(row, why) {
    this.id = null;
    this.root.hidden = !row;
    if (!row) return;
    this.root.dataset.state = "withheld";
    this.part("name").textContent = short(row.key);
    this.part("steps").replaceChildren();
    this.facts({ ...row, path: [] });
    this.part("hidden").textContent = why;
    this.part("hidden").hidden = false;
  }

  fill(letter) {
    this.letter = letter;
    this.part("name").textContent = short(letter.key);
    this.part("name").title = letter.key;
    this.part("steps").replaceChildren(...(letter.decoded?.steps ?? []).map((step) => chip(step)));
    this.facts(letter);
    this.part("hidden").textContent = letter.hidden ?? "";
    this.part("hidden").hidden = !letter.hidden;
    const download = this.part("download");
    download.href = `${this.base}api/v1/dead-letters/${letter.id}/body`;
    download.hidden = !letter.body_kept || letter.body === null;
    this.root.querySelector("[data-tab=headers] b").textContent = count(Object.keys(letter.headers).length + letter.properties.length);
    this.root.querySelector("[data-tab=history] b").textContent = count(letter.history.length);
    this.show(this.tab);
  }

  facts(letter) {
    const facts = [
      ["Cause", titled({ title: letter.cause.title, detail: letter.cause.message }).filter(Boolean).join(": "), "mono"],
      ["Path", letter.path.join(" → "), "mono"],
      ["Lies in", `${letter.queue} on ${letter.broker}${letter.place ? `, ${letter.place}` : ""}`],
      ["Times", times(letter)],
      ["Size", `${bytes(letter.size_bytes)}${letter.count > 1 ? `, and ${count(letter.count)} equal ones` : ""}`],
    ];
    if (letter.replayed) facts.push(["Replayed", `${count(letter.replayed)} times before`, "warn"]);
    if (letter.gone_at) facts.push(["Gone", `no longer there since ${moment(letter.gone_at)}`, "warn"]);
    this.part("facts").replaceChildren(...facts.filter(([, text]) => text).flatMap(([label, text, look]) => pair(label, text, look)));
  }

  show(tab) {
    this.tab = tab;
    for (const button of this.root.querySelectorAll("[role=tab]")) {
      const on = button.dataset.tab === tab;
      button.setAttribute("aria-selected", String(on));
      button.tabIndex = on ? 0 : -1;
    }
    this.part("panel").setAttribute("aria-labelledby", `tab-${tab}`);
    this.part("panel").replaceChildren(...this[tab](this.letter));
  }

  decoded({ decoded, hidden, body_kept }) {
    if (!decoded) return [line("p", hidden || "Nothing of it is kept.", "muted")];
    const shown = decoded.structured ? json(decoded.value) : line("pre", decoded.text || "(empty)", "mono");
    return [...decoded.notes.map((note) => line("p", note, "muted small")), shown];
  }

  headers({ headers, properties }) {
    const rows = [...properties, ...Object.entries(headers)];
    if (!rows.length) return [line("p", "It has none.", "muted")];
    const list = line("dl", "", "facts left");
    for (const [name, value] of rows) {
      const [dt, dd] = pair(name, typeof value === "string" ? value : "", "mono wrap");
      if (typeof value !== "string") dd.append(json(value));
      list.append(dt, dd);
    }
    return [list];
  }

  history({ history }) {
    if (!history.length) return [line("p", "Its broker does not tell how it came here.", "muted")];
    const list = line("ol", "", "deaths");
    for (const death of history) {
      const item = list.appendChild(line("li", `${death.sentence}.`));
      const by = [death.exchange && `exchange ${death.exchange}`, death.routing_keys.length && `routing keys ${death.routing_keys.join(", ")}`];
      if (by.some(Boolean)) item.append(line("small", ` Came by ${by.filter(Boolean).join(", ")}.`, "muted"));
    }
    return [list];
  }

  raw({ body, body_encoding, hidden }) {
    if (body === null) return [line("p", hidden || "The raw body is not kept.", "muted")];
    const words = body_encoding === "base64" ? [line("p", "Not text: shown as base64.", "muted small")] : [];
    return [...words, line("pre", body || "(empty)", "mono")];
  }

  async copy() {
    const text = this.part("panel").innerText;
    const button = this.part("copy");
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      button.textContent = "The browser refused";
    }
    setTimeout(() => (button.textContent = "Copy"), 2000);
  }
}

function line(name, text, look = "") {
  const node = document.createElement(name);
  node.textContent = text;
  if (look) node.className = look;
  return node;
}

function pair(label, text, look = "") {
  return [line("dt", label), line("dd", text, look)];
}

function chip(step) {
  const node = line("span", step.name, "chip");
  if (step.detail) node.title = step.detail;
  return node;
}

const short = (key) => (key.length > 20 ? `${key.slice(0, 8)}…${key.slice(-4)}` : key);

function times({ enqueued_at, died_at, attempts, expires_at }) {
  const said = [];
  if (enqueued_at) said.push(`sent ${moment(enqueued_at)}`);
  if (died_at) said.push(`died ${moment(died_at)}`);
  if (enqueued_at && died_at) said.push(`after ${duration(Math.max(0, (Date.parse(died_at) - Date.parse(enqueued_at)) / 1000))}`);
  if (attempts !== null) said.push(attempts === 1 ? "1 attempt" : `${count(attempts)} attempts`);
  if (expires_at) said.push(`expires in ${duration(Math.max(0, (Date.parse(expires_at) - Date.now()) / 1000))}`);
  return said.join(", ");
}
