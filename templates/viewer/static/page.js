// What every page has: colours, the zone of times, copying. Pages work without it.

const store = {
  get(name) { try { return localStorage.getItem(name); } catch { return null; } },
  set(name, value) { try { value === null ? localStorage.removeItem(name) : localStorage.setItem(name, value); } catch { /* not kept */ } },
};

// Colours: as the system, light, dark, and round again.

const THEMES = [null, "light", "dark"];
const THEME_NAMES = { light: "light", dark: "dark" };

function showTheme() {
  const theme = document.documentElement.dataset.theme ?? null;
  for (const name of document.querySelectorAll("[data-theme-name]")) name.textContent = THEME_NAMES[theme] ?? "as the system";
}

function nextTheme() {
  const root = document.documentElement;
  const theme = THEMES[(THEMES.indexOf(root.dataset.theme ?? null) + 1) % THEMES.length];
  if (theme) root.dataset.theme = theme;
  else delete root.dataset.theme;
  store.set("theme", theme);
  showTheme();
}

// Times: the server writes UTC; the device's zone is a wish of the reader, and its name is always said.

const ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone || "local time";
const PARTS = { year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };
const local = new Intl.DateTimeFormat("en-GB", PARTS);

function localText(iso, digits) {
  const parts = Object.fromEntries(local.formatToParts(new Date(iso)).map((part) => [part.type, part.value]));
  const fraction = digits ? "." + (/\.(\d+)/.exec(iso)?.[1] ?? "").padEnd(6, "0").slice(0, digits) : "";
  return `${parts.year}-${parts.month}-${parts.day} ${parts.hour}:${parts.minute}:${parts.second}${fraction}`;
}

export function zone() {
  return store.get("zone") === "local" ? ZONE : "UTC";
}

// Write the times below `part` in the chosen zone.
export function showTimes(part = document) {
  const inLocal = zone() !== "UTC";
  for (const time of part.querySelectorAll("time[datetime]:not([data-fixed])")) {
    time.dataset.utc ??= time.textContent;
    time.textContent = inLocal ? localText(time.dateTime, Number(time.dataset.digits ?? 0)) : time.dataset.utc;
    if (inLocal) time.title = `${time.dataset.utc} UTC`;
    else time.removeAttribute("title");
  }
  for (const name of document.querySelectorAll("[data-zone-name]")) name.textContent = zone();
}

function switchZone() {
  store.set("zone", zone() === "UTC" ? "local" : null);
  showTimes();
}

// Fragments: the main part of another page, without what is around it. A refusal that asks to sign in is followed.

export async function fragment(address, signal) {
  const answer = await fetch(address, { headers: { "X-Fragment": "1" }, signal });
  if (answer.status === 401) {
    location.reload();
    throw new Error("the session is over");
  }
  const template = document.createElement("template");
  template.innerHTML = await answer.text(); // escaped by the server as every page is; scripts in it would not run
  return { ok: answer.ok, content: template.content };
}

export function say(text) {
  const place = document.querySelector("[data-say]");
  if (place) place.textContent = text;
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if (button.matches("[data-theme-switch]")) nextTheme();
  else if (button.matches("[data-zone-switch]")) switchZone();
  else if (button.matches("[data-copy]")) {
    const text = button.parentElement.querySelector("pre");
    const before = button.innerHTML;
    try {
      await navigator.clipboard.writeText(text.textContent);
      button.textContent = "Copied";
    } catch { // there is no clipboard without https
      getSelection().selectAllChildren(text);
      button.textContent = "Selected";
    }
    setTimeout(() => { button.innerHTML = before; }, 1500);
  }
});

showTheme();
showTimes();
