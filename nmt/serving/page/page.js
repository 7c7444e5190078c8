// The page: connects the text, its translation, the languages and the card of the sentence with focus.
import {
  fetchLanguages,
  fetchModels,
  fetchSettings,
  NoAnswer,
  ServerError,
  translate,
  useKey,
  withRetries,
} from "./api.js";
import { Details } from "./details.js";
import { acceptDrops, copyText, readTextFile, saveAsFile } from "./files.js";
import { followPointer, showSentence, showWord } from "./highlights.js";
import { langAttribute, Languages } from "./languages.js";
import { Lines, wordAt } from "./lines.js";
import { initKey, initTheme } from "./preferences.js";
import { SentenceCard } from "./sentence.js";

const PAUSE = 300; // milliseconds after the last key before the text is sent
const MOST_TRANSLATIONS = 5; // of a sentence: the best and four alternatives
const LONG_TEXT = 500; // characters from which the texts are set in a smaller font

const byId = (id) => document.getElementById(id);
const text = byId("source");
const lines = new Lines(byId("mirror"), byId("target"));
const languages = new Languages(directionChanged);
const card = new SentenceCard(wordOfCard, alternativeChosen);
const details = new Details({
  request: requestFields,
  languages: cardLanguages,
  onAlternatives: () => card.showAlternatives(current.sentence, cardLanguages()),
  onError: showError,
});

let settings = null; // the answer of frontend/settings; null until the server has answered
let current = null; // {line, sentence} that the card shows
let followsCaret = true; // whether the card's sentence is that of the caret; false after it was chosen elsewhere
let timer = null; // of the pause after the last key
let translating = null; // AbortController of the request for the text

// ---- The server

async function loadServer(signal) {
  const [listed, models, loaded] = await Promise.all([
    fetchLanguages(signal),
    fetchModels(signal),
    fetchSettings(signal),
  ]);
  settings = loaded;
  languages.load(listed, models, settings);
  byId("key-form").hidden = !settings.keyRequired;
  showDirection();
  showCount();
}

/** Translate the lines that have no translation, after the texts or the languages changed. */
async function run() {
  timer = null;
  translating?.abort();
  translating = new AbortController();
  const { signal } = translating;
  let hasLostServer = false;
  const problem = settings && whyNot();
  if (problem || (settings && !lines.untranslated.length)) {
    say(problem ?? "", problem ? "error" : "");
    return;
  }
  try {
    await withRetries(
      async () => {
        if (settings === null || hasLostServer) {
          await loadServer(signal); // a server that was started again may have other models
          hasLostServer = false;
        }
        await translateLines(signal);
      },
      signal,
      (error, seconds) => {
        hasLostServer ||= error instanceof NoAnswer;
        const again =
          error instanceof NoAnswer ? "Trying again until it does." : `Trying again in ${Math.ceil(seconds)} s.`;
        say(`${withoutPeriod(error.message)}. ${again}`, "error");
      },
    );
  } catch (error) {
    if (!signal.aborted) {
      showError(error);
    }
  }
}

async function translateLines(signal) {
  const problem = whyNot();
  if (problem || !lines.untranslated.length) {
    say(problem ?? "", problem ? "error" : "");
    return;
  }
  say("Translating…", "busy");
  await languages.resolve(text.value, signal);
  showDirection();
  while (timer === null && lines.untranslated.length) {
    const batch = lines.nextBatch();
    const answers = await translate(
      { ...requestFields(), source: batch.map(({ source }) => source), split_sentences: true },
      signal,
    );
    batch.forEach(({ line, source }, i) => {
      if (line.source === source) {
        // else the user has changed it since the request was sent
        line.setResult(answers[i], translationsWanted() > 1);
      }
    });
    textsChanged();
  }
  if (timer === null) {
    say("Translated");
  }
}

const hasAttention = () => languages.activeModel?.has_attention ?? false;
const translationsWanted = () => Math.min(MOST_TRANSLATIONS, languages.activeModel?.beam_size ?? 1);

function requestFields() {
  return { ...languages.direction, alignments: hasAttention(), n_best: translationsWanted() };
}

/** Return why the text cannot be sent, or null. */
function whyNot() {
  const length = characters();
  if (settings.charLimit > 0 && length > settings.charLimit) {
    const [has, limit] = [length.toLocaleString("en"), settings.charLimit.toLocaleString("en")];
    return `The text has ${has} characters; the server accepts ${limit}.`;
  }
  return settings.keyRequired && !byId("key").value && length ? "Enter the API key to translate." : null;
}

function showError(error) {
  if (!(error instanceof ServerError)) {
    console.error(error);
  }
  byId("key").setAttribute("aria-invalid", String(error.status === 403));
  say(`${withoutPeriod(error.message)}.`, "error");
}

const withoutPeriod = (message) => message.replace(/\.$/, "");

/** Show the state in the live region. `kind` is "", "busy" or "error". */
function say(message, kind = "") {
  const status = byId("status");
  status.dataset.kind = kind;
  if (status.textContent !== message) {
    status.textContent = message;
  }
}

// ---- The text and the translation

function textInput() {
  lines.update(text.value);
  followsCaret = true;
  mark(null);
  showCount();
  textsChanged();
  schedule(PAUSE);
}

function schedule(pause) {
  clearTimeout(timer);
  timer = setTimeout(run, pause);
  if (settings && lines.untranslated.length && byId("status").dataset.kind !== "error") {
    say("Translating…", "busy");
  }
}

/** Update what depends on the texts: buttons, hint, the sentence with focus. */
function textsChanged() {
  const isEmpty = text.value === "";
  const hasTranslation = lines.list.some((line) => line.sentences.length);
  byId("hint").hidden = !isEmpty;
  byId("clear").disabled = isEmpty;
  byId("copy").disabled = byId("download").disabled = !hasTranslation;
  if (followsCaret || !isCurrentValid()) {
    setCurrent(lines.placeAt(text.selectionStart));
  }
}

function characters() {
  return text.value.length - (text.value.match(/[\ud800-\udbff][\udc00-\udfff]/g)?.length ?? 0);
}

function showCount() {
  const limit = settings?.charLimit ?? 0;
  const length = characters();
  const count = byId("count");
  count.textContent = length.toLocaleString("en") + (limit > 0 ? ` / ${limit.toLocaleString("en")}` : "");
  count.classList.toggle("is-over", limit > 0 && length > limit);
  document.querySelector(".panes").classList.toggle("is-long", length > LONG_TEXT);
}

/** Replace the whole text as an edit, so that the browser's undo brings the old one back. */
function replaceText(value) {
  text.focus();
  text.select();
  const isDone = value ? document.execCommand("insertText", false, value) : document.execCommand("delete");
  if (!isDone || text.value !== value) {
    text.value = value;
    textInput();
  }
}

function directionChanged() {
  lines.outdate();
  showDirection();
  textsChanged();
  schedule(0);
}

function showDirection() {
  text.lang = byId("mirror").lang = langAttribute(languages.sourceCode);
  byId("target").lang = langAttribute(languages.targetCode);
  const model = languages.activeModel;
  byId("model-name").textContent = model
    ? [model.name, model.checkpoint, model.precision].filter(Boolean).join(" · ")
    : "";
  byId("attention-section").hidden = !hasAttention();
  byId("words-section").hidden = !hasAttention();
}

function swap() {
  const translation = lines.translation;
  const focused = document.activeElement;
  languages.swap();
  showDirection();
  lines.outdate();
  replaceText(translation);
  focused.focus();
  schedule(0);
}

async function openFile(file) {
  try {
    replaceText(await readTextFile(file, settings?.charLimit ?? 0));
  } catch (error) {
    say(`${withoutPeriod(error.message)}.`, "error");
  }
}

// ---- The sentence with focus

function cardLanguages() {
  return { source: langAttribute(languages.sourceCode), target: langAttribute(languages.targetCode) };
}

function setCurrent(place) {
  if (place === null && text.value.trim() !== "") {
    showSentence(null); // the card remains until the translation arrives
    return;
  }
  byId("sentence").hidden = place === null;
  showSentence(place);
  if (place?.sentence === current?.sentence) {
    return;
  }
  current = place;
  if (place) {
    const all = lines.sentences;
    const number = all.findIndex(({ sentence }) => sentence === place.sentence);
    byId("sentence-number").textContent = `${number + 1} of ${all.length}`;
    byId("previous").disabled = number === 0;
    byId("next").disabled = number === all.length - 1;
    card.show(place.sentence, cardLanguages());
    details.show(place.sentence);
  }
}

function moveTo(step) {
  const all = lines.sentences;
  const place = all[all.findIndex(({ sentence }) => sentence === current?.sentence) + step];
  if (place) {
    followsCaret = false;
    setCurrent(place);
    reveal(place.line.sourceElement, place.sentence.start);
    reveal(place.line.targetElement, place.sentence.targetStart);
    byId("announcement").textContent = `Sentence ${byId("sentence-number").textContent}: ${place.sentence.source}`;
  }
}

/** Scroll the pane of a line so that a character of it is visible. */
function reveal(lineElement, offset) {
  const range = document.createRange();
  range.setStart(lineElement.firstChild, Math.min(offset, lineElement.firstChild.length));
  const scroller = lineElement.closest(".scroller");
  const [box, view] = [range.getBoundingClientRect(), scroller.getBoundingClientRect()];
  if (box.top < view.top || box.bottom > view.bottom) {
    scroller.scrollTop += box.top - view.top - view.height / 3;
  }
}

/** Whether the card's sentence is still in the text; if not, a new translation is on its way. */
const isCurrentValid = () =>
  current !== null && lines.list.includes(current.line) && current.line.sentences.includes(current.sentence);

function alternativeChosen(target) {
  if (!isCurrentValid()) {
    return;
  }
  const { line, sentence } = current;
  line.choose(sentence, target);
  card.showWords(sentence, cardLanguages());
  mark(null);
  showSentence(current);
  details.show(sentence);
}

// ---- Words

function mark(place) {
  const isWord = place !== null && place.word >= 0;
  showWord(isWord ? place : null);
  if (current) {
    card.markWords(current.sentence, isWord ? place : null);
  }
}

function wordOfCard(word) {
  mark(word && isCurrentValid() ? { ...current, ...word } : null);
}

/** The sentence that was clicked becomes the one with focus; its other side is scrolled into view. */
function placeClicked(place) {
  if (place) {
    const { line, sentence, isSource } = place;
    followsCaret = isSource;
    setCurrent({ line, sentence });
    reveal(isSource ? line.targetElement : line.sourceElement, isSource ? sentence.targetStart : sentence.start);
  }
  mark(place);
}

function caretMoved(event) {
  if (!event.key.startsWith("Arrow") && !["Home", "End", "PageUp", "PageDown"].includes(event.key)) {
    return;
  }
  const place = lines.placeAt(text.selectionStart);
  followsCaret = true;
  setCurrent(place);
  const at = place && lines.at(text.selectionStart);
  if (at?.line === place?.line) {
    mark(place && { ...place, isSource: true, word: wordAt(place.sentence.source, at.offset - place.sentence.start) });
    if (place) {
      reveal(place.line.targetElement, place.sentence.targetStart);
    }
  }
}

// ---- Start

function start() {
  initTheme();
  initKey((key, isNew) => {
    useKey(key);
    if (isNew) {
      schedule(0);
    }
  });
  text.addEventListener("input", textInput);
  text.addEventListener("keyup", caretMoved);
  followPointer(lines, text, text, mark, placeClicked);
  followPointer(lines, byId("target"), null, mark, placeClicked);
  byId("swap").addEventListener("click", swap);
  byId("clear").addEventListener("click", () => replaceText(""));
  byId("open").addEventListener("click", () => byId("file").click());
  byId("file").addEventListener("change", ({ target }) => {
    if (target.files.length) {
      openFile(target.files[0]);
    }
    target.value = ""; // so that the same file can be opened again
  });
  acceptDrops(byId("drop-hint"), openFile);
  byId("copy").addEventListener("click", async () => {
    const isCopied = await copyText(lines.translation);
    say(isCopied ? "Copied" : "The browser does not allow copying.", isCopied ? "" : "error");
  });
  byId("download").addEventListener("click", () =>
    saveAsFile(`${lines.translation}\n`, `translation.${languages.targetCode}.txt`),
  );
  byId("previous").addEventListener("click", () => moveTo(-1));
  byId("next").addEventListener("click", () => moveTo(1));
  lines.update(text.value); // the browser restores the text of a page that is loaded again
  run();
}

start();
