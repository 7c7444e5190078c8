"""Evaluate one test set: read it, translate it, and compute loss, BLEU, chrF and TER."""

import dataclasses
import hashlib
import itertools
import json
import logging
import math
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nmt.config import Config, Corpus
from nmt.config.model_settings import ModelSettings
from nmt.data.corpus import corpus_paths, read_pairs
from nmt.data.lines import read_lines
from nmt.decoding.input_warnings import InputWarnings
from nmt.decoding.progress import Progress
from nmt.decoding.search_options import SearchOptions
from nmt.errors import NmtError
from nmt.evaluation.metrics import Named, Score, Scoring, check_lengths, corpus_scores
from nmt.storage.atomic_files import convert_write_errors, write_atomically
from nmt.storage.json_text import dump_json, parse_json

if TYPE_CHECKING:
    from nmt.decoding.translator import Translator

logger = logging.getLogger(__name__)
SAMPLES = 5
FOLDER_REMEDY = "choose another folder with --output"
DEFAULTS_OF_NEW_OPTIONS: dict[str, Any] = {
    "beam_prune": 0.0, "max_repeats": 0, "no_repeat_ngram": 0, "repetition_penalty": 1.0, "split_sentences": False,
}  # fmt: skip
"""Search options that saved results of older versions lack, with their defaults."""
UNSAVED_OPTIONS = {
    "tokens_per_batch", "window", "with_alignment", "return_all_finished", "distinct", "temperature", "top_k", "top_p",
    "seed",
}  # fmt: skip
"""Search options that change no translation of an evaluation."""


@dataclass(frozen=True)
class Split:
    """Source lines and their reference translations."""

    name: str
    source: Sequence[str]
    references: Sequence[Sequence[str]]
    """One or several, each as long as `source`; the loss is computed on the first."""
    files: tuple[str, ...]
    """The files of source and references."""
    tag: str = ""
    """Tag to add before each line, as in `config.Corpus`."""
    tag_remedy: str = "choose one with --tag"
    """What to do if it is missing."""

    @property
    def named_references(self) -> list[Named]:
        """The references with the names of their files, the last ones of `files`."""
        return list(zip(self.files[-len(self.references) :], self.references, strict=True))


@dataclass(frozen=True)
class Evaluation:
    """The result for one split."""

    split: Split
    hypotheses: tuple[str, ...]
    loss: float | None
    """Nats per subword token of the first reference, EOS included; None if all lines are left out."""
    target_tokens: int
    """Number of subword tokens in the loss, EOS included."""
    left_out: int
    """Number of lines not in the loss, because they are split when translated (`decoding.max_source_tokens`)."""
    scores: tuple[Score, ...]
    seconds: float
    """Time to translate, including subword encoding but not loading the model."""
    translated_tokens: int
    """Number of generated subword tokens, EOS included."""

    @property
    def length_ratio(self) -> float | None:
        """As in `Score`; None if BLEU is not among the scores."""
        return next((score.length_ratio for score in self.scores if score.length_ratio is not None), None)

    @property
    def perplexity(self) -> float | None:
        """The exponential of the loss; not finite if the loss is not."""
        if self.loss is None or not math.isfinite(self.loss):
            return self.loss
        return math.exp(min(self.loss, 700.0))


def read_split(config: Config, name: str, where: Path | None = None) -> Split:
    """Read `valid` or the test set `name` of the config; paths are relative to the working directory.

    Raises `NmtError` that names the known splits, or for a missing file its key in the config file `where`.
    """
    if name == "valid":
        corpus = config.data.valid
    elif name in config.data.test:
        corpus = config.data.test[name]
    else:
        known = ", ".join(split_names(config))
        raise NmtError(f"no split '{name}' in the configuration of {config.name}; there are: {known} (see data.test)")
    key = "data.valid" if name == "valid" else f"data.test.{name}"
    for path in corpus_paths(corpus):
        if not path.exists():
            raise NmtError(
                f"{path}: no such file; the path is {key} of {where or config.run / 'config.yaml'}, relative to the "
                f"working directory {Path.cwd()}: change to the right directory, or give files with "
                "--source FILE --reference FILE"
            )
    return split_of(name, corpus)


def read_splits(config: Config, name: str | None, where: Path) -> list[Split]:
    """Read the split `name`, all splits for "all", or the default split for None; see `read_split`."""
    name = name or default_split(config)
    return [read_split(config, each, where) for each in (split_names(config) if name == "all" else [name])]


def split_names(config: Config) -> list[str]:
    """Return the names of all splits."""
    return ["valid", *config.data.test]


def default_split(config: Config) -> str:
    """Return `test` if it exists, else the only test set. Raises `NmtError` if there are several."""
    names = list(config.data.test)
    if "test" in names or len(names) == 1:
        return "test" if "test" in names else names[0]
    there = ", ".join(split_names(config))
    raise NmtError(f"choose a test set: --split ({there}, all), or --source FILE --reference FILE")


def read_files(source: Path, references: Sequence[Path], tag: str = "") -> Split:
    """Read a test set that is not in the configuration. Raises `NmtError` if the files are not aligned."""
    lines = list(read_lines(source))
    truths = [list(read_lines(path)) for path in references]
    check_lengths([(str(source), lines)], [(str(path), truth) for path, truth in zip(references, truths, strict=True)])
    name = "".join(c if c.isalnum() or c in "._-" else "_" for c in source.name.removesuffix(".gz")).lstrip(".")
    return Split(name or "text", lines, truths, (str(source), *map(str, references)), tag)


def split_of(name: str, corpus: Corpus) -> Split:
    """Read a validation or test set of a configuration. Raises `NmtError` if it has no lines."""
    pairs = list(read_pairs(corpus))
    files = tuple(str(path) for path in (corpus.source, corpus.target, corpus.tsv) if path is not None)
    if not pairs:
        raise NmtError(f"{files[0]} has no lines; there is nothing to evaluate")
    sources, targets = [source for source, _ in pairs], [target for _, target in pairs]
    key = name if name == "valid" else f"test.{name}"
    remedy = f"set data.{key}.tag, or give the files with --source, --reference and --tag"
    return Split(name, sources, [targets], files, corpus.tag or "", remedy)


def evaluate(
    translator: "Translator",
    options: SearchOptions,
    split: Split,
    scoring: Scoring,
    warnings: InputWarnings | None = None,
) -> Evaluation:
    """Translate a split and score it.

    Log progress, a warning about pairs that the loss leaves out because their source is too long, and `warnings`.
    """
    sizes = translator.count_tokens(split.source)
    is_whole = [size <= options.max_source_tokens for size in sizes]
    pairs = itertools.compress(zip(split.source, split.references[0], strict=True), is_whole)
    left_out = len(is_whole) - sum(is_whole)
    if left_out:
        what = "the loss is without them" if any(is_whole) else "there is no loss, as no line is left"
        logger.warning(
            f"{split.name}: {left_out:,} of {len(is_whole):,} lines (the first is line "
            f"{is_whole.index(False) + 1:,}) have more than {options.max_source_tokens} source tokens "
            f"(--max-source-tokens) and are cut when they are translated; {what}"
        )
    total, count = 0.0, 0
    for _, values in translator.token_log_probs(pairs, options.tokens_per_batch, split.tag):
        total -= math.fsum(values)
        count += len(values)
    hypotheses, tokens, seconds = translate_split(translator, options, split)
    if warnings is not None:
        for number, (size, line) in enumerate(zip(sizes, split.source, strict=True)):
            warnings.check(number, size, line)
        warnings.finish()
    scores = corpus_scores(hypotheses, split.references, scoring=scoring)
    loss = total / max(1, count) if any(is_whole) or not left_out else None
    return Evaluation(split, tuple(hypotheses), loss, count, left_out, tuple(scores), seconds, tokens)


def translate_split(translator: "Translator", options: SearchOptions, split: Split) -> tuple[list[str], int, float]:
    """Return the best translation of each line of a split, the number of generated tokens, and the seconds it took."""
    start = time.perf_counter()
    hypotheses, tokens = [], 0
    with Progress(lambda lines: lines / len(split.source), split.name) as progress:
        search = options.changed(tag=split.tag)
        for result in translator.translate(split.source, options=search, on_batch=progress.advance):
            hypotheses.append(result.targets[0].text)
            tokens += len(result.targets[0].token_log_probs)
    return hypotheses, tokens, time.perf_counter() - start


def as_dict(
    evaluation: Evaluation,
    models: Sequence[str],
    weights: Sequence[str],
    options: SearchOptions,
    arithmetic: str,
) -> dict[str, Any]:
    """Return the result as it is printed as JSON and saved beside the hypotheses.

    `models` are the checkpoints as RUN/CHECKPOINT, several for an ensemble; `weights` are their checksums; `arithmetic`
    is engine, device and data type, e.g. `onnx cpu int8`.
    """
    split = evaluation.split
    rows = zip(split.source, evaluation.hypotheses, split.references[0], strict=True)
    return {
        "split": split.name,
        "files": list(split.files),
        "models": list(models),
        "weights": list(weights),
        "search": search_settings(options) | {"tag": split.tag},
        "sentences": len(split.source),
        "loss": evaluation.loss,
        "perplexity": evaluation.perplexity,
        "target_tokens": evaluation.target_tokens,
        "left_out_of_loss": evaluation.left_out,
        "scores": [{"name": s.name, "score": s.value, "signature": s.signature} for s in evaluation.scores],
        "length_ratio": evaluation.length_ratio,
        "seconds": evaluation.seconds,
        "sentences_per_second": len(split.source) / evaluation.seconds,
        "target_tokens_per_second": evaluation.translated_tokens / evaluation.seconds,
        "arithmetic": arithmetic,
        "samples": [list(row) for row, _ in zip(rows, range(SAMPLES), strict=False)],
    }


def search_settings(options: SearchOptions) -> dict[str, Any]:
    """Return the search options that can change a translation."""
    values = {key: value for key, value in dataclasses.asdict(options).items() if key not in UNSAVED_OPTIONS}
    if options.method == "greedy":
        values["beam_size"] = 1
    if options.method != "beam" or options.beam_size == 1:
        values["beam_prune"] = 0.0
    return values


def check_folder(folder: Path) -> None:
    """Create `folder`. Raises `NmtError` if `save` could not write to it, before any time is spent."""
    with convert_write_errors(folder, FOLDER_REMEDY):
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()


def save(evaluation: Evaluation, result: dict[str, Any], folder: Path, config: Config) -> Path:
    """Write the hypotheses and `result` to `folder` as SPLIT-CHECKPOINT-SEARCH.txt and .json; return the former.

    Search options that differ from the run's, and other files or weights of the same name, become part of the file
    name, so that only the result of the same evaluation is overwritten. Raises `NmtError` if the folder cannot be
    written.
    """
    search = "greedy" if result["search"]["method"] == "greedy" else f"beam{result['search']['beam_size']}"
    checkpoint = "+".join(model.rsplit("/", 1)[1] for model in result["models"])
    name = f"{result['split']}-{checkpoint}-{search}"
    usual = search_settings(SearchOptions.of(ModelSettings.of(config)))
    named = ("method", "beam_size", "tag", *(["beam_prune"] if search in ("greedy", "beam1") else []))
    other = {k: v for k, v in result["search"].items() if k not in named and v != usual[k]}
    if other:
        name += "".join(f"-{key.replace('_', '-')}-{value}" for key, value in sorted(other.items())).lower()
    identity = _identity(result)
    if _is_other(folder / f"{name}.json", identity):
        name += "-" + hashlib.sha256(identity.encode()).hexdigest()[:6]
    contents = {
        ".txt": "".join(f"{line}\n" for line in evaluation.hypotheses),
        ".json": dump_json(result, indent=1, ensure_ascii=False) + "\n",
    }
    for suffix, content in contents.items():
        write_atomically(folder / f"{name}{suffix}", content, FOLDER_REMEDY)
    return folder / f"{name}.txt"


def _identity(result: dict[str, Any]) -> str:
    """Return a text that identifies the evaluation: models, files, options and metrics."""
    wanted = {key: result[key] for key in ("files", "models", "weights", "arithmetic")}
    wanted["search"] = {**DEFAULTS_OF_NEW_OPTIONS, **result["search"]}
    return json.dumps({**wanted, "signatures": [score["signature"] for score in result["scores"]]}, sort_keys=True)


def _is_other(path: Path, identity: str) -> bool:
    """Return whether `path` holds the result of another evaluation."""
    try:
        return _identity(parse_json(path.read_text(encoding="utf-8"))) != identity
    except FileNotFoundError:
        return False
    except (OSError, ValueError, KeyError, TypeError):
        return True
