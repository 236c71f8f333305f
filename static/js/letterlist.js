// The letters of a group: a table that grows by pages as it is read on, with ticks, a cursor, and news that wait.

import { bytes, capital, count, exactTime, moment } from "./format.js";

const PAGE = 100;
const MOST = 5000; // rows in the page; beyond them a filter has to say which
const today = (iso) => new Date(iso).toDateString() === new Date().toDateString();

export class List {
  /** `on`: {open(id), ticked(letters), taken()}; `address(id)` gives the link of a letter. */
  constructor(card, api, on, address) {
    Object.assign(this, { card, api, on, address });
    this.table = card.querySelector("table");
    this.body = this.table.tBodies[0];
    this.foot = card.querySelector(".foot");
    this.all = this.table.querySelector("thead input");
    this.more = card.querySelector("[data-more]");
    this.news = card.querySelector("[data-news]");
    this.ticked = new Map(); // letters by id
    this.letters = [];
    this.asked = null;
    this.listen();
  }

  listen() {
    this.body.addEventListener("click", (event) => {
      const row = event.target.closest("tr");
      if (!row) return;
      if (event.target.closest("td.tick")) return event.target.matches("input") && this.tick(row, event.target.checked);
      if (event.ctrlKey || event.metaKey || event.shiftKey || String(getSelection())) return;
      event.preventDefault();
      this.on.open(row.letter.id);
    });
    this.all.addEventListener("change", () => {
      for (const row of this.body.rows) this.tick(row, this.all.checked, true);
      this.tell();
    });
    this.more.addEventListener("click", () => this.next());
    this.news.addEventListener("click", () => this.load(this.asked));
    new IntersectionObserver(([seen]) => seen.isIntersecting && this.cursor && this.next()).observe(this.more);
    addEventListener("weir:move", (event) => {
      if (this.body.rows.length) event.preventDefault(), this.move(event.detail);
    });
    addEventListener("weir:select", (event) => {
      const row = document.activeElement?.closest("tr");
      if (row?.letter) event.preventDefault(), this.tick(row, !this.ticked.has(row.letter.id));
    });
  }

  get busy() {
    return this.body.matches(":hover") || this.body.contains(document.activeElement);
  }

  /** The letters of a view {filter, queue_id} from the first one on. What was ticked and is still there stays so. */
  async load(asked, opened) {
    const same = this.asked && asked.filter === this.asked.filter && asked.queue_id === this.asked.queue_id;
    if (!same) this.ticked.clear(), this.state("loading");
    this.asked = asked;
    this.opened = opened ?? this.opened;
    this.cursor = null;
    this.loadedAt = performance.now();
    clearTimeout(this.later);
    this.stop?.abort();
    this.stop = new AbortController();
    const page = await this.api.get("dead-letters", { ...asked, limit: PAGE, preview: "true" }, this.stop.signal);
    if (!page) return;
    if (page.error) return this.state("error", page.error.message);
    this.news.hidden = true;
    this.body.replaceChildren();
    this.letters = [];
    this.take(page);
  }

  async next() {
    if (!this.cursor || this.loading) return;
    this.loading = true;
    const page = await this.api.get("dead-letters", { ...this.asked, limit: PAGE, preview: "true", cursor: this.cursor }, this.stop.signal);
    this.loading = false;
    if (page?.error) this.say(page.error.message);
    else if (page) this.take(page);
  }

  take(page) {
    this.letters.push(...page.items);
    this.body.append(...page.items.map((letter) => this.made(letter)));
    this.cursor = this.letters.length < MOST ? page.next : null;
    this.total = page.total;
    this.state(page.total ? "rows" : "none");
    this.more.hidden = !this.cursor;
    const rest = page.next && !this.cursor ? ` The first ${count(MOST)} are shown: a filter shows others.` : "";
    const equal = page.messages > page.total ? ` (${count(page.messages)} messages: some are equal)` : "";
    this.say(`${count(page.total)} ${page.total === 1 ? "letter" : "letters"}${equal}, ${page.taken.sentence}.${page.searched ? ` ${capital(page.searched)}.` : ""}${rest}`);
    this.mark(this.opened);
    this.tell();
    this.on.taken();
  }

  /** There is something new in the group: taken in at once when nobody is at it, else offered. */
  stale(change) {
    clearTimeout(this.later);
    if (!this.asked) return;
    const wait = 3000 - (performance.now() - this.loadedAt);
    if (wait > 0) return (this.later = setTimeout(() => this.stale(change), wait));
    if (!this.busy && this.letters.length <= PAGE && !this.ticked.size) return this.load(this.asked);
    this.news.hidden = false;
    this.news.textContent = change > 0 ? `${count(change)} new: show` : "This list has changed: show";
  }

  made(letter) {
    const row = document.createElement("tr");
    row.letter = letter;
    const cell = (name, text, look = "") => {
      const td = row.appendChild(document.createElement("td"));
      td.className = `${name} ${look}`;
      td.dataset.label = name === "tick" || name === "text" ? "" : capital(name);
      if (text !== undefined) td.textContent = text;
      return td;
    };
    const box = cell("tick").appendChild(document.createElement("input"));
    box.type = "checkbox";
    box.checked = this.ticked.has(letter.id);
    box.setAttribute("aria-label", `Select letter ${letter.key}`);
    if (box.checked) this.ticked.set(letter.id, letter);
    const died = letter.died_at ?? letter.first_seen;
    cell("died", today(died) ? exactTime(died) : moment(died), "muted").title = letter.died_at ? `died at ${letter.died_at}` : "when it died is not told: first seen then";
    const link = cell("text", undefined, "mono").appendChild(document.createElement("a"));
    link.href = this.address(letter.id);
    link.tabIndex = -1;
    link.textContent = letter.preview ?? letter.cause.title;
    if (letter.body_kept === false) {
      link.title = "What is in it is not kept here: a look shows it again.";
      link.classList.add("muted");
      link.textContent += " · not kept";
    }
    cell("type", letter.type);
    const tries = cell("attempts", letter.attempts === null ? "?" : count(letter.attempts));
    if (letter.replayed) tries.appendChild(document.createElement("span")).textContent = ` replayed ${letter.replayed}×`;
    if (letter.count > 1) tries.appendChild(document.createElement("span")).textContent = ` ${count(letter.count)} equal`;
    cell("size", bytes(letter.size_bytes), "muted");
    return row;
  }

  tick(row, on, quiet = false) {
    row.querySelector("input").checked = on;
    if (on) this.ticked.set(row.letter.id, row.letter);
    else this.ticked.delete(row.letter.id);
    if (!quiet) this.tell();
  }

  tell() {
    const here = this.letters.filter((letter) => this.ticked.has(letter.id)).length;
    this.all.checked = here > 0 && here === this.letters.length;
    this.all.indeterminate = here > 0 && here < this.letters.length;
    this.on.ticked([...this.ticked.values()]);
  }

  /** The letter that is open is marked, and takes the focus by Tab. */
  mark(id) {
    this.opened = id;
    for (const row of this.body.rows) {
      const open = row.letter.id === id;
      if (open && !row.classList.contains("open")) requestAnimationFrame(() => row.scrollIntoView({ block: "nearest" })); // in a window that is smaller now
      row.classList.toggle("open", open);
      row.querySelector("a").tabIndex = row.letter.id === id ? 0 : -1;
    }
    if (!this.body.querySelector("a[tabindex='0']")) this.body.rows[0]?.querySelector("a").setAttribute("tabindex", "0");
  }

  /** j and k. */
  move(by) {
    const rows = [...this.body.rows];
    const here = rows.indexOf(document.activeElement?.closest("tr"));
    const from = here >= 0 ? here : rows.findIndex((row) => row.letter.id === this.opened);
    const row = rows[Math.min(rows.length - 1, Math.max(0, from < 0 ? 0 : from + by))];
    row.querySelector("a").focus();
    row.scrollIntoView({ block: "nearest" });
    if (from + by >= rows.length - 5) this.next();
  }

  state(name, words = "") {
    this.card.dataset.state = name;
    const said = this.card.querySelector("[data-error]");
    said.hidden = name !== "error";
    said.textContent = words;
  }

  say(words) {
    this.foot.querySelector("[data-said]").textContent = words;
  }
}
