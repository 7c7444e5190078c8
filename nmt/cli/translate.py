"""`nmt translate`: one line out for each line in."""

import functools
import itertools
import shlex
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from nmt.cli import options
from nmt.cli.options import FILE
from nmt.cli.strict_parsing import Command
from nmt.errors import NmtError

if TYPE_CHECKING:
    from nmt.config import Config
    from nmt.decoding.translator import Settings

OF_SAMPLING = ("temperature", "top_k", "top_p", "seed")
"""Options that only `--sample` reads."""


@click.command(cls=Command)
@options.model
@click.option(
    "--input", "-i", "source", type=FILE, help="Text to translate, one sentence a line, plain or .gz; default stdin."
)
@click.option(
    "--input-format", type=click.Choice(["text", "json"]), default="text", show_default=True,
    help='json: an object a line, such as {"source": "A dog."}; "prefix" and "tag" are for that line, and other keys '
    "are printed again with --format json.",
)  # fmt: skip
@click.option(
    "--output", "-o", type=FILE,
    help="Where to write; default stdout. Appears only when complete; until then finished lines are in OUTPUT.partial.",
)  # fmt: skip
@click.option(
    "--resume", is_flag=True,
    help="Go on after the finished lines of an interrupted translation to OUTPUT, with the same input, model and "
    "options; begin if there are none, and do nothing if OUTPUT is complete.",
)  # fmt: skip
@options.search
@click.option("--sample", is_flag=True, help="Draw each token at random.")
@click.option(
    "--temperature", type=options.Finite(0.0, above=True), help="Below 1 sharpens what is drawn from; default 1."
)
@click.option("--top-k", type=click.IntRange(0), help="Draw from the K most probable tokens; default 0, from all.")
@click.option(
    "--top-p", type=options.Finite(0.0, 1.0, above=True),
    help="Draw from the fewest tokens of this probability; default 1, from all.",
)  # fmt: skip
@click.option("--seed", type=int, help="Of the draws; default 1.")
@click.option(
    "--n-best", "-n", type=click.IntRange(1, 10_000), default=1, show_default=True,
    help="Translations printed for each line.",
)  # fmt: skip
@click.option(
    "--distinct/--no-distinct", default=None,
    help="Of translations of a line with the same text print the best only; default, but with --sample each draw.",
)  # fmt: skip
@click.option(
    "--format", "form", type=click.Choice(["text", "moses", "json"]), default="text", show_default=True,
    help="Of what is printed: translations; Moses n-best lists; an object a line, with scores.",
)  # fmt: skip
@click.option(
    "--alignments", type=FILE, metavar="FILE|-",
    help="Write word alignments, source-target, here; - puts them on the line itself, after |||.",
)  # fmt: skip
@options.tag
@click.option("--prefix", help="What each translation must begin with.")
@click.option("--prefix-file", type=FILE, help="What each translation must begin with, a line each.")
@options.machine
@options.quiet
def command(**given: Any) -> None:
    """Translate stdin or a file, one line out for each line in; give one sentence a line.

    What is not given here comes from the `decoding` section of the model's config.
    """
    _check(given)
    from nmt.data.lines import read_lines
    from nmt.decoding.loading import find_checkpoints, load_translator
    from nmt.decoding.resumable_output import check_free, is_done
    from nmt.decoding.translate_lines import Job, translate_stream

    warn = functools.partial(click.echo, err=True)
    say = None if given["quiet"] else warn
    output = given["output"]
    if given["resume"] and is_done(output):
        (say or _silent)(f"{output} is complete; leave out --resume to translate again")
        return
    if not given["resume"] and output is not None:
        check_free(output)
    found = find_checkpoints(given["models"], given["checkpoint"], say or _silent)
    settings = _settings(given, [each.config for each in found])
    prefixes: Iterator[str] | None = None if given["prefix"] is None else itertools.repeat(given["prefix"])
    if given["prefix_file"] is not None:
        prefixes = read_lines(given["prefix_file"])
    shortlist = found[0].config.decoding.shortlist if given["shortlist"] is None else given["shortlist"]
    if prefixes is not None:  # which may be of any words
        if given["shortlist"]:
            raise click.UsageError("--shortlist and a prefix exclude each other, as a prefix may be of any words")
        shortlist = 0
    loaded = load_translator(found, given["device"], given["precision"], shortlist, say or _silent)
    if given["alignments"] is None and not loaded.translator.has_attention:  # JSON then has none
        settings = settings.changed(with_alignment=False)
    job = Job(
        source=given["source"],
        input_format=given["input_format"],
        prefixes=prefixes,
        prefix=given["prefix"],
        output=output,
        form=given["form"],
        alignments=given["alignments"],
        resume=given["resume"],
        again=_again(click.get_current_context()),
    )
    translate_stream(loaded, settings, job, say, warn)
    if given["prefix_file"] is not None and prefixes is not None and next(prefixes, None) is not None:
        raise NmtError(
            f"{given['prefix_file']}: has more lines than the input; all of that is translated, but check that they "
            "belong together"
        )


def _check(given: dict[str, Any]) -> None:
    """Refuse options that contradict each other, or of which one is not read."""
    options.check_search(given)
    options.exclude(given, "greedy", "sample")
    options.exclude(given, "sample", "beam_size")
    options.exclude(given, "sample", "beam_prune")
    options.exclude(given, "prefix", "prefix_file")
    if given["greedy"] and given["n_best"] > 1:
        raise click.UsageError("--greedy gives one translation; for --n-best leave it out, or draw with --sample")
    alone = [name for name in OF_SAMPLING if given[name] is not None and not given["sample"]]
    if alone:
        raise click.UsageError(f"--{alone[0].replace('_', '-')} goes with --sample")
    if given["resume"] and str(given["output"] or "-") == "-":
        raise click.UsageError("--resume goes with --output FILE")


def _settings(given: dict[str, Any], configs: "list[Config]") -> "Settings":
    """Return the settings of the models' configs with what the command line overrides."""
    from nmt.decoding.translator import Settings

    names = (*options.SEARCH, *OF_SAMPLING, "n_best", "distinct", "tag")
    settings = Settings.of(*configs).changed(
        method="greedy" if given["greedy"] else "sample" if given["sample"] else "beam",
        with_alignment=given["alignments"] is not None or given["form"] == "json",
        **{name: given[name] for name in names},
    )
    settings.check(configs)
    return settings


def _again(context: click.Context) -> str:
    """Return the command that goes on with an interrupted translation."""
    words = ["nmt", "translate"]
    for parameter in context.command.params:
        value: Any = context.params.get(parameter.name or "")
        source = context.get_parameter_source(parameter.name or "")
        if not isinstance(parameter, click.Option) or source != click.core.ParameterSource.COMMANDLINE:
            continue
        if parameter.is_flag:
            words.append((parameter.opts if value else parameter.secondary_opts)[0])
            continue
        for each in value if parameter.multiple else [value]:
            words += [parameter.opts[0], str(each)]
    words += [] if context.params["resume"] else ["--resume"]
    return shlex.join(words) + ("" if context.params["source"] else " < INPUT")


def _silent(line: str) -> None:
    del line
