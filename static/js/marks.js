// What people do with the list: hide and show with undo, save views, take it away as CSV.

import { count } from "./format.js";

const many = (n) => `${count(n)} queue${n === 1 ? "" : "s"}`;
const STAYS = 12; // seconds that a word of what was done stays, and can be undone

export class Marks {
  /** `now()` gives the view; `page` the page, with what its person may do. */
  constructor(page, base, now) {
    Object.assign(this, { page, base, now });
    this.toast = page.querySelector("#toast");
    this.undo = this.toast.querySelector("button");
    this.may = page.hasAttribute("data-marks");
    this.listenToViews();
    this.undo.addEventListener("click", () => this.hide(this.undoing.ids, this.undoing.hidden, true));
    if (!this.may) return;
    page.querySelector("tbody.rows").addEventListener("click", (event) => {
      const button = event.target.closest("button.mark");
      if (button) this.hideRow(button.closest("td").row);
    });
    addEventListener("weir:hide", (event) => {
      const row = document.activeElement?.closest("td")?.row;
      if (row) event.preventDefault(), this.hideRow(row);
    });
    page.querySelector("#hide-all").addEventListener("click", () => this.send("queues/hide", { filter: this.now().filter, hidden: !this.hiddenOnes }));
  }

  /** Another view, or another number of rows: the links and buttons that speak of them. */
  show(view, total) {
    const asked = new URLSearchParams();
    if (view.filter) asked.set("filter", view.filter);
    if (view.sort) asked.set("sort", view.sort);
    this.page.querySelector("#export").href = `${this.base}api/v1/queues/export${asked.size ? `?${asked}` : ""}`;
    for (const chip of this.page.querySelectorAll("[data-view]")) {
      if (chip.dataset.filter === view.filter && chip.dataset.sort === view.sort) chip.setAttribute("aria-current", "true");
      else chip.removeAttribute("aria-current");
    }
    const says = (flag) => new RegExp(`(^|[\\s(])is:${flag}(?=[\\s)]|$)`, "i").test(view.filter);
    this.hiddenOnes = says("hidden");
    const all = this.page.querySelector("#hide-all");
    if (all) {
      all.hidden = !view.filter || !total || says("gone");
      all.textContent = `${this.hiddenOnes ? "Show" : "Hide"} these ${count(total)}`;
    }
    const gone = this.page.querySelector("#delete-all");
    if (gone) {
      gone.hidden = !says("gone") || !total;
      gone.textContent = `Delete these ${count(total)} …`;
      gone.href = `${this.base}queues/delete/?${new URLSearchParams({ filter: view.filter })}`;
    }
  }

  hideRow(row) {
    this.hide([row.id], !row.hidden, false, row.name);
  }

  hide(ids, hidden, isUndo, name) {
    this.send("queues/hide", { ids, hidden }, isUndo, name);
  }

  async send(path, body, isUndo = false, name = "") {
    const answer = await this.call("POST", path, body);
    if (answer.error) return this.say(answer.error.message);
    dispatchEvent(new Event("weir:marked"));
    const what = answer.changed === 1 && name ? name : many(answer.changed);
    if (isUndo) return this.say(`${what} ${body.hidden ? "hidden" : "shown"} again.`);
    this.say(`${what} ${body.hidden ? "hidden: found by is:hidden" : "shown again"}.`, answer.ids.length ? { ids: answer.ids, hidden: !body.hidden } : null);
  }

  async call(method, path, body) {
    const headers = { "Content-Type": "application/json", "X-CSRFToken": this.page.querySelector("#token input").value };
    try {
      const response = await fetch(`${this.base}api/v1/${path}`, { method, headers, body: body && JSON.stringify(body) });
      const text = await response.text();
      return text ? JSON.parse(text) : {};
    } catch {
      return { error: { message: "Weir does not answer; nothing was changed." } };
    }
  }

  /** A word on what was done, and a way back. */
  say(words, undoing = null) {
    this.undoing = undoing;
    this.toast.firstElementChild.textContent = words;
    this.undo.hidden = !undoing;
    this.toast.hidden = false;
    clearTimeout(this.leaving);
    const leave = () => (this.toast.matches(":hover, :focus-within") ? (this.leaving = setTimeout(leave, 2000)) : (this.toast.hidden = true));
    this.leaving = setTimeout(leave, STAYS * 1000);
  }

  listenToViews() {
    const menu = this.page.querySelector("#views");
    const name = menu.querySelector("#view-name");
    const error = menu.querySelector("#view-error");
    const done = (answer) => {
      error.hidden = !answer.error;
      error.textContent = answer.error?.message ?? "";
      if (!answer.error) location.reload();
    };
    const save = async () => {
      const { filter, sort } = this.now();
      done(await this.call("POST", "views", { name: name.value, filter, sort, shared: Boolean(menu.querySelector("#view-shared")?.checked) }));
    };
    menu.querySelector("#view-save").addEventListener("click", save);
    name.addEventListener("keydown", (event) => event.key === "Enter" && (event.preventDefault(), save()));
    for (const button of menu.querySelectorAll("[data-delete-view]")) {
      button.addEventListener("click", async () => done(await this.call("DELETE", `views/${button.dataset.deleteView}`)));
    }
  }
}
