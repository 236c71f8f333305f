// What people do with letters from the inbox: replay, move, delete, edit; each begins with a plan that does nothing yet.

import { count } from "./format.js";
import { Editor } from "./letteredit.js";
import { ReplayPlan } from "./replayplan.js";

export class Deeds {
  /** `queues(id)` gives other queues to send to; without the right to replay there is nothing here. */
  constructor(page, api, base) {
    this.page = page;
    this.bar = page.querySelector("[data-deeds]");
    if (!this.bar) return;
    const aside = page.querySelector("#deeds");
    const started = (replay) => (location.href = `${base}replays/${replay.id}/`);
    this.plan = new ReplayPlan(aside.querySelector("#replay-plan"), base, { queues: (id) => others(api, id), started, closed: () => (aside.hidden = true) });
    this.editor = new Editor(page.querySelector("#edit"), api, (edited) => this.open([edited.queue_id], { ids: [edited.id] }, "replay", "1 edited", edited.edit));
    this.which = this.bar.querySelector("select");
    this.which.addEventListener("change", () => this.show(this.shown));
    this.bar.addEventListener("click", (event) => {
      const deed = event.target.closest("[data-deed]")?.dataset.deed;
      if (deed === "edit") this.editor.open(this.one.id);
      else if (deed) this.begin(deed);
    });
    page.querySelector("#letter").addEventListener("click", (event) => { // where the list is out of sight: this one alone
      const deed = event.target.closest("[data-one]")?.dataset.one;
      if (deed === "edit") this.editor.open(this.read.id);
      else if (deed) this.open([this.read.queue_id], { ids: [this.read.id] }, deed, "the open one");
    });
    addEventListener("weir:replay", (event) => {
      if (this.bar.hidden || this.bar.querySelector("[data-deed=replay]").disabled) return;
      event.preventDefault();
      this.begin("replay");
    });
  }

  /** What is chosen: a group with its scope, letters that are ticked, the letter that is open. */
  show(chosen) {
    if (!this.bar) return;
    const { group, by, scope, letters, open } = (this.shown = chosen);
    Object.assign(this, { by, scope, letters });
    this.read = open;
    this.one = letters.length === 1 ? letters[0] : open;
    this.bar.hidden = !group;
    if (!group) return;
    const queues = letters.length ? [...new Map(letters.map((one) => [one.queue_id, { id: one.queue_id, name: one.queue }])).values()] : group.queues;
    this.offer(queues);
    this.which.hidden = queues.length < 2;
    const unlooked = !group.count && group.taken?.as_of === null; // all that lie there: nobody knows which
    const number = letters.length ? letters.filter((one) => queues.length < 2 || String(one.queue_id) === this.which.value).length : group.queue_count === 1 && !unlooked ? group.count : null;
    for (const button of this.bar.querySelectorAll("[data-deed]")) {
      const edit = button.dataset.deed === "edit";
      button.textContent = edit ? "Edit …" : `${button.dataset.word}${number === null ? "" : ` ${count(number)}`} …`;
      if (edit) button.hidden = !this.one;
      else button.disabled = !letters.length && !group.count && !unlooked;
    }
  }

  /** The queues to choose from. One that is chosen stays so; a list that is open stays as it is while nothing changes. */
  offer(queues) {
    const options = [...this.which.options];
    if (options.length === queues.length && queues.every((queue, i) => options[i].value === String(queue.id))) return;
    const kept = this.which.value;
    this.which.replaceChildren(...queues.map((queue) => new Option(queue.name, queue.id)));
    if (queues.some((queue) => String(queue.id) === kept)) this.which.value = kept;
  }

  begin(deed) {
    const queue = Number(this.which.value);
    const ids = this.letters.filter((one) => one.queue_id === queue).map((one) => one.id);
    const whole = this.by === "queue" && !this.scope.filter ? { all: true } : { filter: this.scope.filter };
    const said = ids.length ? `${count(ids.length)} ticked` : whole.all ? "all that lie there" : `such as match ${this.scope.filter}`;
    this.open([queue], ids.length ? { ids } : whole, deed, said);
  }

  open([queueId], selection, deed, of, edit) {
    this.page.querySelector("#deeds").hidden = false;
    this.plan.open({ queueId, selection, deed, of, edit });
  }
}

/** Other queues of the same broker, by name. */
async function others(api, id) {
  const here = await api.get(`queues/${id}`);
  if (here.error) return [];
  const found = await api.get("queues", { filter: `broker:${JSON.stringify(here.broker)}`, sort: "name", limit: 500 });
  return (found.items ?? []).filter((queue) => queue.id !== id).map(({ id: other, name }) => ({ id: other, name }));
}
