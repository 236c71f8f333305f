// Putting a deletion's copies back: at once, or after the count is typed where the queue would lose others by that.

/**
 * The answer of the API, or null: it was refused, and `say` has the sentence; `ask` was given what is to be typed, and
 * calls again.
 */
export async function restore(api, id, confirm, { say, ask }) {
  const answer = await api.call("POST", `deletions/${id}/restore`, { body: confirm === undefined ? undefined : { confirm } });
  say(answer.error?.message);
  if (!answer.error) return answer;
  if (answer.error.field === "confirm") ask();
  return null;
}

/** A field for the count, and what is done with it; it takes the place of nothing, and is there once. */
export function typing(done) {
  const form = Object.assign(document.createElement("form"), { className: "acts counted" });
  const box = Object.assign(document.createElement("input"), { className: "input num short", inputMode: "numeric", autocomplete: "off", required: true, ariaLabel: "The count, to restore them all the same" });
  box.placeholder = "the count";
  form.append(box, Object.assign(document.createElement("button"), { className: "btn danger", textContent: "Restore all the same" }));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const typed = box.value.replaceAll(/[,\s]/g, "");
    done(/^\d+$/.test(typed) ? Number(typed) : -1);
  });
  return form;
}
