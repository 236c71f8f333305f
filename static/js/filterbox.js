// The filter box: what is typed stays text; behind it, terms with a field are tinted and the place of an error is underlined.

const TERM = /(-?\b[a-z_]+(?::|>=?|<=?|=)(?:"[^"]*"?|[^\s()]+))/gi;

/** Replace the terms by which a chip filters (`state:...`, `dead>0`) with another, or with nothing. */
export function withChip(text, term) {
  const rest = text.replace(/(^|\s)-?(state:\S+|dead>0)(?=\s|$)/g, " ").replace(/\s+/g, " ").trim();
  return [rest, term].filter(Boolean).join(" ");
}

export const hasTerm = (text, term) => ` ${text} `.includes(` ${term} `);

export class FilterBox {
  /** `changed(text, done)` is called while someone types (done false) and when they have finished (true). */
  constructor(root, changed) {
    this.root = root;
    this.input = root.querySelector("input");
    this.back = root.querySelector(".tint");
    this.said = document.getElementById(this.input.getAttribute("aria-describedby"));
    this.clear = root.querySelector("button");
    this.changed = changed;
    this.error = null;
    this.input.addEventListener("input", () => {
      this.error = null;
      this.paint();
      clearTimeout(this.typing);
      this.typing = setTimeout(() => this.tell(false), 180);
    });
    this.input.addEventListener("change", () => this.tell(true));
    this.input.addEventListener("scroll", () => this.follow());
    this.clear.addEventListener("click", () => {
      this.set("");
      this.tell(true);
      this.input.focus();
    });
    root.closest("form")?.addEventListener("submit", (event) => {
      event.preventDefault();
      this.tell(true);
    });
    this.paint();
  }

  get text() {
    return this.input.value.trim();
  }

  set(text) {
    this.input.value = text;
    this.error = null;
    this.paint();
  }

  tell(done) {
    clearTimeout(this.typing);
    this.changed(this.text, done);
  }

  /** Show what is wrong, under the text and at its position; null when all is right. */
  fail(error) {
    this.error = error;
    this.paint();
  }

  follow() {
    this.back.style.transform = `translateX(${-this.input.scrollLeft}px)`;
  }

  paint() {
    const text = this.input.value;
    this.back.replaceChildren(...this.pieces(text));
    this.follow();
    this.clear.hidden = !text;
    this.root.classList.toggle("wrong", Boolean(this.error));
    this.input.setAttribute("aria-invalid", this.error ? "true" : "false");
    const words = this.error?.message ?? "";
    if (this.said.textContent !== words) this.said.textContent = words;
    this.said.hidden = !words;
  }

  pieces(text) {
    const at = this.error?.position;
    if (Number.isInteger(at)) {
      const place = Math.min(at - 1, text.length); // positions are counted from 1
      return [text.slice(0, place), this.span("error", text.slice(place).match(/^\S+|^\s*$/)?.[0] || " "), ""];
    }
    return text.split(TERM).map((piece, i) => (i % 2 ? this.span("term", piece) : piece));
  }

  span(name, text) {
    const span = document.createElement("span");
    span.className = name;
    span.textContent = text || " ";
    return span;
  }
}
