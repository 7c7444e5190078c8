// The lines of the text with their translations: sentences, words, alignment and the alternatives that were chosen.

const BATCH_LINES = 50; // of a request: a long text appears in parts, and other users of the server wait less
const BATCH_CHARACTERS = 4000;

// What Python's str.split() splits at, since the server numbers words by it. JavaScript's \s has other characters.
const WORD = /[^\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+/g;

/** Return [start, end] of each word, a run of characters that are not white space. */
export function wordSpans(text) {
  return Array.from(text.matchAll(WORD), (match) => [match.index, match.index + match[0].length]);
}

/** Return the number of the word at a character offset, or -1. The end of a word belongs to it. */
export function wordAt(text, offset) {
  return wordSpans(text).findIndex(([start, end]) => start <= offset && offset <= end);
}

/** A sentence of the source with its translations. */
export class Sentence {
  /** `start` and `targetStart` are offsets in the line; `targets` are {text, alignment}, the best first. */
  constructor(source, start, targetStart, targets, hasAlternatives) {
    this.source = source;
    this.start = start;
    this.targetStart = targetStart;
    this.targets = uniqueTexts(targets);
    this.chosen = this.targets[0];
    this.hasAlternatives = hasAlternatives; // whether `targets` has all that the server returns
    this.attention = new Map(); // from the text of a translation to its attention map
  }

  get text() {
    return this.chosen.text;
  }

  /** Add the alternatives that a later request returned. The choice remains. */
  addTargets(targets) {
    this.targets = uniqueTexts([...targets, this.chosen]);
    this.chosen = this.targets.find((target) => target.text === this.chosen.text);
    this.hasAlternatives = true;
  }

  /**
   * Return the words that belong together with one word: numbers of source words and of target words.
   *
   * They are the words aligned to it, and those of its own side that are aligned to the same words.
   */
  group(isSource, word) {
    const pairs = this.chosen.alignment ?? [];
    const [own, other] = isSource ? [0, 1] : [1, 0];
    const others = new Set(pairs.filter((pair) => pair[own] === word).map((pair) => pair[other]));
    const owns = new Set(pairs.filter((pair) => others.has(pair[other])).map((pair) => pair[own])).add(word);
    return isSource ? { source: owns, target: others } : { source: others, target: owns };
  }
}

function uniqueTexts(targets) {
  return targets.filter((target, i) => targets.findIndex((other) => other.text === target.text) === i);
}

/** A line of the text, its translation and the two elements that show them. */
export class Line {
  constructor(source) {
    this.sourceElement = newLineElement();
    this.targetElement = newLineElement();
    this.choices = new Map(); // from the text of a sentence to the target that was chosen for it
    this.setSource(source);
  }

  /** Replace the text. The old translation remains visible, as outdated, until `setResult`. */
  setSource(source) {
    this.source = source;
    this.sentences = [];
    this.gaps = [""]; // of the translation: before, between and after its sentences
    this.isTranslated = source.trim() === "";
    setText(this.sourceElement, source);
    if (this.isTranslated) {
      this.#show();
    } else {
      this.targetElement.classList.add("outdated");
    }
  }

  /** Set the translation: an entry of `translations` of the server's answer. */
  setResult(result, wantsAlternatives) {
    this.sentences = sentencesOf(result, this.source, wantsAlternatives);
    const last = this.sentences.at(-1);
    this.gaps = this.sentences.map((sentence, i) => {
      const before = this.sentences[i - 1];
      return result.text.slice(before ? before.targetStart + before.text.length : 0, sentence.targetStart);
    });
    this.gaps.push(result.text.slice(last.targetStart + last.text.length));
    for (const sentence of this.sentences) {
      const choice = this.choices.get(sentence.source);
      if (choice) {
        sentence.targets = uniqueTexts([...sentence.targets, choice]);
        sentence.chosen = sentence.targets.find((target) => target.text === choice.text);
      }
    }
    this.isTranslated = true;
    this.#show();
  }

  /** Use another translation of a sentence. */
  choose(sentence, target) {
    sentence.chosen = target;
    this.choices.set(sentence.source, target);
    this.#show();
  }

  get translation() {
    return this.gaps.map((gap, i) => gap + (this.sentences[i]?.text ?? "")).join("");
  }

  /** Return the sentence at a character offset of the source or of the translation; undefined without sentences. */
  sentenceAt(offset, isSource) {
    const start = (sentence) => (isSource ? sentence.start : sentence.targetStart);
    return this.sentences.findLast((sentence) => start(sentence) <= offset) ?? this.sentences[0];
  }

  #show() {
    let offset = 0;
    this.sentences.forEach((sentence, i) => {
      sentence.targetStart = offset + this.gaps[i].length;
      offset = sentence.targetStart + sentence.text.length;
    });
    setText(this.targetElement, this.translation);
    this.targetElement.classList.remove("outdated");
  }
}

/** Return the sentences of a line. If they are not found in it, for example after normalization, the line is one. */
function sentencesOf(result, source, wantsAlternatives) {
  const parts = result.sentences ?? [];
  const sentences = [];
  let start = 0;
  let targetStart = 0;
  for (const part of parts) {
    start = source.indexOf(part.source.trim(), start);
    targetStart = result.text.indexOf(part.text, targetStart);
    if (start < 0 || targetStart < 0) {
      break;
    }
    const targets = part.targets ?? (parts.length === 1 ? result.targets : null);
    const best = { text: part.text, alignment: part.alignment };
    const isComplete = !wantsAlternatives || targets !== null;
    sentences.push(new Sentence(part.source.trim(), start, targetStart, [best, ...(targets ?? [])], isComplete));
    start += part.source.trim().length;
    targetStart += part.text.length;
  }
  if (sentences.length && sentences.length === parts.length) {
    return sentences;
  }
  const whole = source.trim();
  const best = { text: result.text, alignment: result.alignment };
  return [new Sentence(whole, source.indexOf(whole), 0, [best, ...(result.targets ?? [])], true)];
}

function newLineElement() {
  const element = document.createElement("div");
  element.className = "line";
  element.append(document.createTextNode(""));
  return element;
}

function setText(element, text) {
  if (element.firstChild.data !== text) {
    element.firstChild.data = text;
  }
}

/** All lines, in the order of the text. Only the elements of lines that change are touched. */
export class Lines {
  constructor(sourceParent, targetParent) {
    this.sourceParent = sourceParent;
    this.targetParent = targetParent;
    this.list = [];
  }

  /** Take over a text: keep the lines before and after the change, replace those between. */
  update(text) {
    const texts = text ? text.split("\n") : [];
    const { list } = this;
    const shared = Math.min(texts.length, list.length);
    let same = 0;
    while (same < shared && list[same].source === texts[same]) {
      same++;
    }
    let sameAtEnd = 0;
    while (sameAtEnd < shared - same && list.at(-1 - sameAtEnd).source === texts.at(-1 - sameAtEnd)) {
      sameAtEnd++;
    }
    const oldEnd = list.length - sameAtEnd;
    const newEnd = texts.length - sameAtEnd;
    for (let i = same; i < Math.min(oldEnd, newEnd); i++) {
      list[i].setSource(texts[i]); // keeps the alternatives that were chosen for its other sentences
    }
    if (oldEnd > newEnd) {
      list.splice(newEnd, oldEnd - newEnd).forEach((line) => {
        line.sourceElement.remove();
        line.targetElement.remove();
      });
    } else if (newEnd > oldEnd) {
      const added = texts.slice(oldEnd, newEnd).map((source) => new Line(source));
      const next = list[oldEnd];
      insertAll(
        this.sourceParent,
        added.map((line) => line.sourceElement),
        next?.sourceElement,
      );
      insertAll(
        this.targetParent,
        added.map((line) => line.targetElement),
        next?.targetElement,
      );
      list.splice(oldEnd, 0, ...added);
    }
  }

  /** Forget all translations, because the languages or the model changed. */
  outdate() {
    for (const line of this.list) {
      line.choices.clear();
      line.setSource(line.source);
    }
  }

  get untranslated() {
    return this.list.filter((line) => !line.isTranslated);
  }

  /** Return {line, source} of the next lines without a translation; `source` since the user may change the line. */
  nextBatch() {
    const batch = [];
    let characters = 0;
    for (const line of this.untranslated.slice(0, BATCH_LINES)) {
      characters += line.source.length;
      if (batch.length && characters > BATCH_CHARACTERS) {
        break;
      }
      batch.push({ line, source: line.source });
    }
    return batch;
  }

  get sentences() {
    return this.list.flatMap((line) => line.sentences.map((sentence) => ({ line, sentence })));
  }

  get translation() {
    return this.list.map((line) => line.translation).join("\n");
  }

  /** Return {line, offset} of a character offset of the text. */
  at(offset) {
    for (const line of this.list) {
      if (offset <= line.source.length) {
        return { line, offset };
      }
      offset -= line.source.length + 1;
    }
    return null;
  }

  /**
   * Return {line, sentence} of a character offset of the text; in an empty line that before it, or the first.
   *
   * The result is null if there is none, or if the line is not translated yet.
   */
  placeAt(textOffset) {
    const { line, offset } = this.at(textOffset) ?? {};
    if (!line || !line.isTranslated) {
      return null;
    }
    if (line.sentences.length) {
      return { line, sentence: line.sentenceAt(offset, true) };
    }
    const before = this.list.slice(0, this.list.indexOf(line)).findLast((each) => each.sentences.length);
    const nearest = before ?? this.list.find((each) => each.sentences.length);
    return nearest ? { line: nearest, sentence: nearest.sentences.at(before ? -1 : 0) } : null;
  }
}

function insertAll(parent, elements, next) {
  const fragment = document.createDocumentFragment();
  fragment.append(...elements);
  parent.insertBefore(fragment, next ?? null);
}
