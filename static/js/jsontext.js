// A decoded value as indented JSON with its parts tinted. Everything becomes text nodes: nothing in it can act.

const MASKED = /^•+ /;

/** A <pre> of a value as JSON.parse gives it; what Weir masked is shown as such. */
export function json(value) {
  const pre = document.createElement("pre");
  pre.className = "mono json";
  write(pre, value, "");
  return pre;
}

function write(into, value, indent) {
  if (Array.isArray(value)) return inside(into, value.map((item) => [null, item]), "[", "]", indent);
  if (value && typeof value === "object") return inside(into, Object.entries(value), "{", "}", indent);
  const look = typeof value === "string" ? (MASKED.test(value) ? "masked" : "s") : typeof value === "number" ? "n" : "w";
  into.append(span(look, JSON.stringify(value) ?? "null"));
}

function inside(into, items, open, close, indent) {
  if (!items.length) return into.append(open + close);
  const deeper = `${indent}  `;
  into.append(`${open}\n`);
  items.forEach(([name, item], i) => {
    into.append(deeper);
    if (name !== null) into.append(span("k", JSON.stringify(name)), ": ");
    write(into, item, deeper);
    into.append(i < items.length - 1 ? ",\n" : "\n");
  });
  into.append(indent + close);
}

function span(look, text) {
  const node = document.createElement("span");
  node.className = look;
  node.textContent = text;
  return node;
}
