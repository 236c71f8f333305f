// What would clear the queue: consumers needed, fetched now and then, in a card of its own.

import { count, duration, rate } from "./format.js";

const EVERY = 30_000; // milliseconds

const ROWS = [
  ["hold", "Hold the line"],
  ["clear_in_1_hour", "Clear in 1 h"],
  ["clear_in_15_minutes", "Clear in 15 min"],
];

/** How many more than there are, or that it is enough: +22 consumers · enough. */
function more(needed, have) {
  const missing = needed - have;
  return missing > 0 ? `+${count(missing)} consumer${missing === 1 ? "" : "s"}` : "enough";
}

function rows(capacity) {
  const shown = ROWS.map(([field, label]) => [label, more(capacity[field], capacity.consumers), `${count(capacity[field])} in all`]);
  const alone = capacity.clears_without_arrivals_in_seconds;
  return [...shown, ["Without producers, clear in", alone === null ? "never" : alone === 0 ? "clear" : duration(alone), ""]];
}

export class Outlook {
  /** `changed` is called with the words of each new answer. */
  constructor(card, address, changed) {
    Object.assign(this, { card, address, changed, fetchedAt: -Infinity, words: "" });
  }

  async refresh() {
    if (this.busy || document.hidden || performance.now() - this.fetchedAt < EVERY) return;
    this.busy = true;
    this.fetchedAt = performance.now();
    try {
      const answer = await fetch(this.address, { headers: { Accept: "application/json" } });
      if (answer.ok) this.show(await answer.json());
    } catch {
      // the page says itself when the connection is lost; the next round asks again
    } finally {
      this.busy = false;
    }
  }

  show({ capacity, words }) {
    this.words = capacity && capacity.hold > capacity.consumers ? words : "";
    const [list, note] = [this.card.querySelector("dl"), this.card.querySelector("p")];
    list.replaceChildren(
      ...(capacity ? rows(capacity) : []).flatMap(([label, value, small]) => {
        const [term, told] = [document.createElement("dt"), document.createElement("dd")];
        [term.textContent, told.textContent, told.title] = [label, value, small];
        return [term, told];
      }),
    );
    note.textContent = capacity ? `At ${rate(capacity.per_consumer)} a second by each consumer, as was seen while they were busy.` : words;
    this.card.hidden = false;
    this.changed();
  }
}
