// What needs attention: one card each, leading the page; most urgent first.

import { incidentOf, look } from "./alarm.js";
import { capital, moment } from "./format.js";
import { draw, sparkline } from "./spark.js";

const FIRST = 3; // cards shown before "Show more"

function element(name, className, text = "") {
  const made = document.createElement(name);
  made.className = className;
  made.textContent = text;
  return made;
}

function makeCard(item, base) {
  const card = element("article", "card attn");
  card.parts = {
    state: element("span", "state"),
    name: element("span", "mono strong wrap"),
    broker: element("span", "bk"),
    sentence: element("p", "muted"),
    since: element("span", "faint small"),
    chart: sparkline(150, 46),
    open: element("a", "btn", "Open"),
    tend: element("button", "btn ghost", "Acknowledge"),
    silence: element("a", "btn ghost", "Silence …"),
    replay: element("a", "btn ghost", "Replay …"),
  };
  const { state, name, broker, sentence, since, chart, open, tend, silence: mute, replay } = card.parts;
  const title = element("h3", "title");
  title.append(state, name, broker);
  const actions = element("div", "acts");
  actions.append(open, replay, tend, mute, since);
  tend.type = "button";
  tend.addEventListener("click", () => acknowledge(base, item.id));
  const dead = item.severity === "dead";
  const there = dead ? `dead-letters/?group=queue&key=${item.id}` : `queues/${item.id}/`;
  open.href = item.id === null ? `${base}brokers/${item.broker_id}/` : base + there;
  if (dead) open.textContent = "Review";
  open.setAttribute("aria-label", `${open.textContent} ${item.name}`);
  replay.href = `${base}replays/new/?queue=${item.id}`;
  replay.setAttribute("aria-label", `Replay the dead letters of ${item.name} …`);
  replay.hidden = !dead || !document.querySelector("#queues[data-replays]");
  card.append(title, chart, sentence, actions);
  return card;
}

async function acknowledge(base, queue) {
  const headers = { "X-CSRFToken": document.querySelector("#token input").value };
  await fetch(`${base}api/v1/incidents/${incidentOf(queue).id}/acknowledge`, { method: "POST", headers });
  await look();
}

/** What can be done about the alert that fires here, if one does. */
function tendTo(card, item, base, may) {
  const { tend, silence } = card.parts;
  const incident = item.id === null ? undefined : incidentOf(item.id);
  tend.hidden = !may || incident?.state !== "open";
  silence.hidden = !may || !incident;
  if (incident) silence.href = `${base}alerts/incidents/${incident.id}/#silence`;
}

const put = (node, text) => node.textContent !== text && (node.textContent = text);

function fill(card, item) {
  const { state, name, broker, sentence, since, chart } = card.parts;
  const look = `${item.state} ${item.severity}`;
  if (card.look !== look) {
    card.look = look;
    card.className = `card attn ${item.severity}`;
    state.className = `state ${item.severity === "dead" ? "stalled" : item.state}`;
    put(state, item.severity === "dead" ? "Dead letters" : capital(item.state));
    chart.setAttribute("class", "spark");
  }
  put(name, item.name);
  put(broker, item.broker === item.name ? "" : item.broker);
  put(sentence, item.sentence);
  put(since, item.since ? `since ${moment(item.since)}` : "");
  chart.toggleAttribute("hidden", !item.spark);
  draw(chart, item.spark?.values);
}

export class Attention {
  constructor(root, base) {
    this.root = root;
    this.base = base;
    this.cards = new Map();
    this.list = root.querySelector(".attns");
    this.more = root.querySelector("button");
    this.all = false;
    this.may = Boolean(root.closest("[data-tends]"));
    addEventListener("weir:incidents", () => this.items && this.show(this.items));
    this.more.addEventListener("click", () => {
      this.all = !this.all;
      this.show(this.items);
    });
  }

  show(items) {
    this.items = items;
    const shown = this.all ? items : items.slice(0, FIRST);
    const before = this.cards;
    this.cards = new Map();
    shown.forEach((item, i) => {
      const key = item.id ?? `broker ${item.name}`;
      const card = before.get(key) ?? makeCard(item, this.base);
      before.delete(key);
      this.cards.set(key, card);
      fill(card, item);
      tendTo(card, item, this.base, this.may);
      if (this.list.children[i] !== card) this.list.insertBefore(card, this.list.children[i] ?? null);
    });
    for (const gone of before.values()) gone.remove();
    this.root.hidden = !shown.length;
    this.more.hidden = items.length <= FIRST;
    put(this.more, this.all ? "Show fewer" : `Show ${items.length - FIRST} more`);
    this.more.setAttribute("aria-expanded", this.all);
  }
}
