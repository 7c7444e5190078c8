"""Write the configuration of a corpus as YAML with comments that say what each setting is and why it was chosen."""

import json
import math
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from nmt.corpora.facts import CorpusFacts, SideFacts
from nmt.corpora.identification import script_of
from nmt.corpora.settings import Settings
from nmt.data.language_names import language_name
from nmt.data.languages import parse_language

_WIDTH = 120
_COMMENT_COLUMN = 44
_MANY_CHARACTERS = 500
"""Different characters from which on the rarest ones get no entry of the vocabulary."""
_BYTES = 256


@dataclass(frozen=True)
class ConfigFacts:
    """What the configuration of a corpus depends on."""

    name: str
    """Of the run."""
    file: str
    """The YAML file."""
    command: str
    """The command that writes it."""
    folder: str
    """Folder of the training, validation and test sets, as the configuration writes it."""
    sides: tuple[str, str]
    """Suffixes of the files in the folder."""
    counts: dict[str, int]
    """Number of pairs of `train`, `valid` and `test`; a test set may be missing."""
    pairs: int
    """About how many training pairs the filters leave."""
    facts: CorpusFacts
    settings: Settings


def write_config(about: ConfigFacts) -> str:
    """Return the YAML text."""
    facts = about.facts
    source, target = facts.source.language, facts.target.language
    title = f"{language_name(source)} to {language_name(target)}, {facts.pairs:,} pairs."
    lines = [
        f"# {title} Written by: {about.command}",
        f"# Train: nmt train --config {about.file}    Every key with its default: nmt config keys",
        "# Edit this file as you like: it is never overwritten without --force.",
        _line(0, "name", about.name, f"the run folder is runs/{about.name}"),
        *_data(about),
        *_subword(about),
        *_model(about),
        *_training(about),
        "decoding:",
        _line(1, "beam_size", 5, "1 is greedy search: half the time, about 1 BLEU less"),
        _line(
            1, "length_penalty", "average", "scores are means per token, so that short translations are not favoured"
        ),
    ]
    return "".join(f"{line}\n" for line in lines)


def _data(about: ConfigFacts) -> Iterator[str]:
    facts = about.facts
    source, target = facts.source, facts.target
    yield "data:"
    yield _line(1, "source_language", source.language, language_name(source.language))
    yield _line(1, "target_language", target.language, f"{language_name(target.language)}; {_bleu(target)}")
    for part, what in (
        ("train", "before the filters below"),
        ("valid", "chooses the best checkpoint; shares no sentence with the training text"),
        ("test", "for nmt evaluate --split test; shares no sentence with the others"),
    ):
        if part in about.counts:
            files = {
                side: f"{about.folder}/{part}.{suffix}"
                for side, suffix in zip(("source", "target"), about.sides, strict=True)
            }
            indent, key = (2, "test") if part == "test" else (1, part)
            if part == "test":
                yield "  test:"
            yield f"{'  ' * (indent)}# {about.counts[part]:,} pairs: {what}"
            yield f"{'  ' * indent}{key}: {_flow(files)}"
    if source.is_lowercase and target.is_lowercase:
        yield _line(1, "lowercase", True, "the corpus has no capitals, so text to translate is lower-cased too")
    if source.is_tokenized or target.is_tokenized:
        yield _comment(1, "The corpus is tokenised (spaces before punctuation): also tokenise the text to translate.")
    if facts.has_entities:
        reason = f"{facts.entities:,} pairs have HTML entities such as &amp;"
        yield _line(1, "unescape_html", True, reason)
    yield "  filters:"
    yield _line(2, "empty", True, f"drops pairs with an empty side: {_found(facts.empty)}")
    yield _line(2, "duplicates", True, f"drops repeated pairs: {_found(facts.duplicates)}")
    if facts.has_copy_noise:
        yield _line(2, "copies", True, f"{facts.untranslated:,} long sentences are not translated")
    elif facts.identical:
        reason = f"{facts.identical:,} pairs with equal sides are kept: few, or names and short texts"
        yield _line(2, "copies", False, reason)
    reason = f"drops pairs whose lengths differ by a larger factor (usual {facts.ratio:.1f})"
    yield _line(2, "max_ratio", facts.ratio_limit, f"{reason}: {_found(facts.ratio_outliers)}")
    longest = max(source.longest, target.longest)
    if longest > 1000:
        reason = f"characters of a side; 99 % of the sentences have at most {longest:,}"
        yield _line(2, "max_characters", 2 * longest, reason)


def _found(count: int) -> str:
    return f"{count:,} here" if count else "none here"


def _bleu(target: SideFacts) -> str:
    language = parse_language(target.language)
    if target.is_tokenized:
        return "BLEU on tokenised text: nmt score --tokenize none"
    tokenizer = {"zh": "zh", "ja": "ja-mecab", "ko": "ko-mecab"}.get(
        "zh" if language.script == "Hani" else language.base, "13a" if language.has_spaces else "char"
    )
    return f"chooses BLEU's tokeniser, {tokenizer}"


def _is_joint(about: ConfigFacts) -> bool:
    """Return whether the languages share their letters, and thus names and other words."""
    source, target = (side.language for side in (about.facts.source, about.facts.target))
    return script_of(source) == script_of(target)


def vocabulary_size(about: ConfigFacts) -> tuple[int, str]:
    """Return the number of subwords and the reason: by the number of pairs, but enough for all characters."""
    size, pairs = about.settings.row.vocab_size, about.pairs
    sides = about.facts.source.characters, about.facts.target.characters
    characters = sum(sides) if _is_joint(about) else max(sides)
    needed = math.ceil((characters * 1.5 + _BYTES) / 500) * 500
    if needed > size:
        return needed, f"{characters:,} characters and {_BYTES} bytes need entries, besides words"
    return size, f"for {pairs:,} pairs: frequent words get one entry, rare ones are split"


def _subword(about: ConfigFacts) -> Iterator[str]:
    yield "subword:"
    yield _line(1, "kind", "bpe", "byte pair encoding (Sennrich 2016)")
    if _is_joint(about):
        yield _line(1, "joint", True, "both languages use the same letters and share names and numbers")
    else:
        yield _line(1, "joint", False, "the languages have different scripts, so each has its own vocabulary")
    size, reason = vocabulary_size(about)
    yield _line(1, "vocab_size", size, reason)
    if sampling := about.settings.row.sampling:
        yield _line(1, "sampling", sampling, "splits words differently in each epoch, which counters overfitting")
    sides = about.facts.source, about.facts.target
    most = max(side.characters for side in sides)
    if most > _MANY_CHARACTERS:
        yield _line(
            1, "character_coverage", 0.9995, f"the text has {most:,} characters or more; rare ones become bytes"
        )
    yield _line(1, "byte_fallback", True, "an unknown character is encoded as bytes, never lost")


def _model(about: ConfigFacts) -> Iterator[str]:
    pairs = f"{about.pairs:,}"
    reasons = {
        "embedding": "all: source, target and output share one matrix; fewer weights to learn",
        "encoder": f"units for {pairs} pairs; more of them learn the training text by heart",
        "attention": "which source tokens a target token depends on",
        "decoder": "",
        "dropout": "more of it counters overfitting (nmt doctor RUN finds that), but learning takes longer",
    }
    tie = "all" if _is_joint(about) else "target"
    if tie == "target":
        reasons["embedding"] = "target: target embedding and output layer share one matrix"
    yield "model:"
    for key, values in about.settings.row.model.items():
        yield _line(1, key, {**values, "tie": tie} if key == "embedding" else values, reasons.get(key, ""))


def _training(about: ConfigFacts) -> Iterator[str]:
    chosen = about.settings
    hours = f"{chosen.hours:.1f} hours" if chosen.hours >= 1.5 else _minutes(chosen.hours)
    if chosen.hours > 72:
        hours = f"{chosen.hours / 24:.0f} days; use a GPU, or less text"
    passes = f"about {chosen.row.epochs:g} passes over the training text"
    steps = f"{passes}; roughly {hours} on two CPU cores; nmt train --dry-run measures it"
    reasons = {
        "sentences_per_batch": "small batches: more steps, which small corpora need",
        "tokens_per_batch": "target tokens of a step",
        "learning_rate": "peak, after the warm-up",
        "ema_decay": "a moving average of the weights is validated and saved, which is better than the last weights",
    }
    yield "training:"
    yield _line(1, "max_steps", chosen.max_steps, steps)
    defaults = {"optimizer": "adamw", "schedule": "cosine", "label_smoothing": 0.1}
    for key, value in {
        **chosen.row.training,
        **{k: v for k, v in defaults.items() if k not in chosen.row.training},
    }.items():
        yield _line(1, key, value, reasons.get(key, ""))
    yield _line(1, "warmup_steps", chosen.warmup_steps, "")
    count = round(chosen.max_steps / chosen.validate_every)
    yield _line(1, "validate_every", chosen.validate_every, f"{count} validations in the whole run")
    yield _line(1, "save_every", chosen.validate_every, "steps between checkpoints")
    yield _line(1, "log_every", min(100, max(1, chosen.validate_every // 4)), "")


def _minutes(hours: float) -> str:
    minutes = max(1, round(60 * hours))
    return f"{minutes} minute{'s' * (minutes > 1)}"


def _line(indent: int, key: str, value: Any, comment: str) -> str:
    """Return `key: value  # comment`; a comment that does not fit comes before it."""
    text = f"{'  ' * indent}{key}: {_flow(value)}"
    if not comment:
        return text
    line = f"{text.ljust(_COMMENT_COLUMN)}  # {comment}"
    return line if len(line) <= _WIDTH else f"{_comment(indent, comment)}\n{text}"


def _comment(indent: int, text: str) -> str:
    prefix = f"{'  ' * indent}# "
    return "\n".join(textwrap.wrap(text, _WIDTH, initial_indent=prefix, subsequent_indent=prefix))


def _flow(value: Any) -> str:
    """Return a value as YAML on one line; a string is quoted if YAML would read it as something else, such as no."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {_flow(inner)}' for key, inner in value.items())}}}"
    if isinstance(value, str):
        is_plain = re.fullmatch(r"[\w./-]+", value) and yaml.safe_load(value) == value
        return value if is_plain else json.dumps(value, ensure_ascii=False)
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:g}" if isinstance(value, float) else str(value)
