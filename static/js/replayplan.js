// The plan of a replay, a move, a copy or a deletion: a dry run shown in words, changed, confirmed and started.
//
//   const plan = new ReplayPlan(document.getElementById("replay-plan"), base, { queues, started(replay) {}, closed() {} });
//   plan.open({ queueId, selection: { ids: [...] }, deed: "replay", edit: { body, headers }, of: "41 that match cause:…" });
//
// `base` is the address of Weir; `queues()` may give [{id, name}] of the same broker to send to.

import { Api } from "./api.js";
import { count } from "./format.js";
import { rowsOf } from "./planwords.js";
import { Destination } from "./replayto.js";

const DONE = { replay: "sent", move: "moved", copy: "copied", delete: "deleted" };
const VERB = { replay: "Replay", move: "Move", copy: "Copy", delete: "Delete" };

export class ReplayPlan {
  constructor(box, base, { queues = async () => [], started = () => {}, closed = () => {} } = {}) {
    Object.assign(this, { box, base, queues, started, closed });
    this.form = box.querySelector("form");
    this.api = new Api(base, box);
    this.to = new Destination(this.form);
    this.startButton = box.querySelector("[data-start]");
    this.change = box.querySelector("[data-change]");
    this.ownButton = box.querySelector("[data-own]");
    this.errorBox = box.querySelector("[data-error]");
    this.confirmBox = box.querySelector("[data-confirm]");
    this.form.elements.to.addEventListener("change", () => this.what.deed !== "replay" && this.to.value?.queue_id && this.plan());
    this.form.addEventListener("submit", (event) => (event.preventDefault(), this.plan()));
    this.startButton.addEventListener("click", () => this.start());
    this.change.addEventListener("click", () => this.fold(this.form.hidden));
    this.beyond = box.querySelector("[data-beyond] input");
    this.beyond.addEventListener("change", () => this.plan());
    this.stageButton = box.querySelector("[data-stage-rest]");
    this.stageButton.addEventListener("click", () => this.stage());
    this.ownButton.addEventListener("click", () => this.toggleOwn());
    box.querySelector("[data-close]").addEventListener("click", () => this.close());
    this.confirmBox.querySelector("input").addEventListener("input", () => this.ready());
    addEventListener("pagehide", () => this.drop()); // who leaves leaves no plan behind
    addEventListener("pageshow", (event) => event.persisted && this.what && !box.hidden && this.to.chosen && this.plan());
    box.addEventListener("keydown", (event) => event.key === "Escape" && this.close());
  }

  /** Plan something else; what was planned before and not started is dropped. */
  async open(what) {
    await this.drop();
    this.what = { deed: "replay", ...what };
    this.beyond.checked = false;
    const verb = VERB[this.what.deed];
    this.box.querySelector("[data-title]").textContent = this.what.deed === "delete" ? "Deletion plan" : `${verb} plan`;
    this.box.querySelector("[data-stage]").textContent = `dry run · nothing ${DONE[this.what.deed]} yet`;
    this.box.hidden = false;
    this.change.hidden = this.what.deed === "delete";
    this.fold(false);
    this.box.querySelector(".planned").replaceChildren();
    const origin = this.what.deed === "replay" || this.what.deed === "delete";
    this.to.fill(this.what.deed === "delete" ? [] : await this.queues(this.what.queueId), origin);
    this.box.scrollIntoView({ block: "nearest" });
    if (!this.to.chosen) return this.ask();
    this.box.focus();
    await this.plan();
  }

  /** Nothing is planned before it is said where to. */
  ask() {
    this.confirmBox.hidden = this.beyond.parentElement.hidden = this.ownButton.hidden = this.stageButton.hidden = true;
    this.startButton.hidden = false;
    this.startButton.disabled = true;
    this.startButton.textContent = "Choose where to first";
    this.say("");
    this.fold(true);
  }

  async close() {
    await this.drop();
    this.box.hidden = true;
    this.closed();
  }

  fold(open) {
    this.form.hidden = !open;
    this.change.setAttribute("aria-expanded", String(open));
    if (open) this.form.elements.to.focus();
  }

  async drop() {
    const id = this.replay?.state === "planned" ? this.replay.id : null;
    this.replay = null;
    if (id) await this.api.call("POST", `replays/${id}/stop`, { keepalive: true });
  }

  /** Let the broker move them by itself, or let Weir do it after all. */
  toggleOwn() {
    this.what.how = this.what.how === "broker" ? "weir" : "broker";
    this.plan();
  }

  asked() {
    const fields = this.form.elements;
    const number = (name) => (fields[name].value === "" ? null : Number(fields[name].value));
    const { deed, queueId, selection, edit } = this.what;
    const asked = { queue_id: queueId, selection, deed };
    if (edit) asked.edit = edit;
    if (deed === "delete") return { ...asked, beyond_bound: this.beyond.checked };
    const limits = {};
    if (this.seen) [limits.lag, limits.depth] = [number("lag"), number("depth")];
    if (this.seen && number("came_back") !== null) limits.came_back = number("came_back");
    const own = this.what.how === "broker";
    return {
      ...asked,
      how: own ? "broker" : "weir",
      to: this.to.value,
      rate: number("rate"),
      trial: deed === "replay" && !own ? number("trial") ?? 0 : 0,
      allow_replayed: fields.allow_replayed.checked,
      options: own ? [] : [...this.form.querySelectorAll("[data-options] input:checked")].map((box) => box.name),
      limits,
    };
  }

  async plan() {
    await this.drop();
    this.startButton.disabled = this.ownButton.hidden = this.stageButton.hidden = true;
    this.startButton.hidden = false;
    this.startButton.textContent = "Planning …";
    this.say("");
    let answer = await this.api.call("POST", "replays", { body: this.asked() });
    while (answer.state === "planning" && !this.box.hidden) {
      await new Promise((done) => setTimeout(done, 1000));
      answer = await this.api.call("GET", `replays/${answer.id}`);
    }
    if (answer.error || answer.state === "failed") this.what.how = "weir";
    if (answer.error) return this.failed(answer.error.message);
    this.replay = answer;
    if (!this.seen) {
      for (const name of ["lag", "depth"]) this.form.elements[name].value = answer.limits[name] ?? "";
      this.form.elements.came_back.value = answer.limits.came_back;
      this.seen = true;
    }
    if (answer.state === "failed") this.failed(answer.planned?.refused || answer.reason);
    this.show(answer);
  }

  failed(sentence) {
    this.startButton.textContent = "Plan it again";
    this.startButton.disabled = false;
    this.say(sentence);
  }

  say(sentence) {
    this.errorBox.textContent = sentence;
    this.errorBox.hidden = !sentence;
  }

  show(replay) {
    const plan = replay.planned;
    const list = this.box.querySelector(".planned");
    const rows = plan.safety ? rowsOf(replay, this.what.of) : []; // else nothing is known: the broker is away
    list.replaceChildren(
      ...rows.flatMap(([label, text, look = ""]) => {
        const term = document.createElement("dt");
        const value = document.createElement("dd");
        term.textContent = label;
        term.className = look;
        value.textContent = text ?? "";
        return [term, value];
      }),
    );
    this.showOptions(plan.options);
    this.to.offer(plan, replay.deed);
    this.stageButton.hidden = !plan.staging;
    this.startButton.hidden = Boolean(plan.staging);
    this.beyond.parentElement.hidden = !plan.beyond;
    this.ready();
  }

  showOptions(options) {
    const place = this.form.querySelector("[data-options]");
    if (place.childElementCount || this.what.deed === "delete") return;
    for (const [name, words] of Object.entries(options ?? {})) {
      const line = document.createElement("p");
      const box = document.createElement("input");
      const label = document.createElement("label");
      line.className = "field inline";
      Object.assign(box, { type: "checkbox", name, id: `plan-option-${name}` });
      label.htmlFor = box.id;
      label.textContent = words;
      line.append(box, label);
      place.append(line);
    }
  }

  /** What the button says, and whether it may be pressed: the count has to be typed where the plan asks for it. */
  ready() {
    const { replay } = this;
    if (!replay || replay.state !== "planned") return;
    const { confirm, exact, count: planned, own_name: mover } = replay.planned;
    const own = replay.how === "broker";
    this.ownButton.hidden = !mover;
    this.ownButton.textContent = own ? "Let Weir move them" : `Let ${mover} move them`;
    const verb = VERB[replay.deed];
    this.confirmBox.hidden = confirm === null;
    this.confirmBox.querySelector("label").textContent = `Type ${confirm === null ? "" : count(confirm)} to go on`;
    const typed = this.confirmBox.querySelector("input").value.replaceAll(/[,\s]/g, "");
    this.startButton.disabled = confirm !== null && typed !== String(confirm);
    this.startButton.classList.toggle("danger", replay.deed === "delete");
    this.startButton.classList.toggle("pri", replay.deed !== "delete");
    if (own) this.startButton.textContent = `Let ${mover} move ${planned === null ? "all" : count(planned)}`;
    else this.startButton.textContent = replay.trial ? `Start trial of ${count(replay.trial)}` : `${verb} ${planned === null ? "what matches" : `${exact || replay.selection.ids || replay.selection.oldest ? "" : "≈ "}${count(planned)}`}`;
  }

  /** The queue is too long to be read through for the choice: a plan of moving the rest to a staging queue first. */
  async stage() {
    const { id } = this.replay;
    this.stageButton.disabled = true;
    const answer = await this.api.call("POST", `replays/${id}/stage`);
    this.stageButton.disabled = false;
    if (answer.error) return this.say(answer.error.message);
    this.what = { ...this.what, deed: answer.deed, of: "such as were not chosen" };
    this.box.querySelector("[data-title]").textContent = "Plan to move the rest aside";
    this.box.querySelector("[data-stage]").textContent = "dry run · nothing moved yet";
    this.change.hidden = true;
    this.fold(false);
    this.replay = answer;
    this.say("");
    if (answer.state === "failed") this.failed(answer.planned?.refused || answer.reason);
    this.show(answer);
  }

  async start() {
    if (this.replay?.state !== "planned") return this.plan();
    const body = this.replay.planned.confirm === null ? {} : { confirm: this.replay.planned.confirm };
    this.startButton.disabled = true;
    const answer = await this.api.call("POST", `replays/${this.replay.id}/start`, { body });
    if (answer.error) return this.say(answer.error.message), this.ready();
    this.replay = null;
    this.box.hidden = true;
    this.confirmBox.querySelector("input").value = "";
    this.started(answer);
  }
}
