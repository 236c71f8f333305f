// One letter, edited before it is sent again: body, headers, what differs, and on to the plan. The original stays until then.

import { difference, nodes } from "./difference.js";
import { Headers } from "./headeredit.js";

export class Editor {
  /** `done({id, queue_id, edit})` is called with the edited letter. */
  constructor(dialog, api, done) {
    Object.assign(this, { dialog, api, done });
    this.text = dialog.querySelector("textarea");
    this.said = dialog.querySelector("[role=status]");
    this.differs = dialog.querySelector("[data-differs]");
    this.ready = dialog.querySelector("[data-plan]");
    this.headers = new Headers(dialog.querySelector(".headers"), dialog.querySelector("[data-add]"), () => this.compare());
    this.text.addEventListener("input", () => this.keepMasks() && this.compare());
    this.text.addEventListener("beforeinput", () => (this.before = [this.text.selectionStart, this.text.selectionEnd]));
    this.ready.addEventListener("click", () => this.plan());
    dialog.querySelector("[data-cancel]").addEventListener("click", () => ((this.letter = null), dialog.close()));
  }

  /** What was typed for a letter whose plan was not to be stands there again. */
  async open(id) {
    if (this.letter?.id === id) return this.dialog.showModal(), this.compare();
    const asking = (this.asking = {});
    this.letter = null;
    this.text.value = "";
    this.text.disabled = true;
    this.headers.fill([], true);
    this.headers.add.hidden = this.differs.hidden = this.ready.disabled = true;
    this.say("Reading the letter …");
    this.dialog.showModal();
    const letter = await this.api.get(`dead-letters/${id}/edit`);
    if (this.asking !== asking || !this.dialog.open) return; // another one was opened meanwhile, or this one closed
    if (letter.error) return this.say(letter.error.message);
    this.letter = letter;
    this.body = letter.body?.replace(/\r\n?/g, "\n") ?? ""; // a text area knows no other ends of lines
    this.text.value = this.last = this.body;
    this.text.placeholder = letter.why_not;
    this.text.rows = Math.min(14, Math.max(4, this.body.split("\n").length + 1));
    this.masks = masksIn(this.body);
    this.text.disabled = letter.body === null;
    this.headers.fill(letter.headers, letter.may_add);
    (this.text.disabled ? this.headers.add : this.text).focus();
    this.compare();
  }

  /** What is masked is read-only: a change that touches a mask is taken back. Whether it was none. */
  keepMasks() {
    if (masksIn(this.text.value) === this.masks) return (this.last = this.text.value), true;
    this.text.value = this.last;
    if (this.before) this.text.setSelectionRange(...this.before);
    this.say("What is masked is read-only: that change was taken back.");
    return false;
  }

  compare() {
    if (!this.letter) return;
    const changes = [...difference(this.body.split("\n"), this.text.value.split("\n")), ...this.headers.lines];
    this.differs.querySelector("[data-diff]").replaceChildren(...nodes(changes));
    this.differs.hidden = !changes.length;
    const { wrong } = this.headers;
    this.ready.disabled = !changes.length || Boolean(wrong);
    this.say(wrong || (changes.length ? "" : "Nothing differs yet."));
  }

  plan() {
    const { id, queue_id, body } = this.letter;
    const ends = body?.includes("\r\n") ? "\r\n" : "\n";
    const edit = { headers: this.headers.changes };
    if (this.text.value !== this.body) edit.body = this.text.value.replaceAll("\n", ends);
    this.dialog.close();
    this.done({ id, queue_id, edit });
  }

  say(words) {
    this.said.textContent = words;
  }
}

/** The masks that stand in a text, whatever their order. */
const masksIn = (text) => (text.match(/"••••[^"]*"/g) ?? []).sort().join();
