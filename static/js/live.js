// The live connection: one view at a time, frames acknowledged, reconnected with back-off. The header says how it stands.

const FIRST_WAIT = 0.5;
const LONGEST_WAIT = 10;
const SILENCE = 16; // seconds without even a heartbeat: the connection is dead, whatever the browser thinks
const SLOW_DOWN = 120; // milliseconds between two changes of the view

export class Live {
  /** `on`: {frame(frame), error(error), state(word, words)}; words of state: connecting, live, lost. */
  constructor(url, on) {
    this.url = new URL(url, location.href.replace(/^http/, "ws"));
    this.on = on;
    this.view = null;
    this.held = false;
    this.tries = 0;
    this.sayAge = this.sayAge.bind(this);
    addEventListener("pagehide", () => this.stop());
    addEventListener("pageshow", (event) => event.persisted && this.open());
    addEventListener("online", () => this.retryNow());
    document.addEventListener("visibilitychange", () => document.hidden || this.retryNow());
    this.header = document.getElementById("live");
    this.header.hidden = false;
    this.news = document.getElementById("live-news");
    setInterval(this.sayAge, 1000);
  }

  open() {
    this.stopped = false;
    clearTimeout(this.retry);
    this.retry = null;
    const socket = (this.socket = new WebSocket(this.url));
    this.unacknowledged = 0;
    this.heard = performance.now();
    socket.addEventListener("open", () => {
      clearTimeout(this.sending);
      if (this.view) this.send(this.view);
      if (this.held) this.send({ hold: true });
    });
    socket.addEventListener("message", (event) => socket === this.socket && this.take(JSON.parse(event.data)));
    socket.addEventListener("close", (event) => socket === this.socket && this.closed(event));
  }

  take(message) {
    const pause = performance.now() - this.heard > 1500;
    this.heard = performance.now();
    if (message.error) return this.on.error(message.error);
    this.tries = 0;
    this.unacknowledged += 1;
    if (pause || this.unacknowledged >= 5 || this.state !== "live") {
      this.send({ ack: message.seq });
      this.unacknowledged = 0;
    }
    this.at = performance.now() - Math.max(0, message.age ?? 0) * 1000;
    this.say("live");
    this.on.frame(message);
  }

  closed(event) {
    this.socket = null;
    if (this.stopped) return;
    if (event.code === 4401) return location.reload(); // signed out: the server shows the way in
    this.tries += 1;
    const wait = Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** (this.tries - 1)) * (0.6 + 0.4 * Math.random());
    this.retryAt = performance.now() + wait * 1000;
    this.retry = setTimeout(() => this.open(), wait * 1000);
    this.say("lost");
  }

  retryNow() {
    if (this.retry) this.open();
  }

  stop() {
    this.stopped = true;
    clearTimeout(this.retry);
    this.retry = null;
    this.socket?.close();
    this.socket = null;
  }

  send(message) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  /** Look at something else from now on. Changes that follow quickly are sent as one. */
  show(view) {
    this.view = view;
    const since = performance.now() - (this.sentAt ?? -SLOW_DOWN);
    clearTimeout(this.sending);
    this.sending = setTimeout(() => {
      this.sentAt = performance.now();
      this.send(this.view);
    }, Math.max(0, SLOW_DOWN - since));
  }

  hold(on) {
    this.held = on;
    this.send({ hold: on });
  }

  say(state) {
    if (state !== this.state) {
      const before = this.state;
      this.state = state;
      document.body.dataset.connection = state;
      if (state === "lost") this.news.textContent = "Connection lost. Trying again.";
      else if (before === "lost") this.news.textContent = "Connected again.";
      this.on.state?.(state);
    }
    this.sayAge();
  }

  sayAge() {
    const now = performance.now();
    if (this.socket && now - this.heard > SILENCE * 1000) {
      const dead = this.socket;
      this.socket = null;
      dead.close();
      this.closed({ code: 0 });
    }
    const age = this.at ? Math.max(0, (now - this.at) / 1000) : null;
    const old = age === null ? "" : ` · ${age < 10 ? age.toFixed(age < 1 ? 1 : 0) : Math.round(age)} s ago`;
    const wait = Math.max(0, Math.ceil((this.retryAt - now) / 1000));
    const words = { live: `live${old}`, lost: wait ? `connection lost · again in ${wait} s` : "connection lost · trying …" };
    const text = words[this.state] ?? "connecting …";
    const label = this.header.lastElementChild;
    if (label.textContent !== text) label.textContent = text;
    this.header.dataset.state = this.state ?? "connecting";
  }
}
