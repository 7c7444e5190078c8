// Highlights words in the two texts without elements for them, and finds the word under the pointer.
//
// A textarea cannot highlight words. The same text lies below it in `#mirror`, with the same font and width and in
// transparent colour, and the CSS Custom Highlight API paints the background of ranges of it. So typing changes one
// text node, whatever the length of the text. Screen readers do not see the mirror; they and the keyboard use the words
// of the sentence below the texts, which are buttons. A browser without the API (before 2025: Firefox) highlights those
// buttons only.
import { wordAt, wordSpans } from "./lines.js";

const NAMES = ["sentence", "aligned", "word"]; // a later one is painted over an earlier one

const registry = globalThis.CSS?.highlights;
const painted = new Map();
if (registry) {
  NAMES.forEach((name, priority) => {
    const highlight = new Highlight();
    highlight.priority = priority;
    painted.set(name, highlight);
    registry.set(name, highlight);
  });
}

function paint(name, ranges) {
  const highlight = painted.get(name);
  highlight?.clear();
  ranges.forEach((range) => highlight?.add(range));
}

function rangeOf(element, start, end) {
  const node = element.firstChild;
  const range = document.createRange();
  range.setStart(node, Math.min(start, node.length));
  range.setEnd(node, Math.min(end, node.length));
  return range;
}

/** Highlight a sentence in both texts; null for none. */
export function showSentence(place) {
  if (!place) {
    paint("sentence", []);
    return;
  }
  const { line, sentence } = place;
  paint("sentence", [
    rangeOf(line.sourceElement, sentence.start, sentence.start + sentence.source.length),
    rangeOf(line.targetElement, sentence.targetStart, sentence.targetStart + sentence.text.length),
  ]);
}

/** Highlight a word {line, sentence, isSource, word} and those that belong to it; null for none. */
export function showWord(place) {
  if (!place) {
    paint("aligned", []);
    paint("word", []);
    return;
  }
  const { line, sentence, isSource, word } = place;
  const group = sentence.group(isSource, word);
  const sources = wordRanges(line.sourceElement, sentence.source, sentence.start, group.source);
  const targets = wordRanges(line.targetElement, sentence.text, sentence.targetStart, group.target);
  paint("aligned", [...sources, ...targets]);
  paint(
    "word",
    isSource
      ? wordRanges(line.sourceElement, sentence.source, sentence.start, [word])
      : wordRanges(line.targetElement, sentence.text, sentence.targetStart, [word]),
  );
}

function wordRanges(element, text, offset, words) {
  const spans = wordSpans(text);
  return [...words]
    .filter((word) => spans[word])
    .map((word) => rangeOf(element, offset + spans[word][0], offset + spans[word][1]));
}

/** Return the text node and character offset at a point of the window; null if there is no text. */
function caretAt(x, y) {
  if (document.caretPositionFromPoint) {
    const position = document.caretPositionFromPoint(x, y);
    return position && { node: position.offsetNode, offset: position.offset };
  }
  const range = document.caretRangeFromPoint?.(x, y);
  return range && { node: range.startContainer, offset: range.startOffset };
}

/**
 * Return the {line, sentence, isSource, word} under the pointer; `word` is -1 between words, the result null elsewhere.
 *
 * `cover` is the textarea, which does not tell what is under the pointer in every browser: the mirror is asked instead.
 */
function placeAt(lines, x, y, cover) {
  if (cover) {
    cover.style.pointerEvents = "none";
  }
  const caret = caretAt(x, y);
  if (cover) {
    cover.style.pointerEvents = "";
  }
  const element = caret?.node.parentElement;
  const isSource = Boolean(cover);
  const line = element && lines.list.find((each) => (isSource ? each.sourceElement : each.targetElement) === element);
  const sentence = line?.sentenceAt(caret.offset, isSource);
  if (!sentence) {
    return null;
  }
  const text = isSource ? sentence.source : sentence.text;
  const start = isSource ? sentence.start : sentence.targetStart;
  const word = wordAt(text, caret.offset - start);
  const isInside = word >= 0 && wordRanges(element, text, start, [word]).some((range) => contains(range, x, y));
  return { line, sentence, isSource, word: isInside ? word : -1 };
}

function contains(range, x, y) {
  return Array.from(range.getClientRects()).some((r) => r.left <= x && x <= r.right && r.top <= y && y <= r.bottom);
}

/** Call `onPoint` with the place under the pointer, at most once for each frame, and `onClick` with the clicked one. */
export function followPointer(lines, area, cover, onPoint, onClick) {
  let frame = 0;
  area.addEventListener("pointermove", ({ clientX, clientY }) => {
    cancelAnimationFrame(frame);
    frame = requestAnimationFrame(() => onPoint(placeAt(lines, clientX, clientY, cover)));
  });
  area.addEventListener("pointerleave", () => {
    cancelAnimationFrame(frame);
    onPoint(null);
  });
  area.addEventListener("click", ({ clientX, clientY }) => onClick(placeAt(lines, clientX, clientY, cover)));
}
