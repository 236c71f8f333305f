// One letter, edited before it is sent again: the text, what differs, and on to the plan. The original stays until then.

export class Editor {
  /** `done({id, queue_id, body})` is called with the edited letter. */
  constructor(dialog, api, done) {
    Object.assign(this, { dialog, api, done });
    this.text = dialog.querySelector("textarea");
    this.said = dialog.querySelector("[role=status]");
    this.diff = dialog.querySelector("[data-diff]");
    this.text.addEventListener("input", () => this.keepMasks() && this.compare());
    this.text.addEventListener("beforeinput", () => (this.before = [this.text.selectionStart, this.text.selectionEnd]));
    dialog.querySelector("[data-plan]").addEventListener("click", () => this.plan());
    dialog.querySelector("[data-cancel]").addEventListener("click", () => dialog.close());
  }

  async open(id) {
    this.letter = null;
    this.text.value = "";
    this.text.disabled = true;
    this.say("Reading the letter …");
    this.diff.replaceChildren();
    this.dialog.showModal();
    const letter = await this.api.get(`dead-letters/${id}/edit`);
    if (letter.error) return this.say(letter.error.message);
    this.letter = letter;
    this.text.value = this.last = letter.body;
    this.masks = masksIn(letter.body);
    this.text.disabled = false;
    this.text.focus();
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
    const changes = difference(this.letter.body.split("\n"), this.text.value.split("\n"));
    this.diff.replaceChildren(...changes.map(([sign, text]) => line(sign, text)));
    this.dialog.querySelector("[data-plan]").disabled = !changes.length;
    this.say(changes.length ? "" : "Nothing differs yet.");
  }

  plan() {
    this.dialog.close();
    this.done({ id: this.letter.id, queue_id: this.letter.queue_id, body: this.text.value });
  }

  say(words) {
    this.said.textContent = words;
  }
}

/** The masks that stand in a text, whatever their order. */
const masksIn = (text) => (text.match(/"••••[^"]*"/g) ?? []).sort().join();

function line(sign, text) {
  const node = document.createElement(sign === "+" ? "ins" : "del");
  node.textContent = `${sign} ${text}`;
  return node;
}

/** Lines taken away and put in, between what both begin and end with: [["-", line], ["+", line]]. */
function difference(before, after) {
  let first = 0;
  while (first < before.length && first < after.length && before[first] === after[first]) first += 1;
  let last = 0;
  while (last < before.length - first && last < after.length - first && before[before.length - 1 - last] === after[after.length - 1 - last]) last += 1;
  const gone = before.slice(first, before.length - last).map((text) => ["-", text]);
  const come = after.slice(first, after.length - last).map((text) => ["+", text]);
  return [...gone, ...come];
}
