"""Options that several commands share."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])


class Finite(click.FloatRange):
    """A float that is a number and not too large to count with; with `above`, more than the `least`."""

    def __init__(self, least: float, most: float = 1e6, above: bool = False) -> None:
        super().__init__(least, most, min_open=above)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """See `click.ParamType.convert`."""
        number: float = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{value!r} is not a number", param, ctx)
        return number


FILE = click.Path(path_type=Path)


def together(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Return one decorator that adds `options`, in this order in the help text."""

    def add(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return add


def _set_once(ctx: click.Context, param: click.Parameter, overrides: tuple[str, ...]) -> tuple[str, ...]:
    """Raise `click.UsageError` where one of the overrides KEY=VALUE undoes an earlier one."""
    earlier: list[tuple[str, str]] = []
    for override in overrides:
        key = override.partition("=")[0].replace("data.train.0.", "data.train.")
        for other, text in earlier:
            if f"{other}.".startswith(f"{key}.") and text != override:
                raise click.UsageError(f"--set {override} undoes --set {text}; leave one of them out", ctx)
        earlier.append((key, override))
    return overrides


def config_file(help_text: str = "YAML file of the run.") -> Callable[[Command], Command]:
    """Return the decorator that adds `--config`."""
    return click.option("-c", "--config", "path", type=FILE, required=True, help=help_text)


def overrides(example: str) -> Callable[[Command], Command]:
    """Return the decorator that adds `--set`, with an `example` in its help."""
    return click.option(
        "--set", "overrides", multiple=True, metavar="KEY=VALUE", callback=_set_once,
        help=f"Override a key, e.g. {example}; each key once.",
    )  # fmt: skip


model = together(
    click.option(
        "--model", "-m", "models", type=FILE, multiple=True, metavar="RUN",
        help="Run folder, or a checkpoint folder inside one; several make an ensemble. Default: $NMT_MODEL, else the "
        "newest finished run under runs/.",
    ),
    click.option("--checkpoint", help="best, last, averaged or step-N; default best."),
)  # fmt: skip

tag = click.option(
    "--tag",
    default="",
    help="Put this token before each line that has none, e.g. <2de>; a model of several directions needs one.",
)

beam_size = click.option("--beam-size", "-b", type=click.IntRange(1, 10_000), help="Hypotheses kept; 1 is greedy.")

search = together(
    beam_size,
    click.option("--greedy", is_flag=True, default=None, help="Take the most probable token at each step."),
    click.option(
        "--length-penalty", type=click.Choice(["none", "average", "gnmt"]), help="What scores are divided by."
    ),
    click.option("--alpha", type=Finite(0.0, 10.0), help="Exponent of the length penalty."),
    click.option("--coverage-penalty", type=Finite(0.0), help="Beta of GNMT's coverage penalty; 0 is off."),
    click.option(
        "--beam-prune", type=Finite(0.0), metavar="NATS",
        help="Drop hypotheses so far below a sentence's best, which saves time on a processor; 0 is off.",
    ),
    click.option(
        "--no-repeat-ngram", type=click.IntRange(0, 10_000), metavar="N",
        help="Generate no sequence of N subword tokens twice in a translation; 0 is off.",
    ),
    click.option(
        "--repetition-penalty", type=Finite(1.0, 100.0), metavar="P",
        help="Choose tokens that a translation has already by P times their log-probability, e.g. 1.2; 1 is off.",
    ),
    click.option("--min-length", type=click.IntRange(0, 10_000), help="Fewest target tokens."),
    click.option(
        "--max-source-tokens", type=click.IntRange(1), metavar="N",
        help="Cut longer lines into parts of at most N source tokens, at the ends of sentences if possible.",
    ),
    click.option("--max-length-ratio", type=Finite(0.0, 100.0), help="Most target tokens for each source token."),
    click.option(
        "--replace-unknown/--keep-unknown", default=None,
        help="Copy the source word that an unknown target word attends to.",
    ),
    click.option("--forbid-unknown", is_flag=True, default=None, help="Never generate the unknown token."),
    click.option("--tokens-per-batch", type=click.IntRange(1), help="Source tokens decoded at once, times the beam."),
    click.option("--window", type=click.IntRange(1, 1 << 20), help="Lines read ahead and sorted by length."),
    click.option(
        "--shortlist", type=click.IntRange(0, 64), metavar="N",
        help="Generate only the N likeliest target tokens of each source token, and common ones; 0 is off. "
        "Saves time where the vocabulary is large.",
    ),
)  # fmt: skip

SEARCH = (
    "beam_size", "length_penalty", "alpha", "coverage_penalty", "beam_prune", "no_repeat_ngram", "repetition_penalty",
    "min_length", "max_source_tokens", "max_length_ratio", "replace_unknown", "forbid_unknown", "tokens_per_batch",
    "window",
)  # fmt: skip
"""Which of them are fields of `decoding.translator.Settings` or of its `search`."""


def exclude(given: dict[str, Any], one: str, other: str) -> None:
    """Refuse two options that contradict each other."""
    if given[one] not in (None, False) and given[other] not in (None, False):
        flags = [f"--{name.replace('_', '-')}" for name in (one, other)]
        raise click.UsageError(f"{flags[0]} and {flags[1]} exclude each other; give one")


def check_search(given: dict[str, Any]) -> None:
    """Refuse options of search of which one is not read."""
    exclude(given, "greedy", "beam_size")
    exclude(given, "greedy", "beam_prune")
    if given["length_penalty"] == "none" and given["alpha"] is not None:
        raise click.UsageError("--alpha has no effect with --length-penalty none; leave it out")


machine = together(
    click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True),
    click.option(
        "--precision", type=click.Choice(["auto", "fp32", "bf16", "int8"]), default="auto", show_default=True,
        help="Of matrix products; auto is bf16 where the hardware has it, int8 is for search on a processor.",
    ),
)  # fmt: skip

quiet = click.option("--quiet", "-q", is_flag=True, help="Say nothing on stderr but errors.")
