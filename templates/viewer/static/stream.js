// Further rows when the end comes near. Each page of rows is a tbody; those far above give their place to an empty one of
// the same height and are asked for again when they come back, so that the page stays small however far one scrolls.

import { fragment, say, showTimes } from "./page.js";

const KEPT = 12; // pages of rows around what is seen

let loading = false;

function dress(body) {
  for (const link of body.querySelectorAll("[data-open]")) link.setAttribute("aria-expanded", "false");
  showTimes(body);
}

function empty(body) {
  if (body.dataset.empty || body.querySelector(".detail") || !body.dataset.source || body.contains(document.activeElement)) return;
  const height = body.getBoundingClientRect().height;
  const row = document.createElement("tr");
  const cell = row.appendChild(document.createElement("td"));
  cell.colSpan = 7;
  cell.className = "gone";
  cell.style.height = `${height}px`; // by script: a style attribute would be refused
  body.replaceChildren(row);
  body.dataset.empty = "1";
}

async function fill(body) {
  if (!body.dataset.empty || body.dataset.filling) return;
  body.dataset.filling = "1";
  try {
    const { content } = await fragment(body.dataset.source);
    body.replaceChildren(...content.querySelector("tbody").children);
    delete body.dataset.empty;
    dress(body);
  } finally {
    delete body.dataset.filling;
  }
}

export function stream() {
  const table = document.querySelector(".stream table.events");
  const end = document.querySelector(".stream .older");
  if (!table || !end) return;

  const near = new IntersectionObserver((entries) => {
    for (const entry of entries) if (entry.isIntersecting) fill(entry.target);
    const seen = [...table.tBodies].findIndex((body) => body.getBoundingClientRect().bottom > 0);
    for (const [at, body] of [...table.tBodies].entries()) if (Math.abs(at - seen) > KEPT) empty(body);
  }, { rootMargin: "1500px" });
  near.observe(table.tBodies[0]);

  const atEnd = new IntersectionObserver((entries) => {
    if (entries.some((entry) => entry.isIntersecting)) more();
  }, { rootMargin: "1200px" });
  atEnd.observe(end);

  async function more() {
    const link = end.querySelector("[data-older]");
    if (loading || !link) return;
    loading = true;
    const before = link.textContent;
    link.textContent = "Reading older events…";
    try {
      const source = link.dataset.older;
      const { ok, content } = await fragment(source);
      if (!ok) throw new Error("refused");
      const body = content.querySelector("tbody");
      if (body?.rows.length) {
        table.append(body);
        dress(body);
        near.observe(body);
        document.querySelector("[data-so-far]")?.remove();
        say(`${body.rows.length} older events shown`);
      }
      const next = content.querySelector("[data-older]");
      if (next) link.replaceWith(next);
      else {
        atEnd.disconnect();
        const none = document.querySelector("[data-so-far]");
        if (none) none.textContent = "No event fulfils this filter.";
        end.replaceWith(content.querySelector(".end") ?? document.createElement("p"));
      }
    } catch {
      link.textContent = before; // the link stays, and works
      atEnd.disconnect();
    }
    loading = false;
    if (end.isConnected && end.querySelector("[data-older]") !== link) {
      atEnd.unobserve(end); // an observer tells of changes only: begin anew, in case the end is still near
      atEnd.observe(end);
    }
  }

  end.addEventListener("click", (event) => {
    if (!event.target.closest("[data-older]") || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    more();
  });
}
