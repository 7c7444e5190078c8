"""`nmt compare`: compare trained models."""

from typing import Any

import click

from nmt.cli import options, search_flags
from nmt.cli.load import load
from nmt.cli.options import FILE
from nmt.cli.strict_parsing import Command, check_usage


@click.command(cls=Command)
@click.argument("models", nargs=-1, required=True, type=FILE, metavar="RUN RUN...")
@click.option("--checkpoint", help="best, last, step-N, averaged or another mean, of each run; default best.")
@click.option("--split", help="valid, or a name in data.test; default test.")
@click.option("--source", "-s", type=FILE, help="Compare on this file instead of a split.")
@click.option(
    "--reference", "-r", "references", type=FILE, multiple=True,
    help="Reference translation of --source; repeat it for further references.",
)  # fmt: skip
@click.option("--tokenize", "-tok", help="Tokeniser of BLEU, see nmt score; the default depends on the language.")
@click.option(
    "--sentences", "-n", "count", type=click.IntRange(0), default=20, show_default=True, metavar="N",
    help="Show the N sentences that differ most.",
)  # fmt: skip
@click.option(
    "--sentence-metric", "metric", type=click.Choice(["chrf", "bleu"]), default="chrf", show_default=True,
    help="Metric of a sentence that decides how much the translations differ.",
)  # fmt: skip
@click.option("--output", "-o", type=FILE, metavar="FILE", help="Draw the learning curves as .png, .svg or .pdf.")
@click.option("--html", type=FILE, metavar="FILE", help="Write everything to an HTML page.")
@search_flags.search
@options.machine
def command(**given: Any) -> None:
    """Show how two or more models differ: configuration, training, scores on one test set, sentences.

    RUN is a run folder, a checkpoint folder inside one, or an exported folder. The first is the baseline of the paired
    significance test. Translations that nmt evaluate has stored are used again; others are made and stored.

    \b
    nmt compare runs/lstm runs/gru
    nmt compare runs/lstm runs/gru --html gru.html
    """
    check_usage(
        (len(given["models"]) < 2, "give two or more runs"),
        ((given["source"] is not None) != bool(given["references"]), "--source and --reference are given together"),
    )
    options.exclude(given, "split", "source")
    search_flags.check(given)
    from nmt.decoding.loading import find_checkpoints
    from nmt.evaluation.comparison import compare
    from nmt.reports.comparison import comparison_text
    from nmt.storage.standard_streams import standard_output

    standard_output()
    if given["output"] is not None:
        from nmt.reports.figure import check

        check(given["output"])
    found = find_checkpoints(given["models"], given["checkpoint"])
    comparison = compare(
        found,
        [search_flags.search_options(given, [each.settings]) for each in found],
        lambda models, shortlist: load(models, given, shortlist),
        {name: given[name] for name in ("engine", "device", "precision")},
        split=given["split"],
        files=(given["source"], given["references"]) if given["source"] is not None else None,
        tokenize=given["tokenize"],
        count=given["count"],
        metric=given["metric"],
    )
    click.echo(comparison_text(comparison))
    if given["output"] is not None or given["html"] is not None:
        from nmt.reports.comparison_page import write_files

        paths = write_files(comparison, given["output"], given["html"])
        click.echo("\n".join(["", *map(str, paths)]))
