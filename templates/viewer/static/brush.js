// Choosing a period in the chart by mouse, finger or keys. Bars are links already; this adds what lies between two bars.

const SVG = "http://www.w3.org/2000/svg";

export function brush(figure) {
  const svg = figure.querySelector("[data-bars]");
  const bars = [...svg.querySelectorAll("a[data-since]")];
  const help = figure.querySelector("[data-brush-help]");
  const says = help.textContent;
  if (!bars.length) return;
  const mark = document.createElementNS(SVG, "rect");
  mark.setAttribute("class", "chosen");
  mark.setAttribute("y", "0");
  mark.setAttribute("height", svg.getAttribute("height"));
  mark.setAttribute("width", "0");
  svg.prepend(mark);
  for (const bar of bars) bar.setAttribute("tabindex", "-1");
  svg.setAttribute("tabindex", "0");
  svg.setAttribute("role", "application");
  svg.setAttribute("aria-roledescription", "chart");
  svg.setAttribute("aria-label", "Events over time. Arrows move over the bars, Shift with arrows selects, Enter shows the period.");
  help.setAttribute("aria-live", "polite");
  let anchor = null;
  let at = null;
  let dragging = false;

  const bounds = () => [Math.min(anchor, at), Math.max(anchor, at)];
  const short = (iso) => iso.replace("T00:00:00Z", "").replace("T", " ").replace(/(:\d\d):00Z$/, "$1").replace(/Z$/, "");

  function show() {
    if (at === null) {
      mark.setAttribute("width", "0");
      help.textContent = says;
      return;
    }
    const [first, last] = bounds();
    const slot = 100 / bars.length;
    mark.setAttribute("x", `${first * slot}%`);
    mark.setAttribute("width", `${(last - first + 1) * slot}%`);
    help.textContent = first === last
      ? bars[first].dataset.label
      : `From ${short(bars[first].dataset.since)} to before ${short(bars[last].dataset.until)} UTC`;
  }

  function go() {
    const [first, last] = bounds();
    const address = new URL(bars[first].href.baseVal, location.href);
    address.searchParams.set("from", bars[first].dataset.since);
    address.searchParams.set("to", bars[last].dataset.until);
    location.assign(address);
  }

  function barAt(event) {
    const box = svg.getBoundingClientRect();
    return Math.min(Math.max(Math.floor((event.clientX - box.left) / box.width * bars.length), 0), bars.length - 1);
  }

  function drop() {
    anchor = at = null;
    dragging = false;
    show();
  }

  svg.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    dragging = true;
    anchor = at = barAt(event);
    svg.setPointerCapture(event.pointerId);
    show();
  });
  svg.addEventListener("pointermove", (event) => {
    if (dragging) {
      at = barAt(event);
      show();
    } else if (event.pointerType === "mouse" && document.activeElement !== svg) {
      help.textContent = bars[barAt(event)].dataset.label;
    }
  });
  svg.addEventListener("pointerleave", () => { if (!dragging && at === null) help.textContent = says; });
  svg.addEventListener("pointercancel", drop);
  svg.addEventListener("pointerup", (event) => {
    if (!dragging) return;
    dragging = false;
    at = barAt(event);
    go();
  });
  svg.addEventListener("click", (event) => { if (!event.ctrlKey && !event.metaKey) event.preventDefault(); });
  svg.addEventListener("dragstart", (event) => event.preventDefault());
  svg.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1, Home: -bars.length, End: bars.length }[event.key];
    if (step) {
      event.preventDefault();
      const from = at ?? (step > 0 ? -1 : bars.length);
      at = Math.min(Math.max(from + step, 0), bars.length - 1);
      if (!event.shiftKey || anchor === null) anchor = at;
      show();
    } else if (event.key === "Enter" && at !== null) {
      event.preventDefault();
      go();
    } else if (event.key === "Escape" && at !== null) {
      event.stopPropagation();
      drop();
    }
  });
}
