// What differs between two texts, line by line, as nodes: <del> and <ins>, with the part that changed in a line marked.

const MOST = 1000; // lines on either side that are compared one by one; beyond it the whole stretch counts as changed

/** [["-", line], ["+", line]] in their order; lines that both have are left out. */
export function difference(before, after) {
  let first = 0;
  while (first < before.length && first < after.length && before[first] === after[first]) first += 1;
  let last = 0;
  while (last < before.length - first && last < after.length - first && before[before.length - 1 - last] === after[after.length - 1 - last]) last += 1;
  const [gone, come] = [before.slice(first, before.length - last), after.slice(first, after.length - last)];
  if (gone.length > MOST || come.length > MOST) return [...gone.map((text) => ["-", text]), ...come.map((text) => ["+", text])];
  return among(gone, come);
}

/** By the longest run of lines that both have. */
function among(gone, come) {
  const width = come.length + 1;
  const long = new Uint16Array((gone.length + 1) * width);
  for (let i = gone.length - 1; i >= 0; i -= 1)
    for (let j = come.length - 1; j >= 0; j -= 1)
      long[i * width + j] = gone[i] === come[j] ? long[(i + 1) * width + j + 1] + 1 : Math.max(long[(i + 1) * width + j], long[i * width + j + 1]);
  const changes = [];
  let [i, j] = [0, 0];
  while (i < gone.length || j < come.length) {
    if (i < gone.length && j < come.length && gone[i] === come[j]) (i += 1), (j += 1);
    else if (j >= come.length || (i < gone.length && long[(i + 1) * width + j] >= long[i * width + j + 1])) changes.push(["-", gone[i++]]);
    else changes.push(["+", come[j++]]);
  }
  return changes;
}

/** Changes as nodes. Of a line that was changed into another one, the part that differs is marked. */
export function nodes(changes) {
  return changes.map(([sign, text], i) => {
    const node = document.createElement(sign === "+" ? "ins" : "del");
    const other = sign === "-" ? changes[i + 1] : changes[i - 1];
    const [start, end] = other && other[0] !== sign ? apart(text, other[1]) : [0, 0];
    const mark = document.createElement("b");
    mark.textContent = text.slice(start, end);
    node.append(`${sign} ${text.slice(0, start)}`, ...(start < end ? [mark] : []), text.slice(end));
    return node;
  });
}

/** Where the part of a line begins and ends that another one does not have; the whole of it where little is the same. */
function apart(text, other) {
  let start = 0;
  while (start < text.length && start < other.length && text[start] === other[start]) start += 1;
  let tail = 0;
  while (tail < text.length - start && tail < other.length - start && text[text.length - 1 - tail] === other[other.length - 1 - tail]) tail += 1;
  return start + tail ? [start, text.length - tail] : [0, 0];
}
