// The audit trail: times as this browser's own, and j, k, enter and the pages by keyboard. Without it, times are in UTC.

import { moveAmong } from "./stops.js";

const two = (n) => String(n).padStart(2, "0");
const day = (at) => `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
const minute = (at) => `${two(at.getHours())}:${two(at.getMinutes())}`;

for (const time of document.querySelectorAll(".trail time")) {
  const at = new Date(time.dateTime);
  time.title = time.textContent;
  time.textContent = `${day(at)} ${minute(at)}:${two(at.getSeconds())}`;
}

// The address holds UTC, the fields local time.
const form = document.querySelector("form.asks");
const fields = [...form.querySelectorAll("[type=datetime-local]")];
for (const field of fields) {
  const at = new Date(`${field.value}Z`);
  if (field.value) field.value = `${day(at)}T${minute(at)}`;
}
for (const zone of form.querySelectorAll(".zone")) zone.hidden = true;
form.addEventListener("formdata", ({ formData }) => {
  for (const { name, value } of fields) if (value) formData.set(name, new Date(value).toISOString().slice(0, 16));
  for (const [name, value] of [...formData]) if (!value) formData.delete(name);
});

const stops = [...document.querySelectorAll(".trail tbody tr, .pages a")];
moveAmong(() => stops);
addEventListener("keydown", (event) => {
  const details = event.key === "Enter" && event.target.matches?.(".trail tr") && event.target.querySelector("details");
  if (details) details.open = !details.open;
});
