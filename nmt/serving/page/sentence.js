// The card of one sentence: its words as buttons, and its alternatives.
import { wordSpans } from "./lines.js";

const MOST_WORDS = 300; // of a sentence that is shown word by word: more are not readable, and make the page slow

/** Create an element with a class and a text. */
export function element(tag, className = "", text = "") {
  const created = document.createElement(tag);
  created.className = className;
  created.textContent = text;
  return created;
}

/** Shows a sentence. `onWord({isSource, word} or null)` and `onChoose(target)` tell what the user does. */
export class SentenceCard {
  constructor(onWord, onChoose) {
    this.groups = { source: document.getElementById("source-words"), target: document.getElementById("target-words") };
    this.alternatives = document.getElementById("alternatives");
    this.onWord = onWord;
    this.onChoose = onChoose;
    for (const [side, group] of Object.entries(this.groups)) {
      const send = (event) => {
        const word = event.target.closest("button")?.dataset.word;
        onWord(word === undefined ? null : { isSource: side === "source", word: Number(word) });
      };
      group.addEventListener("pointerover", send);
      group.addEventListener("focusin", send);
      group.addEventListener("click", send); // Safari does not focus a button that is clicked
      group.addEventListener("pointerleave", () => onWord(null));
      group.addEventListener("focusout", () => onWord(null));
      group.addEventListener("keydown", moveFocus);
    }
  }

  /** Show the words and the alternatives of a sentence. */
  show(sentence, languages) {
    this.showWords(sentence, languages);
    this.showAlternatives(sentence, languages);
  }

  showWords(sentence, languages) {
    const texts = { source: sentence.source, target: sentence.text };
    for (const [side, group] of Object.entries(this.groups)) {
      const isSource = side === "source";
      const words = wordsOf(texts[side]);
      const others = wordsOf(isSource ? texts.target : texts.source);
      setLanguage(group, languages[side]);
      if (words.length > MOST_WORDS) {
        group.replaceChildren(element("p", "muted", `${words.length} words are too many to show one by one.`));
        continue;
      }
      group.replaceChildren(
        ...words.map((word, i) => {
          const button = element("button", "word", word);
          button.type = "button";
          button.dataset.word = i;
          button.tabIndex = i ? -1 : 0; // one stop of the Tab key for all words; the arrow keys move between them
          const aligned = sentence.group(isSource, i)[isSource ? "target" : "source"];
          const names = [...aligned]
            .sort((a, b) => a - b)
            .map((n) => others[n])
            .filter(Boolean);
          button.setAttribute(
            "aria-label",
            `${word}: ${names.length ? `aligned to ${names.join(" ")}` : "not aligned"}`,
          );
          return button;
        }),
      );
    }
  }

  showAlternatives(sentence, languages) {
    const { alternatives } = this;
    const focused = alternatives.contains(document.activeElement);
    if (sentence.targets.length < 2) {
      const text = sentence.hasAlternatives ? "The model found no other translation." : "Searching…";
      alternatives.replaceChildren(element("p", "muted", text));
      return;
    }
    const best = sentence.targets[0].text;
    alternatives.replaceChildren(
      ...sentence.targets.map((target, i) => {
        const label = element("label", "alternative");
        const radio = element("input");
        Object.assign(radio, {
          type: "radio",
          name: "alternative",
          value: String(i),
          checked: target === sentence.chosen,
        });
        radio.addEventListener("change", () => this.onChoose(target));
        const text = element("span");
        setLanguage(text, languages.target);
        text.append(...markDifferences(target.text, i ? best : target.text));
        label.append(radio, text);
        return label;
      }),
    );
    if (focused) {
      alternatives.querySelector("input:checked")?.focus();
    }
  }

  /** Mark the words that belong together; `place` as for `highlights.showWord`, or null. */
  markWords(sentence, place) {
    const group = place?.sentence === sentence && place.word >= 0 ? sentence.group(place.isSource, place.word) : null;
    for (const [side, parent] of Object.entries(this.groups)) {
      for (const button of parent.querySelectorAll("button")) {
        const word = Number(button.dataset.word);
        button.classList.toggle("aligned", group?.[side].has(word) ?? false);
        button.classList.toggle(
          "pointed",
          group !== null && place.isSource === (side === "source") && place.word === word,
        );
      }
    }
  }
}

function wordsOf(text) {
  return wordSpans(text).map(([start, end]) => text.slice(start, end));
}

function setLanguage(target, language) {
  target.lang = language;
  target.dir = "auto";
}

/** Move the focus between the words of a group: the Tab key enters and leaves it, the arrow keys move in it. */
function moveFocus(event) {
  const buttons = Array.from(event.currentTarget.querySelectorAll("button"));
  const current = buttons.indexOf(document.activeElement);
  const isReversed = getComputedStyle(event.currentTarget).direction === "rtl";
  const step = { ArrowRight: isReversed ? -1 : 1, ArrowLeft: isReversed ? 1 : -1 }[event.key];
  const next = { Home: 0, End: buttons.length - 1 }[event.key] ?? (step ? current + step : -1);
  if (current < 0 || !buttons[next]) {
    return;
  }
  event.preventDefault();
  buttons[current].tabIndex = -1;
  buttons[next].tabIndex = 0;
  buttons[next].focus();
}

/** Return the nodes of a text, its words that are not in the longest common subsequence with `other` marked. */
function markDifferences(text, other) {
  const ours = wordsOf(text);
  const theirs = wordsOf(other);
  if (ours.length > MOST_WORDS || theirs.length > MOST_WORDS) {
    return [document.createTextNode(text)];
  }
  const length = Array.from({ length: ours.length + 1 }, () => new Uint16Array(theirs.length + 1));
  for (let i = ours.length - 1; i >= 0; i--) {
    for (let j = theirs.length - 1; j >= 0; j--) {
      length[i][j] = ours[i] === theirs[j] ? length[i + 1][j + 1] + 1 : Math.max(length[i + 1][j], length[i][j + 1]);
    }
  }
  const nodes = [];
  for (let i = 0, j = 0; i < ours.length;) {
    if (ours[i] === theirs[j]) {
      nodes.push(ours[i++], " ");
      j++;
    } else if (j < theirs.length && length[i][j + 1] >= length[i + 1][j]) {
      j++;
    } else {
      nodes.push(element("mark", "", ours[i++]), " ");
    }
  }
  return nodes.slice(0, -1);
}
