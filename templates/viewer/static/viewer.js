// The viewer with scripts: chart and counts after the first paint, further rows, events below their row, keys.

import { fragment, say, showTimes } from "./page.js";
import { brush } from "./brush.js";
import { proofs } from "./event.js";
import { stream } from "./stream.js";

const $ = (selector, part = document) => part.querySelector(selector);
const $$ = (selector, part = document) => [...part.querySelectorAll(selector)];

// Chart and counts are pages of their own: each is put where its link stands.

async function load(place) {
  place.setAttribute("aria-busy", "true");
  place.firstElementChild.textContent = "Counting…";
  try {
    const { content } = await fragment(place.dataset.load);
    place.replaceChildren(content);
  } catch {
    place.firstElementChild.textContent = "The server did not answer.";
  }
  place.removeAttribute("aria-busy");
  if (place.querySelector(".refused")) say(place.textContent.trim());
  showTimes(place);
  const total = $("[data-total-here]", place);
  if (total) {
    $("[data-total]").textContent = total.textContent.replace(/ events?$/, "");
    say(`${total.textContent} in this filter`);
  }
  const chart = $("[data-chart]", place);
  if (chart) brush(chart);
}

// An event below its row.

export async function toggle(link) {
  const row = link.closest("tr");
  const open = row.nextElementSibling?.matches(".detail") ? row.nextElementSibling : null;
  if (open) {
    open.remove();
    link.setAttribute("aria-expanded", "false");
    row.classList.remove("opened");
    return;
  }
  const detail = document.createElement("tr");
  detail.className = "detail";
  const cell = detail.appendChild(document.createElement("td"));
  cell.colSpan = row.cells.length;
  cell.textContent = "Reading the event…";
  row.after(detail);
  row.classList.add("opened");
  link.setAttribute("aria-expanded", "true");
  try {
    const { content } = await fragment(link.href);
    cell.replaceChildren(content);
    showTimes(cell);
    proofs(cell);
    say("Event shown below its row");
  } catch {
    cell.textContent = "The server did not answer.";
  }
}

function links() {
  return $$("[data-open]");
}

function move(step) {
  const all = links();
  const row = document.activeElement.closest?.("tr.detail")?.previousElementSibling ?? document.activeElement.closest?.("tr");
  const at = row ? all.findIndex((link) => row.contains(link)) : -1;
  const next = all[at < 0 ? (step > 0 ? 0 : -1) : Math.min(Math.max(at + step, 0), all.length - 1)];
  next?.focus({ preventScroll: true });
  next?.closest("tr").scrollIntoView({ block: "nearest" });
}

function close() {
  const menu = $("[data-export][open]");
  if (menu) {
    menu.open = false;
    $("summary", menu).focus();
    return true;
  }
  const here = document.activeElement.closest?.("tr.detail") ?? document.activeElement.closest?.("tr")?.nextElementSibling;
  const detail = here?.matches(".detail") ? here : $$("tr.detail").at(-1);
  if (!detail) return false;
  const link = $("[data-open]", detail.previousElementSibling);
  toggle(link);
  link.focus();
  return true;
}

const KEYS = {
  j: () => move(1),
  k: () => move(-1),
  ArrowDown: () => move(1),
  ArrowUp: () => move(-1),
  "/": () => $("#q").focus(),
  "?": () => $("[data-keys]").showModal(),
  e: () => {
    const menu = $("[data-export]");
    if (!menu) return;
    menu.open = true;
    $("a", menu).focus();
  },
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || $("dialog[open]")) return;
  const place = event.target.closest?.("input, select, textarea, [contenteditable], [data-chart], pre");
  if (event.key === "Escape") {
    if (place?.matches("input")) place.blur();
    else close();
    return;
  }
  const arrows = event.key.startsWith("Arrow");
  if (place || (arrows && !event.target.closest?.("tr[data-event]"))) return;
  const act = KEYS[event.key];
  if (!act) return;
  event.preventDefault();
  act();
});

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-show-keys]")) return $("[data-keys]").showModal();
  const rest = event.target.closest("[data-show-rest]");
  if (rest) {
    const open = rest.parentElement.classList.toggle("all");
    rest.setAttribute("aria-expanded", String(open));
    rest.textContent = open ? "Show fewer" : "Show all";
    return;
  }
  const menu = $("[data-export][open]");
  if (menu && !menu.contains(event.target)) menu.open = false;
  if (event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  const row = event.target.closest("tr[data-event]");
  if (!row) return;
  const link = $("[data-open]", row);
  if (event.target.closest("a") && !link.contains(event.target)) return;
  if (String(getSelection())) return; // somebody marks text
  event.preventDefault();
  toggle(link);
});

// An address without empty fields.
$("[data-filter]").addEventListener("submit", (event) => {
  for (const field of event.target.elements) if (field.name && !field.value) field.disabled = true;
});
addEventListener("pageshow", () => {
  for (const field of $("[data-filter]").elements) field.disabled = false;
});

for (const link of links()) link.setAttribute("aria-expanded", "false");
const side = $("[data-side]");
if (side && matchMedia("(max-width: 64rem)").matches) side.open = false;
stream();
for (const place of $$("[data-load]")) load(place);
