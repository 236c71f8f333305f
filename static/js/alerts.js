// The alerts page: what fires, values beside limits and what has ended stay new by themselves; times are local.

import { moment } from "./format.js";

const EVERY = 5; // seconds
const FLAG = "weir.notify";

const local = (root) => root.querySelectorAll("time").forEach((time) => (time.textContent = moment(time.dateTime)));

/** Put what the server says now in place of each part, unless somebody is at it. */
async function refresh() {
  if (document.hidden) return;
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (!answer.ok || answer.redirected) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const part of document.querySelectorAll("[data-part]")) {
      const next = fresh.querySelector(`[data-part=${part.dataset.part}]`);
      if (!next || part.contains(document.activeElement) || part.dataset.was === next.innerHTML) continue;
      part.dataset.was = next.innerHTML;
      part.replaceChildren(...next.childNodes);
      local(part);
    }
  } catch {
    document.body.dataset.stale = "true"; // the next one tries again
  }
}

const button = document.getElementById("notify");

function offer() {
  if (!("Notification" in window) || Notification.permission === "denied") return;
  button.hidden = false;
  button.textContent = localStorage.getItem(FLAG) ? "Notify me no more in this browser" : "Notify me in this browser";
}

button.addEventListener("click", async () => {
  if (localStorage.getItem(FLAG)) localStorage.removeItem(FLAG);
  else if ((await Notification.requestPermission()) === "granted") localStorage.setItem(FLAG, "yes");
  offer();
});

addEventListener("weir:acknowledge", (event) => {
  const form = document.querySelector("form[action$='/acknowledge/']");
  if (form) event.preventDefault(), form.requestSubmit();
});
local(document);
offer();
setInterval(refresh, EVERY * 1000);
