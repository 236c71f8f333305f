// What people say to a cause: a note for everybody, and a snooze that puts it aside until a time.

import { moment } from "./format.js";

const HOUR = 3600e3;

export class CauseMarks {
  /** `menu`: the details of a cause; `say(words)` tells what was done. */
  constructor(menu, api, say) {
    Object.assign(this, { menu, api, say });
    if (!menu) return;
    this.note = menu.querySelector("textarea");
    menu.querySelector("[data-save]").addEventListener("click", () => this.change({ note: this.note.value }, "The note is saved."));
    for (const button of menu.querySelectorAll("[data-hours]")) {
      button.addEventListener("click", () => {
        const hours = Number(button.dataset.hours);
        const until = hours ? new Date(Date.now() + hours * HOUR).toISOString() : null;
        this.change({ snoozed_until: until }, until ? `Snoozed until ${moment(until)}: found by is:snoozed.` : "Awake again.");
      });
    }
  }

  /** For a row of groups, or null where the groups are no causes. */
  show(row) {
    if (!this.menu) return;
    this.menu.hidden = !row;
    if (!row) return (this.menu.open = false);
    if (this.row?.key !== row.key || document.activeElement !== this.note) this.note.value = row.note ?? "";
    this.row = row;
    this.menu.querySelector("[data-hours='0']").hidden = !row.snoozed_until;
  }

  async change(body, words) {
    const answer = await this.api.call("PATCH", `dead-letters/causes/${this.row.key}`, { body });
    this.say(answer.error?.message ?? words);
    if (!answer.error) this.menu.open = false;
  }
}
