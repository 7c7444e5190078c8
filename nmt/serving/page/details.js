// What the card of a sentence needs beyond the answer for the text: alternatives, and the attention map if it is open.
import { sleep, translate, withRetries } from "./api.js";
import { attentionNodes } from "./attention.js";
import { element } from "./sentence.js";

const PAUSE = 0.3; // seconds before a request, since the caret may be moving through the text

const MOST_PREFIX = 1000; // characters, a limit of the server

const byId = (id) => document.getElementById(id);

export class Details {
  /**
   * `request()` returns the fields of a request that do not depend on the sentence, `languages()` the two values of
   * `lang`. `onAlternatives()` and `onError(error)` are called when an answer arrives.
   */
  constructor({ request, languages, onAlternatives, onError }) {
    Object.assign(this, { request, languages, onAlternatives, onError });
    this.sentence = null;
    this.isOpen = false; // the map
    this.loading = null; // AbortController
    byId("attention-toggle").addEventListener("click", () => {
      this.isOpen = !this.isOpen;
      this.show(this.sentence);
    });
  }

  /** Show the map of a sentence if it is open, and fetch what is missing. */
  show(sentence) {
    this.sentence = sentence;
    this.loading?.abort();
    this.loading = new AbortController();
    this.#showMap();
    this.#load(this.loading.signal).catch((error) => {
      if (error.name !== "AbortError") {
        this.onError(error);
      }
    });
  }

  get #lacksMap() {
    return this.isOpen && this.request().alignments && !this.sentence.attention.has(this.sentence.text);
  }

  async #load(signal) {
    const { sentence } = this;
    if (sentence.hasAlternatives && !this.#lacksMap) {
      return;
    }
    const ask = async (more) => {
      const body = { ...this.request(), source: [sentence.source], ...more };
      const [answer] = await withRetries(
        () => translate(body, signal),
        signal,
        () => {},
      );
      return answer;
    };
    await sleep(PAUSE, signal);
    if (!sentence.hasAlternatives) {
      const answer = await ask(this.#lacksMap ? { attention: true } : {});
      sentence.addTargets(answer.targets);
      if (answer.attention !== undefined) {
        sentence.attention.set(answer.text, answer);
      }
      this.onAlternatives();
    }
    if (this.#lacksMap) {
      const isForced = sentence.chosen !== sentence.targets[0] && sentence.text.length <= MOST_PREFIX;
      const answer = await ask({ n_best: 1, attention: true, ...(isForced && { prefixes: [sentence.text] }) });
      sentence.attention.set(sentence.text, answer);
    }
    this.#showMap();
  }

  #showMap() {
    const button = byId("attention-toggle");
    button.setAttribute("aria-expanded", String(this.isOpen));
    button.textContent = this.isOpen ? "Hide the attention map" : "Show the attention map";
    byId("attention").hidden = !this.isOpen;
    if (!this.isOpen) {
      return;
    }
    const map = this.sentence.attention.get(this.sentence.text);
    const nodes = map ? attentionNodes(map, this.languages()) : [element("p", "muted", "Loading the map…")];
    if (map && map.text.trim() !== this.sentence.text.trim()) {
      nodes.unshift(element("p", "muted", `This is the map of “${map.text}”.`));
    }
    byId("attention").replaceChildren(...nodes);
  }
}
