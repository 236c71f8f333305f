// The left column of the inbox: groups of letters by cause, queue or type, changed in place as frames come.

import { ago, count } from "./format.js";
import { svg } from "./spark.js";

const PLURAL = { cause: "causes", queue: "queues", type: "types" };

export class Groups {
  /** `on`: {choose(key), by(group)}; `address(key)` gives the link of a group. */
  constructor(card, on, address) {
    Object.assign(this, { card, on, address });
    this.list = card.querySelector("ul");
    this.shown = new Map(); // items by key
    this.rows = [];
    this.held = false;
    for (const chip of card.querySelectorAll("[data-group]")) {
      chip.addEventListener("click", () => on.by(chip.dataset.group));
    }
    this.list.addEventListener("click", (event) => {
      const link = event.target.closest("a");
      if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      on.choose(link.key);
    });
    for (const [name, on_] of [["pointerenter", true], ["pointerleave", false], ["focusin", true], ["focusout", false]]) {
      this.list.addEventListener(name, () => (this.held = on_));
    }
  }

  /** Rows of a frame, largest first. While the pointer or the focus is here the order is held, and new ones come last. */
  show(rows, by, key, total) {
    this.rows = rows;
    this.key = key;
    for (const chip of this.card.querySelectorAll("[data-group]")) chip.setAttribute("aria-pressed", String(chip.dataset.group === by));
    const fresh = new Set(rows.map((row) => row.key));
    for (const [old, item] of this.shown) {
      if (!fresh.has(old)) item.remove(), this.shown.delete(old);
    }
    let before = null;
    for (const row of rows) {
      let item = this.shown.get(row.key);
      if (!item) this.shown.set(row.key, (item = this.made(row)));
      if (!this.held) {
        const next = before ? before.nextSibling : this.list.firstChild;
        if (item !== next) this.list.insertBefore(item, next);
      } else if (!item.parentNode) this.list.append(item);
      this.fill(item, row);
      before = item;
    }
    const rest = this.card.querySelector(".rest");
    rest.hidden = total <= rows.length;
    rest.textContent = `The ${count(rows.length)} largest of ${count(total)} ${PLURAL[by]}; a filter shows others.`;
  }

  /** The group that is chosen, at once: frames may be half a minute apart. */
  mark(key) {
    this.key = key;
    for (const item of this.shown.values()) this.current(item.firstChild);
  }

  current(link) {
    if (link.key === this.key) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }

  made(row) {
    const item = document.createElement("li");
    const link = item.appendChild(document.createElement("a"));
    link.className = "group";
    link.key = row.key;
    const add = (into, name, tag) => {
      const node = into.appendChild(document.createElement(tag));
      node.className = name;
      return node;
    };
    const at = (link.at = { heading: add(link, "title", "b"), detail: add(link, "detail", "p"), line: add(link, "line", "span") });
    for (const name of ["count", "new", "where", "last"]) at[name] = add(at.line, name, "span");
    at.trend = link.appendChild(svg("svg", { class: "trend", viewBox: "0 0 96 18", "aria-hidden": "true" }));
    at.taken = add(link, "taken", "small");
    return item;
  }

  fill(item, row) {
    const link = item.firstChild;
    const at = link.at;
    const put = (node, text) => node.said !== text && (node.textContent = node.said = text);
    const [heading, detail] = titled(row);
    put(at.heading, heading);
    put(at.detail, row.note ? `${row.note} (${row.noted_by})` : detail);
    at.detail.classList.toggle("noted", Boolean(row.note));
    put(at.count, row.count || !row.taken || row.taken.as_of ? count(row.count) : "?");
    put(at.new, row.new ? `+${count(row.new)}` : "");
    at.new.title = row.new ? `${count(row.new)} died within the last hour` : "";
    put(at.where, places(row));
    put(at.last, row.last_at ? `last ${ago(row.last_at)}` : "not looked at");
    const partial = row.taken && (row.taken.of === null || row.taken.of > row.taken.taken || !row.taken.exact);
    put(at.taken, partial ? row.taken.sentence : "");
    link.href = this.address(row.key);
    this.current(link);
    this.bars(at.trend, row.trend);
  }

  /** Messages that died in each of the last 24 hours. */
  bars(root, trend) {
    const drawn = trend.join();
    if (root.drawn === drawn) return;
    root.drawn = drawn;
    const top = Math.max(1, ...trend);
    const bars = trend.map((n, i) => n && svg("rect", { x: i * 4, width: 3, y: 18 - Math.max(2, (n / top) * 18), height: Math.max(2, (n / top) * 18) }));
    root.replaceChildren(...bars.filter(Boolean));
    root.parentNode.title = trend.some(Boolean) ? `In the last 24 hours: ${count(trend.reduce((a, b) => a + b, 0))} died` : "";
  }
}

/** A group's title and what stands below it, without saying the same twice: [error class, message]. */
export function titled({ title, detail }) {
  return detail && title.endsWith(`: ${detail}`) ? [title.slice(0, -detail.length - 2), detail] : [title, detail];
}

/** Where the letters of a group lie: one queue by name, or how many. */
function places(row) {
  if (row.fingerprint === null && row.cause_count !== undefined && row.queues.length === 1 && row.queues[0].id === row.key) {
    return row.cause_count === 1 ? "1 cause" : row.cause_count ? `${count(row.cause_count)} causes` : "";
  }
  return row.queue_count === 1 ? row.queues[0].name : `${count(row.queue_count)} queues`;
}
