// Where copies of a replay go: where each died, one queue, or wide: an exchange, which gives a copy to all who listen.

const WIDE = "exchange";
const HOME = "where each died (nobody else notices)";

export class Destination {
  constructor(form) {
    this.select = form.elements.to;
    this.wide = form.querySelector("[data-wide]");
    this.exchange = form.elements.exchange;
    this.key = form.elements.routing_key;
    this.names = form.querySelector("#plan-exchanges");
    this.select.addEventListener("change", () => this.show());
    this.exchange.addEventListener("change", () => this.fillKey());
  }

  /** `queues`: [{id, name}] to choose from; `origin`: whether each may go back to where it died. */
  fill(queues, origin) {
    while (this.select.options.length > 1) this.select.remove(1);
    this.select.options[0].text = origin ? HOME : "choose a queue …"; // no queue is taken by itself
    this.select.required = !origin;
    for (const { id, name } of queues) this.select.add(new Option(name, id));
    this.select.selectedIndex = 0;
    this.exchange.value = this.key.value = "";
    this.cameBy = [];
    this.show();
  }

  /** What a plan says of the broker's exchanges; without any there is no such choice. */
  offer({ exchanges = [], came_by: cameBy = [] }, deed) {
    this.cameBy = cameBy;
    const there = [...this.select.options].some((option) => option.value === WIDE);
    if (exchanges.length && !there && deed !== "delete") this.select.add(new Option("an exchange: all who listen there …", WIDE));
    this.names.replaceChildren(...exchanges.map((name) => new Option(name, name)));
    if (cameBy.length && !this.exchange.value) [this.exchange.value, this.key.value] = [cameBy[0].exchange, cameBy[0].routing_key];
    this.show();
  }

  /** As the API takes it. */
  get value() {
    if (this.select.value === WIDE) return { exchange: this.exchange.value, routing_key: this.key.value };
    return this.select.value ? { queue_id: Number(this.select.value) } : null;
  }

  /** Whether it is said where to. */
  get chosen() {
    return Boolean(this.select.value) || !this.select.required;
  }

  show() {
    this.wide.hidden = this.select.value !== WIDE;
    this.exchange.required = !this.wide.hidden;
  }

  /** The routing key by which letters had come through the exchange that was chosen. */
  fillKey() {
    const known = this.cameBy.find((way) => way.exchange === this.exchange.value);
    if (known) this.key.value = known.routing_key;
  }
}
