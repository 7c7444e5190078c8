"""`nmt tune`: the configuration with which a trained model is adapted to text of a new domain.

runs/NAME/text/      training, validation and test set of the new text
runs/NAME/subword/   the vocabulary of the trained model, extended by what the new text needs
"""

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from nmt.config import Config, Corpus, Training, load, load_run_config, override
from nmt.config.schema import NAME
from nmt.corpora.made_sets import MadeSets, make_sets
from nmt.corpora.pairs import PairReader
from nmt.data.corpus import corpus_paths, read_pairs
from nmt.data.language_names import parse_code
from nmt.data.lines import normalize
from nmt.data.manifest import inspect_file
from nmt.data.subword import SPACE, Vocabularies
from nmt.data.training_words import read_training_words
from nmt.data.vocabulary_extension import EXTENSIBLE, NewPieces, extend_vocabularies
from nmt.errors import NmtError
from nmt.storage.atomic_files import convert_write_errors
from nmt.storage.atomic_folder import build_folder
from nmt.storage.run_folder import RUNS, Run, find_run
from nmt.training.trainer import DEFAULT_TOKENS

LEARNING_RATE_FACTOR = 0.5
"""The learning rate as a share of that with which the model was trained."""
PASSES, FAR_PASSES = 10, 40
"""Passes over the new text, and over text that is far from that of the model, unless the user gives the steps; early
stopping may end training before."""
FAR_SUBWORDS = 2_000
"""Subwords that text far from that of the model adds to the vocabulary at most, unless the user gives their number."""
FAR_SHARE = 0.15
"""Share of source words unknown to the model from which on text is far. New text of the same kind has 1 to 11 %, text
of another kind 11 to 46 % (scripts/experiments/unseen_words.py: captions, help texts, talks; 4,600 to 30,000 lines)."""
MIN_STEPS = 200
VALIDATIONS = 10
"""Validations in `training.max_steps` steps."""
PATIENCE = 5
"""Validations without improvement after which training stops."""
_WARMUP_SHARE = 0.05
_MEASURED_PAIRS = 10_000
_COUNTED_PAIRS = 1_000_000
"""Pairs of the new text that are searched for characters and words that the vocabulary lacks."""
_SHOWN_PIECES = 20
_MIN_SHARE = 0.8
"""Share of the passages of a text that must be in another language than the model's to reject the text."""
_FOLDER_REMEDY = "use a working directory that is writable"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TuningRequest:
    """What the user asked for."""

    model: Path
    """The run to adapt, or a checkpoint folder inside one."""
    pairs: tuple[Path, ...]
    """The new text: one table or two aligned files."""
    name: str = ""
    """Name of the new run; default RUN-tuned."""
    mix: float = 0.5
    """Share of new pairs among the pairs of an epoch; the others are old training text."""
    steps: int | None = None
    """Optimizer steps; by default `PASSES` or `FAR_PASSES` passes over the new text."""
    valid: tuple[Path, ...] = ()
    """A validation set of the new domain, one table or two files; empty to draw one from `pairs`."""
    test: tuple[Path, ...] = ()
    """A test set, likewise."""
    tag: str = ""
    """The tag of the new text, for a model with several translation directions."""
    extends: bool = True
    """Whether characters that the vocabulary lacks get entries."""
    new_subwords: int | None = None
    """Maximum number of frequent subwords of the new text that get entries; by default 0 or `FAR_SUBWORDS`."""
    overrides: tuple[str, ...] = ()
    """Values section.key=value that replace those of the new configuration."""

    @property
    def run(self) -> Run:
        """The new run."""
        return Run(RUNS / (self.name or f"{find_run(self.model)[0].folder.resolve().name}-tuned"))


def config_to_resume(request: TuningRequest) -> Config:
    """Return the configuration of a run that `tuned_config` began."""
    if not request.run.can_resume:
        raise NmtError(f"{request.run.folder}: nothing to resume; run without --resume to start")
    steps = [f"training.max_steps={request.steps}"] if request.steps is not None else []
    return load(request.run.config_file, (*steps, *request.overrides))


def tuned_config(request: TuningRequest) -> Config:
    """Write the sets and the vocabulary of the new run, and return its configuration.

    Raise `NmtError` if the model cannot be trained further, if the new text does not fit it, or if the run exists.
    """
    if request.name and not re.fullmatch(NAME, request.name):
        raise NmtError(f"--name {request.name}: a name consists of letters, digits, '_', '-' and '.'")
    base, run = _find_base(request.model), request.run
    old = load_run_config(base)
    if run.can_resume:
        raise NmtError(
            f"{run.folder} holds a run already; add --resume to continue it, choose another --name, or remove the "
            "folder"
        )
    tag = _choose_tag(request.tag, old)
    with convert_write_errors(run.folder, _FOLDER_REMEDY):
        run.folder.mkdir(parents=True, exist_ok=True)
        sets, corpora = _write_text(request, old, run.folder / "text", tag)
        known = Vocabularies.load(base.subword)
        new_subwords, passes = _amounts(request, known, _unseen_share(base, old, corpora["train"]))
        vocabularies = _extend(request.extends, new_subwords, known, old, corpora["train"])
        vocabularies.copy_to(run.subword)
    values = old.model_dump(mode="json") | {"name": run.folder.name}
    values["data"] |= _data_keys(request, old, corpora, sets.counts["train"])
    values["subword"]["reuse"] = str(run.subword)
    values["model"]["embedding"] |= {"source_vectors": None, "target_vectors": None}
    mix = request.mix if len(values["data"]["train"]) > 1 else 1.0
    batches_per_pass = sets.counts["train"] / mix / _pairs_per_batch(old, vocabularies, corpora["train"])
    steps = request.steps or max(MIN_STEPS, round(passes * batches_per_pass))
    values["training"] |= _training_keys(old.training, request.model, steps)
    return override(values, request.overrides, f"the configuration of {run.folder}")


def _find_base(model: Path) -> Run:
    """Return the run to adapt. Raise `NmtError` if it has no weights to train, or its training has not ended."""
    base, name, _ = find_run(model)
    base.check_not_exported("adapt the model")
    checkpoint = base.checkpoint(name)
    if not base.finished.exists() and model.parent.name != "checkpoints":
        raise NmtError(
            f"{base.folder}: its training has not ended; finish it with nmt train --resume, or give the checkpoint to "
            f"start from: {checkpoint}"
        )
    return base


def _choose_tag(tag: str, old: Config) -> str | None:
    """Return the tag of the new text. Raise `NmtError` if the model has several and the user chose none of them."""
    known = old.data.training_tags
    if tag and tag not in old.data.tags:
        names = ", ".join(old.data.tags) or "none"
        raise NmtError(f"--tag {tag}: this model was not trained with it; its tags are: {names}")
    if not tag and len(known) > 1 and "" not in known:
        raise NmtError(f"this model has several translation directions: choose one with --tag ({', '.join(known)})")
    return tag or (known[0] if len(known) == 1 else "") or None


def _write_text(
    request: TuningRequest, old: Config, folder: Path, tag: str | None
) -> tuple[MadeSets, dict[str, dict[str, Any]]]:
    """Write the sets of the new text. Return them, and the corpus of each as values of the configuration."""
    # A tag stands for the languages of its corpus.
    known = next((one for one in old.data.train if tag is not None and one.tag == tag), Corpus(tsv=Path()))
    own = {"source_language": known.source_language, "target_language": known.target_language}
    languages = known.source_language or old.data.source_language, known.target_language or old.data.target_language
    one, other = ("" if code in ("src", "tgt") else code for code in languages)  # the defaults name no languages
    with build_folder(folder, lambda: False) as partial:
        assert partial is not None  # the folder is always made again
        sets = make_sets(request.pairs, partial, (one, other), request.valid, request.test)
        _check_languages(sets.reader, (one, other), request.model)
    logger.info("new text: " + ", ".join(f"{count:,} pairs for {name}" for name, count in sets.counts.items()))
    keys = ("source", "target")
    corpora: dict[str, dict[str, Any]] = {}
    for name in sets.counts:
        files = {key: str(folder / f"{name}.{side}") for key, side in zip(keys, sets.sides, strict=True)}
        corpora[name] = {**files, "tag": tag, **(own if name == "train" else {})}
    return sets, corpora


def _check_languages(reader: PairReader, languages: Sequence[str], model: Path) -> None:
    """Raise `NmtError` if a side of the new text is surely in another language than that of the model."""
    for side, column, code in zip(
        ("source", "target"), (reader.layout.source, reader.layout.target), languages, strict=True
    ):
        found, expected = column.language, parse_code(code).language
        if found.code and expected and found.share >= _MIN_SHARE and parse_code(found.code).language != expected:
            raise NmtError(
                f"{reader.name}: the {side} is {found}, but {model} translates from {languages[0]} to {languages[1]}; "
                "give text in these languages, the source first"
            )


def _unseen_share(base: Run, old: Config, train: dict[str, Any]) -> float:
    """Return the share of the source words of the new text that the model has not seen; 0 if it is not known."""
    known = read_training_words([base.words], old.data.source_language)
    if known is None:
        return 0.0
    read = islice(read_pairs(Corpus.model_validate(train), []), _MEASURED_PAIRS)
    found = [known.unseen(normalize(source, old.data)) for source, _ in read]
    return sum(len(unseen) for _, unseen in found) / max(1, sum(words for words, _ in found))


def _amounts(request: TuningRequest, known: Vocabularies, unseen: float) -> tuple[int, int]:
    """Return how many new subwords are added at most, and the passes over the new text.

    `unseen` is the share of its words that the model has not seen. Log what it decides if the text is far.
    """
    if unseen < FAR_SHARE:
        return request.new_subwords or 0, PASSES
    new_subwords, decided = request.new_subwords or 0, []
    can_extend = request.extends and all(one.kind in EXTENSIBLE for one in (known.source, known.target))
    if request.new_subwords is None and can_extend:
        new_subwords = FAR_SUBWORDS
        decided.append(f"up to {FAR_SUBWORDS:,} new subwords")
    if request.steps is None:
        decided.append(f"{FAR_PASSES} passes over the new text")
    what = f": {' and '.join(decided)}" if decided else ""
    logger.info(f"{unseen:.0%} of the words of the new text are new to the model{what}")
    return new_subwords, FAR_PASSES


def _extend(extends: bool, new_subwords: int, old: Vocabularies, config: Config, train: dict[str, Any]) -> Vocabularies:
    """Return the vocabularies with entries for what the new text needs."""
    if not extends:
        return old
    read = islice(read_pairs(Corpus.model_validate(train), []), _COUNTED_PAIRS)
    pairs = [(normalize(source, config.data), normalize(target, config.data)) for source, target in read]
    vocabularies, found = extend_vocabularies(old, pairs, new_subwords)
    for side, new in zip(("source", "target"), found, strict=False):
        name = "vocabulary" if old.is_joint else f"{side} vocabulary"
        logger.info(f"{name}: {_describe(new, old.source.kind)}")
    return vocabularies


def _describe(new: NewPieces, kind: str) -> str:
    pieces = [piece.removeprefix(SPACE) for piece, _ in new.needed]
    shown = " ".join(pieces[:_SHOWN_PIECES]) + " …" * (len(pieces) > _SHOWN_PIECES)
    words = "words" if kind == "word" else "characters"
    subwords = f", and {len(new.frequent):,} frequent subwords" if new.frequent else ""
    return f"{len(pieces):,} new {words}{f' ({shown})' if pieces else ''}{subwords}"


def _data_keys(request: TuningRequest, old: Config, corpora: dict[str, dict[str, Any]], pairs: int) -> dict[str, Any]:
    """Return the keys of the section `data` that change; `pairs` is the number of new training pairs."""
    data, name = old.data, old.name if old.name not in ("test", "valid", "all") else f"old-{old.name}"
    replayed = [corpus for corpus in data.train if _exists(corpus, "training text", request.mix < 1)]
    train = []
    if request.mix < 1 and replayed:
        sizes = [inspect_file(corpus_paths(corpus)[0]).lines for corpus in replayed]
        old_pairs = sum(size * corpus.weight for size, corpus in zip(sizes, replayed, strict=True))
        factor = pairs * (1 - request.mix) / request.mix / max(1, old_pairs)
        train = [
            corpus.model_dump(mode="json") | {"weight": float(f"{corpus.weight * factor:.4g}")} for corpus in replayed
        ]
        logger.info(f"replay: {request.mix:.0%} of the training pairs are new, the others old text")
    elif request.mix < 1:
        logger.warning(
            "no old training text is left to replay: the model trains on the new text alone, and is then likely to "
            "forget the old domain; put the files back, or raise the number of validations and stop early"
        )
    more_valid = {name: data.valid, **data.more_valid}
    tests = {(name if key == "test" else key): corpus for key, corpus in data.test.items()}
    return {
        "train": [*train, corpora["train"]],
        "valid": corpora["valid"],
        "more_valid": {key: one.model_dump(mode="json") for key, one in more_valid.items() if _exists(one, key)},
        "test": {
            **({"test": corpora["test"]} if "test" in corpora else {}),
            **{key: one.model_dump(mode="json") for key, one in tests.items() if _exists(one, key)},
        },
        "prepared": None,
    }


def _exists(corpus: Corpus, what: str, warns: bool = True) -> bool:
    """Return whether the files of a corpus exist, and warn if not."""
    missing = next((path for path in corpus_paths(corpus) if not path.is_file()), None)
    if missing is not None and warns:
        logger.warning(f"{missing}: no such file in {Path.cwd()}; the old {what} is left out")
    return missing is None


def _pairs_per_batch(old: Config, vocabularies: Vocabularies, train: dict[str, Any]) -> float:
    """Return about how many new pairs a batch would have if it had no others."""
    if old.training.sentences_per_batch:
        return float(old.training.sentences_per_batch)
    pairs = islice(read_pairs(Corpus.model_validate(train), []), _MEASURED_PAIRS)
    targets = [normalize(target, old.data) for _, target in pairs]
    tokens = sum(map(len, vocabularies.target.encode(targets))) + len(targets)
    return (old.training.tokens_per_batch or DEFAULT_TOKENS) / tokens * len(targets)


def _training_keys(old: Training, model: Path, steps: int) -> dict[str, Any]:
    """Return the keys of the section `training` that change.

    The schedule is short and ends at a learning rate of zero. What belongs to a first training is off: scheduled
    sampling, averaging of the last checkpoints, a late coverage loss.
    """
    defaults = (
        "schedule", "min_learning_rate", "plateau_factor", "plateau_patience", "objective", "risk_samples",
        "risk_sharpness", "teacher_forcing", "teacher_decay", "teacher_floor", "coverage_after", "average_last",
    )  # fmt: skip
    return {
        **{key: Training.model_fields[key].default for key in defaults},
        "init_from": str(model),
        "max_steps": steps,
        "learning_rate": float(f"{old.learning_rate * LEARNING_RATE_FACTOR:.4g}"),
        "warmup_steps": round(_WARMUP_SHARE * steps),
        "validate_every": max(1, steps // VALIDATIONS),
        "save_every": max(1, steps // VALIDATIONS),
        "patience": PATIENCE,
    }
