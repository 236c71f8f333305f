// The page of an incident: its number around that time, times in words, the key that acknowledges.

import { exactTime, moment } from "./format.js";
import { plot } from "./plot.js";

const page = document.getElementById("incident");
const { base, queue, metric, of, limit, opened, closed } = page.dataset;

for (const time of page.querySelectorAll("time")) time.textContent = time.closest(".story") ? `${moment(time.dateTime)} (${exactTime(time.dateTime)})` : moment(time.dateTime);

async function draw() {
  const now = Date.now() / 1000;
  const ends = closed ? Number(closed) : now;
  const room = Math.max(900, (ends - opened) * 0.5);
  const [from, to] = [opened - room, Math.min(now, ends + room)];
  const asked = new URLSearchParams({ metrics: metric, start: from, end: to, points: 300, aggregate: "max" });
  try {
    const answer = await fetch(`${base}api/v1/queues/${queue}/series?${asked}`);
    if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
    const found = await answer.json();
    const times = found.times.map((at) => Date.parse(at) / 1000);
    const values = found.series[queue][metric];
    const line = limit ? Number(limit) : null;
    plot(document.getElementById("plot"), { times, values, metric, limit: line, spans: [[Number(opened), closed ? Number(closed) : null]] }, from, to);
    document.getElementById("plot-news").textContent = of;
  } catch (error) {
    document.getElementById("plot-news").textContent = `The chart could not be loaded: ${error.message}.`;
  }
}

addEventListener("weir:acknowledge", (event) => {
  const button = document.getElementById("acknowledge");
  if (button) event.preventDefault(), button.click();
});
if (queue) {
  draw();
  addEventListener("resize", draw);
  if (!closed) setInterval(() => document.hidden || draw(), 15_000);
}
