"""`nmt distill`: train a model, the student, on the translations of other models, the teachers.

Sequence-level knowledge distillation (Kim & Rush 2016, section 3.2): the teachers, one model or an ensemble, translate
the training sources, and the student learns these translations. Sequence-level interpolation (section 3.3): of an
n-best list the student learns the hypothesis that is closest to the reference, by sentence BLEU.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nmt.config import Config
from nmt.config.model_settings import ModelSettings
from nmt.corpora.synthetic_pairs import Hypothesis, Limits, PairCounts, closest
from nmt.data.subword import Vocabularies
from nmt.decoding.loading import find_checkpoints, load_translator
from nmt.decoding.search_options import SearchOptions
from nmt.errors import NmtError
from nmt.evaluation.metrics import Scoring, build, default_tokenizer
from nmt.evaluation.systems import System, measure_system
from nmt.storage.run_folder import RUNS, Run
from nmt.training.augmentation import configurations
from nmt.training.augmentation.configurations import CorpusEntry
from nmt.training.augmentation.corpora import Choose, CorpusMaker, Translated
from nmt.training.augmentation.models import (
    Train,
    Translator,
    check_languages,
    identity,
)
from nmt.training.augmentation.recipe import Recipe, Request
from nmt.training.augmentation.state import Result, State, Step, identity_of, shared_options
from nmt.training.augmentation.texts import training_texts, write_texts
from nmt.training.augmentation.translation import Translations


@dataclass(frozen=True, kw_only=True)
class DistillRequest(Request):
    """What the user asked for; the final model is the student."""

    teachers: tuple[Path, ...]
    """Runs; several translate together, as an ensemble."""
    interpolates: bool = False
    """Train on the hypothesis that is closest to the reference, of `n_best` (default: of the beam)."""
    original_weight: float | None = None
    """Factor of the weights of the original pairs; None trains without them."""
    reuses_subword: bool = False
    """Use the subword model of the teachers."""


@dataclass(frozen=True)
class Distillation:
    """What `distill` has made."""

    config_file: Path
    """The configuration of the student."""
    run: Run | None
    """The student, if it was trained."""
    counts: dict[str, PairCounts]
    """What became of the hypotheses, for each training corpus."""
    systems: list[System]
    """Teachers and student, if it was trained."""


def closest_by_bleu(language: str) -> Choose:
    """Return the function that chooses the hypothesis with the highest sentence BLEU; `language` is the target's."""
    metric = build("bleu", Scoring(tokenize=default_tokenizer(language)), for_sentences=True)

    def score(text: str, reference: str) -> float:
        return float(metric.sentence_score(text, [reference]).score)

    def choose(hypotheses: Sequence[Hypothesis], reference: str) -> Sequence[Hypothesis]:
        return [closest(hypotheses, reference, score)] if hypotheses else []

    return choose


class Distiller(Recipe):
    """The steps of one request."""

    request: DistillRequest

    def __init__(self, request: DistillRequest) -> None:
        """Check the request. Raise `NmtError` before anything is written."""
        super().__init__(request, "distilled")
        data = self.config.data
        teachers = check_languages(request.teachers, (data.source_language, data.target_language), "--teacher")
        if any(teacher.run.folder.resolve() == (RUNS / self.name).resolve() for teacher in teachers):
            raise NmtError(f"--name {self.name}: this is the run of a teacher; choose another name")
        search = self._search([teacher.settings for teacher in teachers])
        self.state = State(self.folder, self._identity())
        self._texts = training_texts(self.config)
        self._teachers = Translator("teachers", request.teachers)
        choose = closest_by_bleu(data.target_language) if request.interpolates else None
        limits = Limits(request.limits.min_score, request.limits.max_ratio, keeps_copies=True)
        self._maker = CorpusMaker(self.folder, data, limits, choose)
        self._translations = Translations(search, request.command)

    def _search(self, teachers: Sequence[ModelSettings]) -> dict[str, Any]:
        """Return the fields of the search, with an n-best list for the interpolation."""
        fields = dict(self.request.search)
        search = SearchOptions.of(*teachers).changed(**fields)
        if self.request.interpolates and search.n_best == 1:
            if search.num_hypotheses == 1:
                raise NmtError("--interpolate chooses among several hypotheses: add --n-best N, or use a beam")
            fields["n_best"] = search.num_hypotheses
        return fields

    def _identity(self) -> Result:
        """Return what the result depends on, as JSON values; options as they are written on the command line."""
        request = self.request
        options = {
            "--final-set": request.final_overrides,
            "--teacher": list(map(str, request.teachers)),
            "--interpolate": request.interpolates,
            "--keep-original": request.original_weight,
            "--reuse-subword": request.reuses_subword,
            **shared_options(request.checkpoint, request.limits, request.search),
        }
        return {"command": "nmt distill", "options": options, **identity_of(self.config)}

    def steps(self, train: Train) -> list[Step]:
        """Return the steps, the first ones first; `train` trains a model."""
        names = " + ".join(map(str, self.request.teachers))
        found = [
            Step("model teachers", f"load {names}", self._take_teachers),
            Step("text", "copy the training text", self._write_texts),
        ]
        found += [self._translation_step(self._teachers, each) for each in self._translated()]
        found += self._last_steps(train)
        if self.request.trains:
            found.append(Step("systems", "translate the test sets with all models", self._compare))
        return found

    def _translated(self) -> list[Translated]:
        return [Translated("teachers", text, "target") for text in self._texts]

    def _take_teachers(self) -> Result:
        """Load the teachers, to know that they fit together, and record their weights."""
        found = find_checkpoints(self.request.teachers, self.request.checkpoint)
        loaded = load_translator(found, "auto", "auto", "auto")
        if self.request.reuses_subword:
            loaded.translator.vocabularies.copy_to(self.folder / "subword")
            Vocabularies.find(self.folder / "subword", self.config.subword.joint)  # raises NmtError if that differs
        return identity(self.request.teachers, self.request.checkpoint)

    def _write_texts(self) -> Result:
        return write_texts(self._texts, self.config.data, self.folder / "text")

    def _make_pairs(self) -> Result:
        return self._maker.make(self._translated(), None)

    def _write_config(self) -> Result:
        request = self.request
        entries = [entry for each in self._translated() if (entry := self._entry(each)) is not None]
        if request.original_weight is not None:
            counts = self.state.results["text"]
            entries += configurations.original_entries(self.config, counts, request.original_weight)
        subword = self.folder / "subword" if request.reuses_subword else None
        head = [] if subword is None else ["The subword model is that of the teachers."]
        return self._save_config(entries, subword, head)

    def _entry(self, each: Translated) -> CorpusEntry | None:
        """Return the corpus of a translation in the student's configuration; None if nothing of it remains."""
        kept = self.state.results["pairs"][each.name]["kept"]
        assert each.text.corpus is not None
        weight = each.text.corpus.weight
        values = {**each.corpus(self._maker.folder), **({"weight": weight} if weight != 1.0 else {})}
        which = ", the one of the n-best list that is closest to the reference" if self.request.interpolates else ""
        names = " + ".join(map(str, self.request.teachers))
        return CorpusEntry(values, f"{kept:,} pairs: the target was written by {names}{which}") if kept else None

    def _compare(self) -> Result:
        teachers = self.request.teachers
        systems: dict[str, tuple[Path, ...]] = {str(teacher): (teacher,) for teacher in teachers}
        if len(teachers) > 1:
            systems["all teachers, as an ensemble"] = teachers
        student = (self.final_run.folder,)
        systems[f"{student[0]} (student)"] = student
        found = [
            measure_system(
                name,
                runs,
                None if runs == student else self.request.checkpoint,
                self.config,
                self.folder / "evaluations" / f"{number}",
            )
            for number, (name, runs) in enumerate(systems.items(), 1)
        ]
        return {"systems": [asdict(system) for system in found]}


def distill(request: DistillRequest, train: Train) -> Distillation:
    """Execute the steps of a request that are not finished, and return the result.

    `train(config, resume)` trains a model, and returns only if its training has ended. Raise `NmtError` if an option,
    a teacher or the text cannot be used, or if it is not that of an earlier call.
    """
    distiller = Distiller(request)
    distiller.state.execute(distiller.steps(train))
    results = distiller.state.results
    counts = {name: PairCounts(**values) for name, values in results["pairs"].items()}
    if not request.trains:
        return Distillation(distiller.config_file, None, counts, [])
    systems = [System(**values) for values in results["systems"]["systems"]]
    return Distillation(distiller.config_file, distiller.final_run, counts, systems)


def planned_steps(request: DistillRequest) -> list[tuple[str, str]]:
    """Return what `distill` does for a request, and whether each step is finished, begun or to do."""

    def train(config: Config, resume: bool) -> None:
        raise AssertionError("a plan trains nothing")

    distiller = Distiller(request)
    return distiller.state.describe(distiller.steps(train))
