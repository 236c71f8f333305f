// The theme before the first paint: system, dark or light, kept in this browser. A classic script, on purpose: it blocks.
(() => {
  const root = document.documentElement;
  const kept = () => {
    try {
      return localStorage.getItem("weir-theme") || "system";
    } catch {
      return "system"; // storage is forbidden: the system's theme it is
    }
  };
  const show = (theme) => {
    if (theme === "system") delete root.dataset.theme;
    else root.dataset.theme = theme;
    dispatchEvent(new CustomEvent("weir:theme"));
  };
  show(kept());
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => show(kept()));
  addEventListener("storage", (event) => event.key === "weir-theme" && show(kept()));
  document.addEventListener("DOMContentLoaded", () => {
    for (const input of document.querySelectorAll("input[name=theme]")) {
      input.checked = input.value === kept();
      input.addEventListener("change", () => {
        try {
          localStorage.setItem("weir-theme", input.value);
        } catch {
          // nothing is kept, but the choice still holds for this page
        }
        show(input.value);
      });
    }
  });
})();
