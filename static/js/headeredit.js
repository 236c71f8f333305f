// The headers of one letter in a form: each keeps its type; masked ones and such as nobody can type are read-only.

let made = 0;
const KINDS = ["text", "number", "true or false"];

export class Headers {
  /** `changed()` is called with every change. */
  constructor(list, add, changed) {
    Object.assign(this, { list, add, changed });
    list.addEventListener("input", () => changed());
    add.addEventListener("click", () => (this.append(this.fresh()).querySelector("input").focus(), changed()));
  }

  /** As the API gives them: [{name, kind, value, fixed, stays}]; `mayAdd`: whether there is room for more. */
  fill(headers, mayAdd) {
    this.list.replaceChildren();
    this.rows = [];
    for (const header of headers) this.append({ header, taken: false });
    this.add.hidden = !mayAdd;
    if (!headers.length) this.list.append(element("li", "muted small", mayAdd ? "It has none." : "A message here is its body alone: it has no headers."));
  }

  fresh() {
    this.list.querySelector("li.muted")?.remove();
    return { header: { name: "", kind: "text", value: "", fixed: "", stays: false }, added: true, taken: false };
  }

  append(row) {
    const line = element("li", "header");
    const id = `edit-header-${(made += 1)}`;
    row.line = line;
    line.append(...(row.added ? this.naming(row, id) : this.named(row, id)), row.input, this.taking(row));
    this.list.append(line);
    this.rows.push(row);
    return line;
  }

  named(row, id) {
    const { name, kind, fixed } = row.header;
    const label = Object.assign(element("label", "mono wrap", name), { htmlFor: id });
    row.input = field(row.header, id);
    row.input.readOnly = Boolean(fixed);
    return [label, element("span", "kind muted", fixed && fixed !== "masked" && fixed !== kind ? `${kind}, read-only` : fixed ? `${fixed}, read-only` : kind)];
  }

  naming(row, id) {
    row.name = Object.assign(element("input", "input mono"), { ariaLabel: "Name of the new header", placeholder: "name", maxLength: 255, autocomplete: "off", spellcheck: false });
    row.kind = Object.assign(element("select", "input kind"), { ariaLabel: "Type of the new header" });
    row.kind.append(...KINDS.map((kind) => new Option(kind, kind)));
    row.input = Object.assign(field(row.header, id), { ariaLabel: "Value of the new header", placeholder: "value" });
    return [row.name, row.kind];
  }

  taking(row) {
    const button = element("button", "btn ghost", row.header.stays ? "" : "Remove");
    button.type = "button";
    button.hidden = row.header.stays;
    button.ariaLabel = row.added ? "Remove the new header" : `Remove header ${row.header.name}`;
    button.addEventListener("click", () => this.take(row, button));
    return button;
  }

  /** Take a header away, or put it back. */
  take(row, button) {
    row.taken = !row.taken;
    if (row.added) {
      row.line.remove();
      this.rows.splice(this.rows.indexOf(row), 1);
      this.add.focus();
    } else {
      button.textContent = row.taken ? "Put back" : "Remove";
      button.ariaLabel = `${button.textContent} header ${row.header.name}`;
      row.line.classList.toggle("taken", row.taken);
      row.input.disabled = row.taken;
    }
    this.changed();
  }

  /** What differs, as the API takes it: {name: value}, null takes one away. */
  get changes() {
    const changes = {};
    for (const row of this.rows) {
      const name = row.added ? row.name.value.trim() : row.header.name;
      if (row.added && name) changes[name] = typed(row.input.value, row.kind.value);
      else if (row.taken) changes[name] = null;
      else if (!row.header.fixed && row.input.value !== row.header.value) changes[name] = row.input.value;
    }
    return changes;
  }

  /** The same as lines of a difference. */
  get lines() {
    return this.rows.flatMap((row) => {
      const name = row.added ? row.name.value.trim() : row.header.name;
      const [before, after] = [row.header.value, row.input.value].map((value) => `header ${name}: ${row.header.fixed ? value.replaceAll(/\n */g, " ") : value}`);
      if (row.added) return name ? [["+", after]] : [];
      if (row.taken) return [["-", before]];
      return row.header.fixed || before === after ? [] : [["-", before], ["+", after]];
    });
  }

  /** What is wrong with what was typed, a sentence; "" = nothing. */
  get wrong() {
    const names = new Set(this.rows.filter((row) => !row.added).map((row) => row.header.name));
    for (const row of this.rows) {
      const name = row.added ? row.name.value.trim() : row.header.name;
      const kind = row.added ? row.kind.value : row.header.kind;
      if (row.added && names.has(name)) return `There is a header ${name} already: change that one.`;
      if (row.added && !name && row.input.value) return "The new header has no name yet.";
      if (row.added) names.add(name);
      const checked = !row.taken && !row.header.fixed && (row.added ? name : row.input.value !== row.header.value);
      if (checked && kind === "number" && !NUMBER.test(row.input.value.trim())) return `The header ${name} is a number, and '${row.input.value}' is none.`;
      if (checked && kind === "true or false" && !["true", "false"].includes(row.input.value.trim())) return `The header ${name} is true or false.`;
    }
    return "";
  }
}

const NUMBER = /^[-+]?(\d+(\.\d*)?|\.\d+)(e[-+]?\d+)?$/i;

/** Where a value is typed: a line, or as many as it has. */
function field({ kind, value }, id) {
  const tree = kind === "table" || kind === "list";
  const long = tree ? value.includes("\n") : kind === "text" && (value.includes("\n") || value.length > 120);
  const input = Object.assign(element(long ? "textarea" : "input", "input mono"), { id, autocomplete: "off", spellcheck: false });
  if (long) input.rows = tree ? Math.min(12, value.split("\n").length) : 3;
  input.classList.toggle("tree", tree && long);
  if (kind === "number") input.inputMode = "decimal";
  input.value = value;
  return input;
}

const typed = (text, kind) => (kind === "number" ? Number(text) : kind === "true or false" ? text.trim() === "true" : text);

function element(name, look, text = "") {
  return Object.assign(document.createElement(name), { className: look, textContent: text });
}
