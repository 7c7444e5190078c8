"""Suggest a remedy for an unknown option or command, including those of other toolkits and configuration keys.

Names are compared without leading dashes and with dashes instead of underscores: OpenNMT's `-beam_size` is beam-size.
"""

import re
import shlex
from collections.abc import Collection, Sequence

MAX_SUGGESTED_KEYS = 6

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
    "output-dir": ("--output",),
    "quantization": ("--precision",),
    "save-model": ("--set name=NAME",),
    "save-dir": ("--set name=NAME",),
}
"""Options of OpenNMT, Marian, fairseq, Sockeye and Hugging Face, and the equivalents here. The first equivalent whose
option the command has is suggested."""

COMMANDS = {
    "build-vocab": "preprocess",
    "prepare": "preprocess",
    "generate": "translate",
    "interactive": "translate",
    "decode": "translate",
    "predict": "translate",
    "test": "evaluate",
    "rescore": "logprob",
    "convert": "export",
    "release-model": "export",
}
"""Commands of other toolkits and their equivalents here."""


def normalize(name: str) -> str:
    """Return the name of an option or command as it is in the tables."""
    return name.lstrip("-").replace("_", "-")


def equivalent_option(name: str, known: Collection[str]) -> str | None:
    """Return the equivalent of the option `name` of another toolkit for a command that has the options `known`."""
    return next((text for text in OPTIONS.get(normalize(name), ()) if text.split(" ")[0] in known), None)


def similar_option(name: str, known: Collection[str], cutoff: float = 0.6) -> str | None:
    """Return the long option of `known` whose name is most similar to `name`, or None."""
    return _most_similar(f"--{normalize(name)}", [option for option in known if option.startswith("--")], cutoff)


def similar_command(name: str, known: Collection[str]) -> str | None:
    """Return the command of `known` that is equivalent or most similar to `name`, or None."""
    equivalent = COMMANDS.get(normalize(name))
    return equivalent if equivalent in known else _most_similar(normalize(name), known, 0.5)


def keys_named(name: str) -> list[str]:
    """Return the keys of the configuration whose full name or last part is `name`."""
    from nmt.reports.config_reference import keys  # slow to import

    wanted = re.sub(r"\bdata\.train\.(?!\d)", "data.train.0.", _key_name(name))
    names = [key.name for key in keys()]
    if "." in wanted:
        return [wanted] if any(re.fullmatch(_pattern(key), wanted) for key in names) else []
    return [key for key in names if key.rpartition(".")[2] == wanted and not {"N", "NAME"} & set(key.split("."))]


def section_named(name: str) -> str | None:
    """Return the section of the configuration whose full name or last part is `name`, or None if there is not one."""
    from nmt.reports.config_reference import sections

    wanted = _key_name(name)
    found = {each.name for each in sections() if wanted in (each.name, each.name.rpartition(".")[2])}
    return found.pop() if len(found) == 1 else None


def similar_key(name: str) -> str | None:
    """Return the key of the configuration whose full name or last part is most similar to `name`, or None."""
    from nmt.reports.config_reference import keys

    wanted = _key_name(name)
    found = {key.name if "." in wanted else key.name.rpartition(".")[2]: key.name for key in keys()}
    return found.get(_most_similar(wanted, found, 0.75) or "")


def set_options(keys: Sequence[str], value: str | None) -> str:
    """Return `--set` options that set `keys` to `value`, joined by "or"."""
    options = [f"--set {shlex.quote(f'{key}={value}') if value else f'{key}=VALUE'}" for key in keys]
    return " or ".join([*options[:MAX_SUGGESTED_KEYS], *(["…"] if len(keys) > MAX_SUGGESTED_KEYS else [])])


def _most_similar(name: str, known: Collection[str], cutoff: float) -> str | None:
    import difflib  # needed only if something is misspelt

    return next(iter(difflib.get_close_matches(name, known, 1, cutoff)), None)


def _key_name(name: str) -> str:
    return name.lstrip("-").replace("-", "_")


def _pattern(key: str) -> str:
    parts = {"N": r"\d+", "NAME": r"[^.]+"}
    return r"\.".join(parts.get(part, re.escape(part)) for part in key.split("."))
