"""`nmt augment`: also train on translations of the training text, or of monolingual text.

Data diversification (Nguyen et al. 2020): models of both directions translate the training text. Back-translation
(Sennrich et al. 2016): a backward model translates text of the target language. Self-training: a forward model
translates text of the source language. Tagged back-translation (Caswell et al. 2019): a token marks synthetic sources.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from nmt.config import Config
from nmt.config.model_settings import ModelSettings
from nmt.corpora.synthetic_pairs import KnownPairs, PairCounts, Side
from nmt.data.subword import Vocabularies
from nmt.decoding.search_options import SearchOptions
from nmt.errors import NmtError
from nmt.storage.run_folder import RUNS, Run
from nmt.training.augmentation import configurations
from nmt.training.augmentation.configurations import CorpusEntry
from nmt.training.augmentation.corpora import CorpusMaker, Translated
from nmt.training.augmentation.models import (
    Train,
    Translator,
    check_languages,
    identity,
    is_training_begun,
    train_once,
)
from nmt.training.augmentation.recipe import Recipe, Request
from nmt.training.augmentation.state import Result, State, Step, identity_of, shared_options
from nmt.training.augmentation.texts import Text, monolingual_texts, training_texts, write_texts
from nmt.training.augmentation.translation import Translations

DIRECTIONS: dict[Side, str] = {"target": "forward", "source": "backward"}
"""The direction of the models that write a side, in the order in which they are trained."""


@dataclass(frozen=True, kw_only=True)
class AugmentRequest(Request):
    """What the user asked for."""

    forward: tuple[Path, ...] = ()
    """Runs that translate from source to target; empty to train them."""
    backward: tuple[Path, ...] = ()
    """Runs of the opposite direction, likewise."""
    seeds: tuple[int, ...] = ()
    """The seeds of the models to train, one model of each direction for each seed; empty for seed 1."""
    monolingual_source: tuple[Path, ...] = ()
    """Files of text in the source language."""
    monolingual_target: tuple[Path, ...] = ()
    """Files of text in the target language."""
    diversifies: bool = False
    """Translate the training text also if there is monolingual text."""
    tag: str | None = None
    """Token before each synthetic source."""
    weight: float = 1.0
    """Factor of the weights of the synthetic corpora."""


@dataclass(frozen=True)
class Augmentation:
    """What `augment` has made."""

    config_file: Path
    """The configuration of the final model."""
    run: Run | None
    """The final model, if it was trained."""
    counts: dict[str, PairCounts]
    """What became of the hypotheses, for each synthetic corpus."""


class Augmenter(Recipe):
    """The steps of one request."""

    request: AugmentRequest

    def __init__(self, request: AugmentRequest) -> None:
        """Check the request. Raise `NmtError` before anything is written."""
        super().__init__(request, "augmented")
        if request.tag is not None:
            configurations.check_tag(self.config, request.tag)
        self._check_options()
        self.state = State(self.folder, self._identity())
        self._maker = CorpusMaker(self.folder, self.config.data, request.limits)
        self._translations = Translations(request.search, request.command)

    @cached_property
    def _training(self) -> list[Text]:
        return training_texts(self.config)

    @cached_property
    def _texts(self) -> dict[Side, list[Text]]:
        """The texts to translate, by the side that models write."""
        request = self.request
        has_monolingual = bool(request.monolingual_source or request.monolingual_target)
        training = self._training if request.diversifies or not has_monolingual else []
        return {
            "target": [*training, *monolingual_texts("source", request.monolingual_source)],
            "source": [*training, *monolingual_texts("target", request.monolingual_target)],
        }

    @cached_property
    def _translators(self) -> dict[Side, list[Translator]]:
        """The models that write each side."""
        return {side: self._models_for(side) if self._texts[side] else [] for side in DIRECTIONS}

    def _models_for(self, side: Side) -> list[Translator]:
        """Return the models that write a side: those of the user, or those to train."""
        request, config = self.request, self.config
        given, direction = self._given(side), DIRECTIONS[side]
        if given:
            return [Translator(f"{direction}-{number}", (run,)) for number, run in enumerate(given, 1)]
        if side == "target" and request.tag is None:
            prepared, make = config.prepared, configurations.forward
        else:
            # A tag changes the subword model, so that other prepared data of the configuration does not fit.
            name = config.name if request.tag is None else self.name
            make = configurations.forward if side == "target" else configurations.backward
            prepared = Path("prepared") / f"{name}-{direction}"
        configs = [make(config, seed, request.tag, prepared) for seed in request.seeds or (1,)]
        return [Translator(f"{direction}-{number}", (one.run,), one) for number, one in enumerate(configs, 1)]

    def _given(self, side: Side) -> tuple[Path, ...]:
        """Return the runs of the user that write a side."""
        return self.request.forward if side == "target" else self.request.backward

    def _check_options(self) -> None:
        """Raise `NmtError` for options that have no effect, and for models of the wrong direction."""
        request, data = self.request, self.config.data
        languages = data.source_language, data.target_language
        for side in DIRECTIONS:
            given, option = self._given(side), f"--{DIRECTIONS[side]}"
            if given and not self._texts[side]:
                raise NmtError(f"{option}: no text is translated in this direction; leave it out, or add --diversify")
            if given:
                for model in check_languages(given, languages if side == "target" else languages[::-1], option):
                    SearchOptions.of(model.settings).changed(**request.search).check_source_length([model.settings])
        if self._trained():
            SearchOptions.of(ModelSettings.of(self.config)).changed(**request.search)
        elif request.seeds:
            raise NmtError("--model-seed: all models that translate are given; leave it out")
        if len(set(request.seeds)) < len(request.seeds):
            raise NmtError("--model-seed: two models with the same seed are the same; give each seed once")
        if request.tag is not None and not self._texts["source"]:
            raise NmtError("--tag: no source is synthetic, because only source text is translated; leave it out")
        reserved = {translator.runs[0] for translator in self._trained()}
        if RUNS / self.name in reserved:
            raise NmtError(f"--name {self.name}: this is the run of a model that translates; choose another name")

    def _identity(self) -> Result:
        """Return what the result depends on, as JSON values; options as they are written on the command line."""
        request = self.request
        options = {
            "--final-set": request.final_overrides,
            "--forward": list(map(str, request.forward)),
            "--backward": list(map(str, request.backward)),
            "--model-seed": request.seeds or (1,),
            "--monolingual-source": list(map(str, request.monolingual_source)),
            "--monolingual-target": list(map(str, request.monolingual_target)),
            "--diversify": request.diversifies,
            "--tag": request.tag,
            "--weight": request.weight,
            **shared_options(request.checkpoint, request.limits, request.search),
        }
        files = [*request.monolingual_source, *request.monolingual_target]
        return {"command": "nmt augment", "options": options, **identity_of(self.config, files)}

    def _all(self) -> Iterator[tuple[Side, Translator]]:
        for side, translators in self._translators.items():
            for translator in translators:
                yield side, translator

    def _trained(self) -> list[Translator]:
        """Return the models that the command trains."""
        return [translator for _, translator in self._all() if translator.config is not None]

    def untrained(self) -> list[Config]:
        """Return the configurations of the models that are still to be trained, without the final one."""
        results = self.state.results
        configs = [one.config for one in self._trained() if f"model {one.name}" not in results]
        return [config for config in configs if config is not None and not Run(config.run).finished.exists()]

    def _translated(self) -> Iterator[Translated]:
        for side, translator in self._all():
            for text in self._texts[side]:
                yield Translated(translator.name, text, side)

    def steps(self, train: Train) -> list[Step]:
        """Return the steps, the first ones first; `train` trains a model."""
        found = [Step("text", "copy the text to translate", self._write_texts)]
        for side, translator in self._all():
            about = f"train {translator.runs[0]}" if translator.config else f"take {translator.runs[0]}"
            take = partial(self._take, translator, train)
            found.append(Step(f"model {translator.name}", about, take, partial(is_training_begun, translator)))
            for text in self._texts[side]:
                found.append(self._translation_step(translator, Translated(translator.name, text, side)))
        return found + self._last_steps(train)

    def _write_texts(self) -> Result:
        texts = {text.name: text for side in self._texts.values() for text in side}
        texts |= {text.name: text for text in self._training}
        return write_texts(list(texts.values()), self.config.data, self.folder / "text")

    def _take(self, translator: Translator, train: Train) -> Result:
        """Train a model if that is necessary, and record its weights."""
        if translator.config is not None:
            train_once(translator.config, train)
            if translator.name == self._trained()[0].name:
                self._keep_subword_model(translator)
        return identity(translator.runs, self.request.checkpoint)

    def _keep_subword_model(self, translator: Translator) -> None:
        """Copy the subword model of the first model that was trained, for the final model."""
        own = Vocabularies.load(Run(translator.runs[0]).subword)
        is_reversed = translator.name.startswith("backward") and not own.is_joint
        (Vocabularies(own.target, own.source) if is_reversed else own).copy_to(self.folder / "subword")

    def _make_pairs(self) -> Result:
        return self._maker.make(self._translated(), KnownPairs(self._maker.originals(self._training)))

    def _write_config(self) -> Result:
        entries = configurations.original_entries(self.config, self.state.results["text"])
        entries += [entry for each in self._translated() if (entry := self._entry(each)) is not None]
        subword = self.folder / "subword" if self._trained() and self.config.subword.reuse is None else None
        head = ["'weight' is the number of passes over a corpus in one epoch."]
        if subword is not None:
            head.append("The subword model is that of the first model that was trained, learned on the original text.")
        return self._save_config(entries, subword, head, self.request.tag)

    def _entry(self, each: Translated) -> CorpusEntry | None:
        """Return the corpus of a translation in the final configuration; None if nothing of it remains."""
        kept = self.state.results["pairs"][each.name]["kept"]
        if not kept:
            return None
        corpus = each.text.corpus
        weight = configurations.scaled(1.0 if corpus is None else corpus.weight, self.request.weight)
        values: dict[str, Any] = dict(each.corpus(self._maker.folder))
        values |= {"weight": weight} if weight != 1.0 else {}
        values |= {"tag": self.request.tag} if self.request.tag is not None and each.synthetic == "source" else {}
        runs = {translator.name: translator.runs[0] for _, translator in self._all()}
        return CorpusEntry(values, f"{kept:,} pairs: the {each.synthetic} was written by {runs[each.translator]}")


def augment(request: AugmentRequest, train: Train) -> Augmentation:
    """Execute the steps of a request that are not finished, and return the result.

    `train(config, resume)` trains a model, and returns only if its training has ended. Raise `NmtError` if an option or
    the text cannot be used, or if it is not that of an earlier call.
    """
    augmenter = Augmenter(request)
    augmenter.state.execute(augmenter.steps(train))
    counts = {name: PairCounts(**values) for name, values in augmenter.state.results["pairs"].items()}
    run = augmenter.final_run if request.trains else None
    return Augmentation(augmenter.config_file, run, counts)


@dataclass(frozen=True)
class Plan:
    """What `augment` would do."""

    steps: list[tuple[str, str]]
    """What each step does, and whether it is finished, begun or to do."""
    to_train: list[Config]
    """The configurations of the models that translate and are still to be trained."""


def plan(request: AugmentRequest) -> Plan:
    """Return what `augment` would do for a request. Nothing is written."""

    def train(config: Config, resume: bool) -> None:
        raise AssertionError("a plan trains nothing")

    augmenter = Augmenter(request)
    steps = augmenter.state.describe(augmenter.steps(train))
    return Plan(steps, augmenter.untrained())
