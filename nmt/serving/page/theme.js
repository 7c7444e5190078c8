// A classic script that runs before the first paint, so that the page does not flash in the other theme.
"use strict";
try {
  const theme = localStorage.getItem("nmt-theme");
  if (theme === "light" || theme === "dark") {
    document.documentElement.dataset.theme = theme;
  }
} catch {
  // Storage is blocked: the page follows the system.
}
