"""Checks of a page in the browser for accessibility: names of controls, contrast, order of headings."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

_CONTROLS = {"button", "link", "combobox", "textbox", "radio", "image", "img", "radiogroup", "region"}

HEADINGS = """() => [...document.querySelectorAll("h1, h2, h3, h4")].filter(e => e.getClientRects().length)
  .map(e => Number(e.localName[1]))"""
"""The levels of the visible headings, in order."""

CONTRAST = """() => {
  const context = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = colour => {
    context.clearRect(0, 0, 1, 1);
    context.fillStyle = colour;
    context.fillRect(0, 0, 1, 1);
    return [...context.getImageData(0, 0, 1, 1).data];
  };
  const luminance = colour => rgba(colour).slice(0, 3).map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ratio = (a, b) => {
    const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y);
    return (high + 0.05) / (low + 0.05);
  };
  const ground = element => {
    for (let e = element; e; e = e.parentElement) {
      const colour = getComputedStyle(e).backgroundColor;
      if (rgba(colour)[3]) return colour;
    }
    return "white";
  };
  const problems = [];
  const check = (what, a, b, least) => {
    if (ratio(a, b) < least) problems.push(`${what}: ${a} on ${b} has ${ratio(a, b).toFixed(2)}`);
  };
  let checked = 0;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node; (node = walker.nextNode());) {
    const element = node.parentElement;
    const style = getComputedStyle(element);
    const isExempt = element.closest("#mirror, :disabled, noscript");
    if (!node.data.trim() || !element.getClientRects().length || isExempt) continue;
    check(node.data.trim(), element.closest("svg") ? style.fill : style.color, ground(element), 4.5);
    checked++;
  }
  const source = document.querySelector("#source");
  check("text", getComputedStyle(source).color, ground(source), 4.5);
  check("placeholder", getComputedStyle(source, "::placeholder").color, ground(source), 4.5);
  const variable = name => getComputedStyle(document.documentElement).getPropertyValue(name);
  for (const name of ["--sentence", "--aligned", "--word"]) check(name, variable("--ink"), variable(name), 4.5);
  for (const name of ["--accent", "--control", "--muted"]) check(name, variable(name), variable("--surface"), 3);
  return checked < 30 ? ["too few texts found"] : problems;
}"""
"""Texts with a contrast below 4.5, and borders and icons below 3 (WCAG 2.2, 1.4.3 and 1.4.11)."""


def unnamed_controls(page: "Page") -> list[str]:
    """Return the controls, pictures and groups that screen readers have no name for. There must be some with a name."""
    tree = page.context.new_cdp_session(page).send("Accessibility.getFullAXTree")
    nodes = [node for node in tree["nodes"] if not node["ignored"] and node["role"]["value"] in _CONTROLS]
    assert len(nodes) > 10
    return [node["role"]["value"] for node in nodes if not node.get("name", {}).get("value")]
