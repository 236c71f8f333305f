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
