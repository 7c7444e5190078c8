"""Command-line options of the search (--beam-size, --n-best, --sample, ...), one for each field of `SearchOptions`."""

import itertools
import math
import re
from collections.abc import Callable, Sequence
from typing import Any

import click

from nmt.cli.options import Command, Finite, combine_options, exclude, flag
from nmt.cli.strict_parsing import check_usage
from nmt.config.model_settings import ModelSettings
from nmt.decoding.search_options import FIELDS, Range, SearchOptions, constraints_of
from nmt.errors import NmtError


def _option(name: str, *short: str, **attributes: Any) -> Callable[[Command], Command]:
    """Return the decorator that adds the option for a field of `SearchOptions`, which validates the value."""
    return click.option(flag(name), *short, type=type_of(name), **attributes)


def type_of(name: str) -> "click.ParamType[Any]":
    """Return the click type for the annotation and the constraints of a field."""
    (kind, *_), choices, bounds = constraints_of(name)
    if choices:
        return click.Choice(choices)
    bounds = bounds or Range(-math.inf)
    if kind is int:
        low, high = (None if math.isinf(bound) else int(bound) for bound in (bounds.low, bounds.high))
        return click.IntRange(low, high, min_open=bounds.is_open)
    return Finite(bounds.low, min(bounds.high, 1_000_000), is_open=bounds.is_open)


beam_size = _option("beam_size", "-b", help="Hypotheses kept per sentence; 1 is greedy search.")

search = combine_options(
    beam_size,
    click.option("--greedy", is_flag=True, help="Take the most probable token at each step."),
    _option("length_penalty", help="Divisor of the log-probability in the score."),
    _option("alpha", help="Exponent of the length penalty."),
    _option("coverage_penalty", help="Beta of GNMT's coverage penalty; 0 is off."),
    _option(
        "beam_prune", metavar="NATS",
        help="Drop hypotheses that are this far below the best of the sentence, which saves time on the CPU; 0 is off.",
    ),
    _option(
        "max_repeats", metavar="N",
        help="Do not generate a phrase more than N times in a row, unless the source does so; 0 is off.",
    ),
    _option(
        "no_repeat_ngram", metavar="N",
        help="Do not generate a sequence of N subword tokens twice in a translation; 0 is off.",
    ),
    _option(
        "repetition_penalty", metavar="P",
        help="Multiply the log-probability of tokens that a translation already contains by P, e.g. 1.2; 1 is off.",
    ),
    _option("min_length", help="Minimum number of target tokens."),
    _option(
        "max_source_tokens", metavar="N",
        help="Split longer lines into parts of at most N source tokens, at sentence ends if possible.",
    ),
    _option("max_length_ratio", help="Maximum number of target tokens per source token."),
    click.option(
        "--replace-unknown/--keep-unknown", default=None,
        help="Replace an unknown target word by the source word that it attends to.",
    ),
    click.option("--forbid-unknown", is_flag=True, default=None, help="Never generate the unknown token."),
    _option("tokens_per_batch", help="Source tokens per batch, counted once per hypothesis."),
    _option("window", help="Lines that are read ahead and sorted by length."),
    _option(
        "shortlist", metavar="N",
        help="Generate only the N most likely target tokens of each source token, and frequent tokens; 0 is off. "
        "Saves time if the vocabulary is large.",
    ),
)  # fmt: skip

SAMPLING = ("temperature", "top_k", "top_p", "seed")
"""Options that only `--sample` uses."""

sampling = combine_options(
    click.option("--sample", is_flag=True, help="Draw each token at random."),
    _option("temperature", help="Below 1 makes probable tokens more probable; default 1."),
    _option("top_k", help="Draw from the K most probable tokens; default 0, from all."),
    _option("top_p", help="Draw from the fewest tokens with this total probability; default 1, from all."),
    click.option("--seed", type=int, help="Seed of the draws; default 1."),
    click.option(
        "--n-best", "-n", type=click.IntRange(1, 10_000), default=1, show_default=True,
        help="Translations printed for each line.",
    ),
    click.option(
        "--distinct/--no-distinct", default=None,
        help="Print only the best of several translations of a line with the same text; default, except with --sample.",
    ),
)  # fmt: skip


def check(given: dict[str, Any]) -> None:
    """Raise `click.UsageError` if options of the search contradict each other, or one of them would be ignored."""
    of_beam = itertools.product(("greedy", "sample"), ("beam_size", "beam_prune"))
    for one, other in [("greedy", "sample"), ("sample", "max_repeats"), *of_beam]:
        exclude(given, one, other)
    check_usage(
        (
            given["length_penalty"] == "none" and given["alpha"] is not None,
            "--alpha has no effect with --length-penalty none; leave it out",
        ),
        (
            given["greedy"] and given.get("n_best", 1) > 1,
            "--greedy gives one translation; for --n-best leave it out, or draw with --sample",
        ),
        *((given.get(name) is not None and not given["sample"], f"{flag(name)} needs --sample") for name in SAMPLING),
    )


def search_options(given: dict[str, Any], models: Sequence[ModelSettings], **values: Any) -> SearchOptions:
    """Return the `decoding` section of the first model, with the values of the command line and `values`.

    Raise `NmtError` that names the options as they are written on the command line.
    """
    fields = {name: value for name, value in given.items() if name in FIELDS}
    method = "greedy" if given.get("greedy") else "sample" if given.get("sample") else "beam"
    try:
        options = SearchOptions.of(*models).changed(method=method, **fields | values)
        options.check_source_length(models)
    except NmtError as error:
        raise NmtError(re.sub(r"\b[a-z]+(_[a-z]+)+\b", _flag_of_field, str(error))) from None
    return options


def _flag_of_field(name: re.Match[str]) -> str:
    return flag(name[0]) if name[0] in FIELDS else name[0]
