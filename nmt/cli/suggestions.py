"""What to write in place of an option that a command does not have: a name of another toolkit, a key of the config.

Names are compared without leading dashes and with dashes for underscores: OpenNMT's `-beam_size` is beam-size.
"""

import difflib
import re
import shlex
from collections.abc import Collection, Sequence

MOST_KEYS = 6
"""Keys that one message names."""

_SCORES = ("--format json",)
_BATCH = ("--tokens-per-batch", "--set training.tokens_per_batch=N (or training.sentences_per_batch)")
OPTIONS: dict[str, tuple[str, ...]] = {
    "src": ("--input", "--source"),
    "tgt": ("--target", "--reference"),
    "ref": ("--reference",),
    "path": ("--model",),
    "models": ("--model",),
    "beam": ("--beam-size",),
    "num-beams": ("--beam-size",),
    "nbest": ("--n-best",),
    "nbest-size": ("--n-best",),
    "num-return-sequences": ("--n-best",),
    "lenpen": ("--alpha",),
    "length-penalty-alpha": ("--alpha",),
    "normalize": ("--alpha",),
    "beta": ("--coverage-penalty",),
    "block-ngram-repeat": ("--no-repeat-ngram",),
    "no-repeat-ngram-size": ("--no-repeat-ngram",),
    "replace-unk": ("--replace-unknown",),
    "ban-unk-token": ("--forbid-unknown",),
    "max-len-a": ("--max-length-ratio",),
    "max-length-factor": ("--max-length-ratio",),
    "sampling": ("--sample",),
    "do-sample": ("--sample",),
    "output-sampling": ("--sample",),
    "sampling-topk": ("--sample --top-k",),
    "sampling-topp": ("--sample --top-p",),
    "random-sampling-topk": ("--sample --top-k",),
    "random-sampling-topp": ("--sample --top-p",),
    "random-sampling-temp": ("--sample --temperature",),
    "tgt-prefix": ("--prefix-file",),
    "report-align": ("--alignments",),
    "print-alignment": ("--alignments",),
    "alignment": ("--alignments",),
    "with-score": _SCORES,
    "with-scores": _SCORES,
    "batch-size": _BATCH,
    "mini-batch": _BATCH,
    "gpu": ("--device cuda", "--set training.device=cuda"),
    "gpuid": ("--device cuda", "--set training.device=cuda"),
    "devices": ("--device cuda", "--set training.device=cuda"),
    "cpu": ("--device cpu", "--set training.device=cpu"),
    "use-cpu": ("--device cpu", "--set training.device=cpu"),
    "train-from": ("--resume",),
    "train-steps": ("--set training.max_steps=N",),
    "max-update": ("--set training.max_steps=N",),
    "valid-steps": ("--set training.validate_every=N",),
    "valid-freq": ("--set training.validate_every=N",),
    "save-checkpoint-steps": ("--set training.save_every=N",),
    "save-freq": ("--set training.save_every=N",),
    "keep-checkpoint": ("--set training.keep_last=N",),
    "report-every": ("--set training.log_every=N",),
    "disp-freq": ("--set training.log_every=N",),
    "early-stopping": ("--set training.patience=N",),
    "lr": ("--set training.learning_rate=RATE",),
    "learn-rate": ("--set training.learning_rate=RATE",),
    "accum-count": ("--set training.accumulate=N",),
    "update-freq": ("--set training.accumulate=N",),
    "save-model": ("--set name=NAME",),
    "save-dir": ("--set name=NAME",),
}
"""Options of OpenNMT, Marian, fairseq, Sockeye and Hugging Face. Of what to write here, the first counts whose option
the command has."""

COMMANDS = {
    "build-vocab": "preprocess",
    "prepare": "preprocess",
    "generate": "translate",
    "interactive": "translate",
    "decode": "translate",
    "predict": "translate",
    "test": "evaluate",
    "rescore": "logprob",
}
"""Commands of other toolkits, and the one that does this here."""


def plain(name: str) -> str:
    """Return the name of an option as the tables have it."""
    return name.lstrip("-").replace("_", "-")


def foreign(name: str, known: Collection[str]) -> str | None:
    """Return what a command with the options `known` has in place of the option `name` of another toolkit."""
    return next((text for text in OPTIONS.get(plain(name), ()) if text.split(" ")[0] in known), None)


def near_option(name: str, known: Collection[str], cutoff: float = 0.6) -> str | None:
    """Return the option of `known` whose name is closest to `name`, None where none is close."""
    near = difflib.get_close_matches(f"--{plain(name)}", [each for each in known if each[:2] == "--"], 1, cutoff)
    return near[0] if near else None


def keys_named(name: str) -> list[str]:
    """Return the keys of the configuration that `name` may mean: whole, or the last part of them."""
    from nmt.reports.config_reference import keys  # slow to import

    wanted = re.sub(r"\bdata\.train\.(?!\d)", "data.train.0.", name.lstrip("-").replace("-", "_"))
    every = [key.name for key in keys()]
    if "." in wanted:
        return [wanted] if any(re.fullmatch(_pattern(key), wanted) for key in every) else []
    return [key for key in every if key.rpartition(".")[2] == wanted and not {"N", "NAME"} & set(key.split("."))]


def section_named(name: str) -> str | None:
    """Return the section of the configuration that is called `name`, None where there is none or are several."""
    from nmt.reports.config_reference import sections

    wanted = name.lstrip("-").replace("-", "_")
    found = {each.name for each in sections() if wanted in (each.name, each.name.rpartition(".")[2])}
    return found.pop() if len(found) == 1 else None


def near_key(name: str) -> str | None:
    """Return the key of the configuration that is closest to `name`, None where none is close."""
    from nmt.reports.config_reference import keys

    wanted = name.lstrip("-").replace("-", "_")
    found = {key.name if "." in wanted else key.name.rpartition(".")[2]: key.name for key in keys()}
    near = difflib.get_close_matches(wanted, found, 1, 0.75)
    return found[near[0]] if near else None


def setting(found: Sequence[str], value: str | None) -> str:
    """Return the `--set` options that give the keys `found` this value, joined by "or"."""
    written = [f"--set {shlex.quote(f'{key}={value}') if value else f'{key}=VALUE'}" for key in found[:MOST_KEYS]]
    return " or ".join([*written, *(["…"] if len(found) > MOST_KEYS else [])])


def near_command(name: str, known: Collection[str]) -> str | None:
    """Return the command of `known` that `name` may mean, None where none is close."""
    meant = COMMANDS.get(plain(name))
    if meant in known:
        return meant
    near = difflib.get_close_matches(plain(name), known, 1, 0.5)
    return near[0] if near else None


def _pattern(key: str) -> str:
    parts = {"N": r"\d+", "NAME": r"[^.]+"}
    return r"\.".join(parts.get(part, re.escape(part)) for part in key.split("."))
