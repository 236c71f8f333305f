// Looking into a queue: what it costs is said first, then the buttons; what became of it after.

import { count, duration } from "./format.js";

const SIZES = [50, 200, 1000];

export class Looking {
  /** `done(look)` is called after a look. */
  constructor(panel, api, done) {
    Object.assign(this, { panel, api, done });
    this.part = (name) => panel.querySelector(`[data-look=${name}]`);
    this.part("close").addEventListener("click", () => this.close());
    this.part("which").addEventListener("change", () => this.price(Number(this.part("which").value)));
    this.part("by-itself").addEventListener("change", (event) => this.byItself(event.target));
    panel.addEventListener("keydown", (event) => event.key === "Escape" && this.close());
  }

  get open() {
    return !this.panel.hidden;
  }

  close() {
    if (!this.open) return;
    this.panel.hidden = true;
    this.opener?.focus?.();
  }

  /** For queues [{id, name, broker}]; the first one's price is asked for at once. `of`: how many lie there, if known. */
  show(queues, of = null, opener = null) {
    Object.assign(this, { opener, of: queues.length === 1 ? of : null });
    this.panel.hidden = false;
    const which = this.part("which");
    which.replaceChildren(...queues.map((queue) => new Option(`${queue.name} · ${queue.broker}`, queue.id)));
    which.closest("label").hidden = queues.length < 2;
    this.name = queues[0].name;
    this.price(queues[0].id);
  }

  async price(id) {
    this.queue = id;
    this.say("Asking the broker what a look costs …");
    this.part("deeds").replaceChildren();
    this.part("itself").hidden = true;
    const offer = await this.api.get(`queues/${id}/look`);
    if (this.queue !== id) return;
    if (offer.error) return this.say(offer.error.message, "bad");
    this.say(offer.refused ?? offer.price, offer.refused ? "warn" : "");
    this.part("budget").textContent = budget(offer);
    this.part("itself").hidden = offer.free || Boolean(offer.refused) || !this.part("deeds").dataset.may;
    this.part("by-itself").checked = offer.by_itself;
    if (!offer.refused && this.part("deeds").dataset.may) this.part("deeds").replaceChildren(...this.buttons(offer));
  }

  buttons(offer) {
    const of = this.of ?? offer.of;
    const sizes = SIZES.filter((size, i) => i === 0 || of === null || SIZES[i - 1] < of);
    return sizes.map((size, i) => {
      const button = document.createElement("button");
      button.type = "button";
      button.className = i ? "btn" : "btn pri";
      button.textContent = of !== null && of <= size ? `Look at all ${count(of)}` : `Look at ${count(size)}`;
      button.addEventListener("click", () => this.look(size));
      return button;
    });
  }

  async look(limit) {
    for (const button of this.part("deeds").children) button.disabled = true;
    this.say("Looking: it takes at most some seconds, and everything is given back …");
    const look = await this.api.call("POST", `queues/${this.queue}/looks`, { body: { limit } });
    if (look.error) {
      await this.price(this.queue);
      return this.say(look.error.message, "bad");
    }
    const of = look.of === null ? "" : ` of ${look.exact ? "" : "≈ "}${count(look.of)}`;
    const renewed = look.renewed ? ` ${count(look.renewed)} at their limit were replaced by confirmed copies.` : "";
    await this.price(this.queue);
    this.say([`Seen: ${count(look.taken)}${of}; all were given back.${renewed}`, ...look.notes].join(" "), "ok");
    this.done(look);
  }

  async byItself(box) {
    const answer = await this.api.call("PATCH", `queues/${this.queue}/look`, { body: { by_itself: box.checked } });
    if (!answer.error) return this.say(box.checked ? "Weir looks by itself from now on, within half of the budget." : "Weir no longer looks by itself.", "ok");
    box.checked = !box.checked;
    this.say(answer.error.message, "bad");
  }

  say(words, look = "") {
    this.part("said").textContent = words;
    this.part("said").className = look;
  }
}

function budget({ budget: { limit, looks_left }, beyond, hidden_seconds, free }) {
  const said = [];
  if (limit !== null && looks_left !== null) said.push(`${count(looks_left)} looks are left${beyond ? ` before ${beyond}` : ""}.`);
  if (!free && hidden_seconds) said.push(`Others may not see letters for up to ${duration(hidden_seconds)}.`);
  return said.join(" ");
}
