"""Command-line options of BLEU, chrF and TER, as in sacreBLEU, and `-m`, which takes several metric names."""

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import click

from nmt.cli.options import Finite, combine_options
from nmt.cli.strict_parsing import Command, check_usage
from nmt.evaluation.metrics import DEFAULT_METRICS, METRICS, SMOOTH_METHODS, Scoring

scoring_options = combine_options(
    click.option("--lowercase", "-lc", is_flag=True, help="Ignore case in BLEU."),
    click.option("--smooth-method", type=click.Choice(SMOOTH_METHODS), help="Smoothing method of BLEU; default exp."),
    click.option(
        "--smooth-value", type=Finite(0.0), help="Value for --smooth-method floor (default 0.1) or add-k (default 1)."
    ),
    click.option(
        "--chrf-char-order", "-cc", type=click.IntRange(0, 50),
        help="Maximum character n-gram order of chrF; default 6.",
    ),
    click.option(
        "--chrf-word-order", "-cw", type=click.IntRange(0, 50), help="Maximum word n-gram order of chrF; default 0."
    ),
    click.option("--chrf-beta", type=click.IntRange(1, 1000), help="Weight of recall in chrF; default 2."),
    click.option("--chrf-lowercase", is_flag=True, help="Ignore case in chrF."),
    click.option("--chrf-whitespace", is_flag=True, help="Include white space in the character n-grams of chrF."),
    click.option("--chrf-eps-smoothing", is_flag=True, help="Smooth chrF like chrF++.py, NLTK and Moses."),
    click.option("--ter-normalized", is_flag=True, help="Normalise and tokenise for TER."),
    click.option(
        "--ter-asian-support", is_flag=True, help="With --ter-normalized, TER counts Chinese characters as words."
    ),
    click.option("--ter-no-punct", is_flag=True, help="Ignore punctuation in TER."),
    click.option("--ter-case-sensitive", is_flag=True, help="Distinguish case in TER."),
)  # fmt: skip
"""One option for each field of `Scoring` except the tokeniser, whose default differs between commands."""


def parse_scoring(given: dict[str, Any], tokenize: str, metrics: Sequence[str]) -> Scoring:
    """Return the scoring that `scoring_options` describe. Raise `click.UsageError` if an option would be ignored."""
    check_usage(
        (
            given["smooth_value"] is not None and given["smooth_method"] not in ("floor", "add-k"),
            "--smooth-value goes with --smooth-method floor or add-k",
        ),
        (
            given["chrf_word_order"] is not None and "chrf++" in metrics,
            "chrf++ is chrf with --chrf-word-order 2; give one of them",
        ),
        (
            given["chrf_char_order"] == 0 and not given["chrf_word_order"] and "chrf" in metrics,
            "--chrf-char-order 0 needs a --chrf-word-order",
        ),
        (
            given["ter_asian_support"] and not (given["ter_normalized"] or given["ter_no_punct"]),
            "--ter-asian-support changes nothing without --ter-normalized or --ter-no-punct",
        ),
    )
    names = [name for name in Scoring.__dataclass_fields__ if given.get(name) is not None and given[name] is not False]
    for prefix, metric in (("smooth", "bleu"), ("chrf", "chrf"), ("ter", "ter")):
        is_used = any(name.startswith(metric) for name in metrics)
        unused = [name for name in names if name.startswith(f"{prefix}_") and not is_used]
        check_usage((unused, f"--{''.join(unused[:1]).replace('_', '-')} goes with -m {metric}"))
    return Scoring(**{name: given[name] for name in names} | {"tokenize": tokenize})


def parse_metrics(given: Sequence[str]) -> list[str]:
    """Return the metrics of all `-m` options, or the default; a value may list several with commas or spaces."""
    names = [name for value in given for name in value.lower().replace(",", " ").split()]
    check_usage((given and not names, f"--metrics names none; choose from {', '.join(METRICS)}"))
    return list(dict.fromkeys(names)) or list(DEFAULT_METRICS)


class MetricsCommand(Command):
    """A command whose `-m` takes all metric names that follow it, as `-m` of sacreBLEU does: `-m bleu chrf ter`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Insert `-m` before each further name, then parse as usual."""
        return super().parse_args(ctx, list(self._insert_options(args)))

    def _insert_options(self, args: list[str]) -> Iterator[str]:
        options = [param for param in self.params if isinstance(param, click.Option) and not param.is_flag]
        names = {name for option in options for name in option.opts}
        rest = iter(args)
        option = ""  # the previous option, if it takes a value
        for argument in rest:
            if argument in names:
                option = argument
                yield from (argument, *itertools.islice(rest, 1))
            elif argument != "--" and option in ("-m", "--metrics") and _is_list_of_metrics(argument):
                yield from (option, argument)
            else:
                option = ""
                yield argument
                yield from rest if argument == "--" else ()


def _is_list_of_metrics(argument: str) -> bool:
    return all(name in METRICS for name in argument.lower().replace(",", " ").split() or [argument])
