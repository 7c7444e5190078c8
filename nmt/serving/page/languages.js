// The choice of languages and model. The address has the languages in its fragment, so that a bookmark has them.
import { detect } from "./api.js";

const DETECTED_CHARACTERS = 500; // enough to detect a language; a text that goes on is not detected again

const byId = (id) => document.getElementById(id);

/** A language code of the server as the value of a `lang` attribute: zho_Hans is zho-Hans. */
export const langAttribute = (code) => (code ?? "").replaceAll("_", "-");

export class Languages {
  /** `onChange` is called when the user changes the direction or the model. */
  constructor(onChange) {
    this.languages = [];
    this.models = [];
    this.detected = null; // {sample, language, confidence} of the last detection
    this.source = byId("source-language");
    this.target = byId("target-language");
    this.model = byId("model");
    this.source.addEventListener("change", () => {
      this.#fillTargets(this.target.value);
      this.#changed(onChange);
    });
    this.target.addEventListener("change", () => this.#changed(onChange));
    this.model.addEventListener("change", () => onChange());
    window.addEventListener("hashchange", () => {
      const chosen = fragment();
      if (chosen.source || chosen.target) {
        this.#choose({ source: chosen.source, target: chosen.target ?? this.targetCode });
        this.#changed(onChange);
      } else {
        this.#writeFragment(); // the link to the text has replaced the languages
      }
    });
  }

  /** Show what the server has. What was chosen before remains chosen if the server still has it. */
  load(languages, models, settings) {
    const chosen = this.languages.length ? { source: this.source.value, target: this.target.value } : fragment();
    this.languages = languages;
    this.models = models;
    const sources = languages.filter((language) => language.targets.length);
    this.source.replaceChildren(
      new Option("Detect language", "auto"),
      ...sources.map(({ code, name }) => new Option(name, code)),
    );
    const preset = settings.language;
    this.#choose(
      { source: chosen.source || preset?.source?.code, target: chosen.target || preset?.target?.code },
      sources[0]?.code,
    );
    this.#update();
  }

  /** Return the source language: the chosen one, or the detected one; null if it is not detected yet. */
  get sourceCode() {
    return this.source.value === "auto" ? (this.detected?.language ?? null) : this.source.value || null;
  }

  get targetCode() {
    return this.target.value || null;
  }

  /** Return the model that translates, as in the answer of v1/models; undefined if there is none. */
  get activeModel() {
    const models = this.#modelsOfDirection();
    return models.find((model) => model.name === this.model.value) ?? models[0];
  }

  /** Return the fields of a request that select the direction. */
  get direction() {
    const model = this.activeModel;
    return { ...(model && { model: model.name }), source_language: this.sourceCode, target_language: this.targetCode };
  }

  get canSwap() {
    return this.sourceCode !== null && this.#targetsOf(this.targetCode).includes(this.sourceCode);
  }

  /** Exchange the two languages, without calling `onChange`. */
  swap() {
    this.#choose({ source: this.targetCode, target: this.sourceCode });
    this.#update();
    this.#writeFragment();
  }

  /** Detect the language of a text if the user wants that. Throws an error whose text is for the user. */
  async resolve(text, signal) {
    if (this.source.value !== "auto") {
      return;
    }
    const sample = text.trim().slice(0, DETECTED_CHARACTERS);
    if (this.detected?.sample !== sample) {
      const [best] = await detect(sample, signal);
      this.detected = best ? { sample, ...best } : null;
    }
    this.#update();
    if (this.detected === null) {
      throw new Error("The language was not recognized; choose it in the list");
    }
    if (!this.#targetsOf(this.sourceCode).includes(this.targetCode)) {
      const [source, target] = [this.#nameOf(this.sourceCode), this.#nameOf(this.targetCode)];
      throw new Error(`No model translates from ${source} to ${target}; choose another language`);
    }
  }

  #choose({ source, target }, fallback) {
    if (Array.from(this.source.options).some((option) => option.value === source)) {
      this.source.value = source;
    } else if (fallback) {
      this.source.value = fallback;
    }
    this.#fillTargets(target);
  }

  /** Fill the list of targets, which depends on the source, and select `wanted` if it is there. */
  #fillTargets(wanted) {
    const served = this.#targetsOf(this.source.value);
    const codes =
      this.source.value === "auto"
        ? [...new Set(this.languages.flatMap((language) => this.#targetsOf(language.code)))]
        : served;
    this.target.replaceChildren(...codes.map((code) => new Option(this.#nameOf(code), code)));
    if (codes.includes(wanted)) {
      this.target.value = wanted;
    }
  }

  #targetsOf(code) {
    const targets = this.languages.find((language) => language.code === code)?.targets ?? [];
    return targets.filter((target) => target !== code);
  }

  #nameOf(code) {
    return this.languages.find((language) => language.code === code)?.name ?? code;
  }

  #modelsOfDirection() {
    const [source, target] = [this.sourceCode, this.targetCode];
    return this.models.filter((model) =>
      model.directions.some((each) => each.source === source && each.target === target),
    );
  }

  #changed(onChange) {
    this.#update();
    this.#writeFragment();
    onChange();
  }

  /** Show what depends on the direction: models, detected language, swap button. */
  #update() {
    const names = this.#modelsOfDirection().map((model) => model.name);
    if (names.join("\n") !== Array.from(this.model.options, (option) => option.value).join("\n")) {
      const chosen = this.model.value;
      this.model.replaceChildren(...names.map((name) => new Option(name, name)));
      this.model.value = names.includes(chosen) ? chosen : (names[0] ?? "");
    }
    byId("model-choice").hidden = names.length < 2;
    const isDetected = this.source.value === "auto" && this.detected !== null;
    byId("detected").hidden = !isDetected;
    byId("detected").textContent = isDetected
      ? `${this.#nameOf(this.sourceCode)}, ${Math.round(this.detected.confidence)} %`
      : "";
    byId("swap").disabled = !this.canSwap;
  }

  #writeFragment() {
    const values = new URLSearchParams({ source: this.source.value, target: this.target.value });
    history.replaceState(null, "", `#${values}`);
  }
}

function fragment() {
  const values = new URLSearchParams(location.hash.slice(1));
  return { source: values.get("source"), target: values.get("target") };
}
