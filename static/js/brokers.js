// A check may take some seconds: the button that was pressed says so, and cannot be pressed twice.

for (const form of document.querySelectorAll("form:has(button[data-busy])")) {
  form.addEventListener("submit", (event) => {
    const button = event.submitter;
    if (!button?.dataset.busy) return;
    if (form.getAttribute("aria-busy") === "true") return event.preventDefault();
    form.setAttribute("aria-busy", "true");
    button.dataset.words = button.textContent;
    button.textContent = button.dataset.busy;
    button.setAttribute("aria-live", "polite");
  });
}

// Back from the browser's cache: the check is over.
addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[aria-busy]")) {
    form.removeAttribute("aria-busy");
    for (const button of form.querySelectorAll("button[data-words]")) button.textContent = button.dataset.words;
  }
});

// Parts with data-refresh (seconds) and an id are fetched again, unless the focus or selected text is in them, or the page is not seen.
const parts = [...document.querySelectorAll("[data-refresh][id]")];

async function refresh() {
  const chosen = getSelection();
  const busy = parts.some(
    (part) => part.contains(document.activeElement) || (!chosen.isCollapsed && part.contains(chosen.anchorNode)),
  );
  if (busy || document.hidden) return;
  try {
    const answer = await fetch(location.pathname, { headers: { Accept: "text/html" } });
    if (answer.redirected) return location.reload(); // signed out: the page for signing in
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const part of parts) {
      const fresh = page.getElementById(part.id);
      if (fresh && fresh.innerHTML !== part.innerHTML) part.replaceChildren(...fresh.childNodes);
    }
    say(false);
  } catch {
    say(true);
  }
}

// Whether Weir has stopped answering: the sentence is in the page, the old values grow pale.
function say(lost) {
  const sentence = document.getElementById("lost");
  if (sentence) sentence.hidden = !lost;
  for (const part of parts) part.classList.toggle("lost", lost);
}

if (parts.length) setInterval(refresh, Math.min(...parts.map((part) => Number(part.dataset.refresh))) * 1000);
