// What the browser keeps: the theme, and until the tab is closed the API key. Nothing of the texts.

const byId = (id) => document.getElementById(id);

/** Keep a value in `localStorage` or `sessionStorage`, which may be blocked: then it lasts until the page is closed. */
function keep(storageName, name, value) {
  try {
    globalThis[storageName].setItem(name, value);
  } catch {
    // Blocked.
  }
}

/** Let the button `#theme` change the theme; until it is used, the page has that of the system. See theme.js. */
export function initTheme() {
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
  const show = () => byId("theme").setAttribute("aria-pressed", String(isDark()));
  system.addEventListener("change", show);
  byId("theme").addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    keep("localStorage", "nmt-theme", root.dataset.theme);
    show();
  });
  show();
}

/** Call `onKey` with the API key: at once, and when the user enters another one (`isNew`). */
export function initKey(onKey) {
  const field = byId("key");
  try {
    field.value = sessionStorage.getItem("nmt-key") ?? "";
  } catch {
    // Blocked: the key must be entered again.
  }
  onKey(field.value, false);
  byId("key-form").addEventListener("submit", (event) => {
    event.preventDefault();
    field.setAttribute("aria-invalid", "false");
    keep("sessionStorage", "nmt-key", field.value);
    onKey(field.value, true);
  });
}
