// On every page: how many alerts fire, beside the link, in the title and on the icon; and, where allowed, as a notification.

const EVERY = 8; // seconds
const link = document.querySelector("nav a[data-go=a]");
const badge = link?.querySelector(".badge");
const icon = document.querySelector("link[rel=icon]");
const calm = icon?.href;
const FLAG = "weir.notify", SEEN = "weir.seen";
let firing = 0;
let items = new Map();

/** What fires about a queue, if anything does: {id, rule, state, reason}. */
export const incidentOf = (queue) => items.get(queue);

const plain = (title) => title.replace(/^\[\d+\] /, "");

/** The title says it too, whoever else writes to it. */
function mark() {
  const wanted = (firing ? `[${firing}] ` : "") + plain(document.title);
  if (document.title !== wanted) document.title = wanted;
}

function notify(found) {
  const before = localStorage.getItem(SEEN);
  const seen = Number(before ?? 0);
  localStorage.setItem(SEEN, Math.max(seen, ...found.items.map((one) => one.id)));
  if (before === null || !localStorage.getItem(FLAG) || !("Notification" in window) || Notification.permission !== "granted") return;
  for (const one of found.items.filter((item) => item.id > seen).slice(0, 3)) {
    const note = new Notification(`${one.queue ?? one.broker ?? one.rule}: ${one.rule}`, { body: one.reason, tag: `weir-${one.id}` });
    note.onclick = () => (focus(), location.assign(`${link.href}incidents/${one.id}/`));
  }
}

/** The figure on the queues page. */
function tile(found) {
  const place = document.querySelector("[data-total=alerts]");
  if (!place) return;
  place.textContent = found.firing;
  place.className = found.critical ? "bad" : found.firing ? "warn" : "";
  document.querySelector("[data-total=acknowledged]").textContent = found.firing ? `${found.firing - found.unacknowledged} acknowledged` : "no rule fires";
}

function show(found) {
  firing = found.unacknowledged;
  items = new Map(found.items.filter((one) => one.queue_id).map((one) => [one.queue_id, one]));
  if (badge) {
    badge.hidden = !found.firing;
    badge.textContent = found.firing;
    badge.className = `badge ${found.critical ? "bad" : "warn"}`;
  }
  tile(found);
  if (icon) icon.href = firing ? calm.replace("weir.svg", "weir-firing.svg") : calm;
  mark();
  notify(found);
  dispatchEvent(new Event("weir:incidents"));
}

export async function look() {
  try {
    const answer = await fetch(`${link.href.replace(/alerts\/$/, "")}api/v1/incidents/firing`, { headers: { Accept: "application/json" } });
    if (answer.ok) show(await answer.json());
  } catch {
    badge?.setAttribute("title", "not known at the moment: Weir does not answer");
  }
}

if (link) {
  new MutationObserver(mark).observe(document.querySelector("title"), { childList: true });
  look();
  setInterval(() => (document.hidden && !localStorage.getItem(FLAG)) || look(), EVERY * 1000);
}
