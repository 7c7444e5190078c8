"""sacreBLEU's options for BLEU, chrF and TER, which `nmt score` and `nmt evaluate` share, and `-m bleu chrf`."""

import itertools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from nmt.cli.options import Finite, together
from nmt.cli.strict_parsing import Command

if TYPE_CHECKING:
    from nmt.evaluation.metrics import Scoring

NAMES = ("bleu", "chrf", "chrf++", "ter")
"""`nmt.evaluation.metrics.METRICS`, which is not imported before it is needed."""
_SMOOTHED = ("floor", "add-k")

of_metrics = together(
    click.option("--lowercase", "-lc", is_flag=True, help="BLEU ignores case."),
    click.option(
        "--smooth-method", type=click.Choice(["exp", "floor", "add-k", "none"]), help="Smoothing of BLEU; default exp."
    ),
    click.option(
        "--smooth-value", type=Finite(0.0), help="Of --smooth-method floor (default 0.1) and add-k (default 1)."
    ),
    click.option("--chrf-char-order", "-cc", type=click.IntRange(0, 50), help="Longest n-grams of chrF; default 6."),
    click.option(
        "--chrf-word-order", "-cw", type=click.IntRange(0, 50), help="Longest n-grams of words in chrF; default 0."
    ),
    click.option("--chrf-beta", type=click.IntRange(1, 1000), help="Weight of recall in chrF; default 2."),
    click.option("--chrf-lowercase", is_flag=True, help="chrF ignores case."),
    click.option("--chrf-whitespace", is_flag=True, help="N-grams of chrF include white space."),
    click.option(
        "--chrf-eps-smoothing", is_flag=True, help="Smooth chrF as chrF++.py, NLTK and Moses do."
    ),
    click.option("--ter-normalized", is_flag=True, help="Normalise and tokenise for TER."),
    click.option(
        "--ter-asian-support", is_flag=True, help="With --ter-normalized, TER counts Chinese characters as words."
    ),
    click.option("--ter-no-punct", is_flag=True, help="TER ignores punctuation."),
    click.option("--ter-case-sensitive", is_flag=True, help="TER distinguishes case."),
)  # fmt: skip
"""All fields of `Scoring` but the tokeniser, whose default differs between commands."""


def scoring(given: dict[str, Any], tokenize: str, metrics: Sequence[str]) -> "Scoring":
    """Return how to compute `metrics` from the values of `of_metrics`; usage errors for what no metric reads."""
    from nmt.evaluation.metrics import Scoring

    smooth = given["smooth_method"] or Scoring.smooth_method
    if given["smooth_value"] is not None and smooth not in _SMOOTHED:
        raise click.UsageError("--smooth-value goes with --smooth-method floor or add-k")
    if given["chrf_word_order"] is not None and "chrf++" in metrics:
        raise click.UsageError("chrf++ is chrf with --chrf-word-order 2; give one of them")
    if given["chrf_char_order"] == 0 and not given["chrf_word_order"] and "chrf" in metrics:
        raise click.UsageError("--chrf-char-order 0 needs a --chrf-word-order")
    if given["ter_asian_support"] and not (given["ter_normalized"] or given["ter_no_punct"]):
        raise click.UsageError("--ter-asian-support changes nothing without --ter-normalized or --ter-no-punct")
    fields = Scoring.__dataclass_fields__
    named = {name: given[name] for name in fields if given.get(name) is not None and given[name] is not False}
    for prefix, metric in (("smooth", "bleu"), ("chrf", "chrf"), ("ter", "ter")):
        asked = [name for name in named if name.startswith(f"{prefix}_")]
        if asked and not any(name.startswith(metric) for name in metrics):
            raise click.UsageError(f"--{asked[0].replace('_', '-')} goes with -m {metric}")
    return Scoring(**{**named, "tokenize": tokenize})


def names_of_metrics(given: Sequence[str]) -> list[str]:
    """Return the metrics of all `-m`, each once: values may be repeated, and joined by commas or spaces."""
    wanted = [name for value in given for name in value.lower().replace(",", " ").split()]
    if given and not wanted:
        raise click.UsageError(f"--metrics names none; take some of {', '.join(NAMES)}")
    return list(dict.fromkeys(wanted))


class ManyMetrics(Command):
    """A command whose `-m` takes every name of a metric that follows it, as sacreBLEU's does: `-m bleu chrf ter`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put `-m` before each further name, then parse as always."""
        return super().parse_args(ctx, list(self._spread(args)))

    def _spread(self, args: list[str]) -> Iterator[str]:
        valued = {
            flag
            for parameter in self.params
            if isinstance(parameter, click.Option) and not parameter.is_flag
            for flag in parameter.opts
        }
        rest = iter(args)
        option = ""  # the last one that took a value
        for argument in rest:
            if argument == "--":
                yield argument
                yield from rest
            elif argument in valued:
                option = argument
                yield argument
                yield from itertools.islice(rest, 1)
            elif option in ("-m", "--metrics") and _is_a_list_of_names(argument):
                yield option
                yield argument
            else:
                option = ""
                yield argument


def _is_a_list_of_names(argument: str) -> bool:
    return all(name in NAMES for name in argument.lower().replace(",", " ").split() or [argument])
