// Before the first paint: whether the reader wants light or dark, and that scripts run. Loaded in the head, on purpose.
const root = document.documentElement;
root.dataset.js = "";
try {
  const theme = localStorage.getItem("theme");
  if (theme === "light" || theme === "dark") root.dataset.theme = theme;
} catch {
  // no storage: as the system says
}
