// Letters of one queue chosen by filter, by number or all: their plan, and its start.

import { ReplayPlan } from "./replayplan.js";

const page = document.getElementById("new-replay");
const { base, queue } = page.dataset;
const form = document.getElementById("choose");
const others = JSON.parse(document.getElementById("others").textContent);
const plan = new ReplayPlan(document.getElementById("replay-plan"), base, {
  queues: async () => others,
  started: (replay) => (location.href = `${base}replays/${replay.id}/`),
  closed: () => form.querySelector("button").focus(),
});

const CHOSEN = {
  all: () => ({ all: true }),
  oldest: (fields) => ({ oldest: Number(fields.oldest.value) }),
  filter: (fields) => ({ filter: fields.filter.value }),
};

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const { elements } = form;
  plan.open({ queueId: Number(queue), selection: CHOSEN[elements.kind.value](elements), deed: event.submitter?.value || "replay" });
});
for (const [name, kind] of [["oldest", "k-oldest"], ["filter", "k-filter"]]) {
  form.elements[name].addEventListener("input", () => (document.getElementById(kind).checked = true));
}
