"""`nmt score`: score finished translations with BLEU, chrF and TER."""

import logging
from pathlib import Path
from typing import Any

import click

from nmt.cli import metric_options
from nmt.cli.strict_parsing import check_usage

logger = logging.getLogger(__name__)
INPUT = click.Path(path_type=Path, allow_dash=True)


@click.command(cls=metric_options.MetricsCommand)
@click.argument("hypotheses", nargs=-1, type=INPUT, metavar="[HYP]...")
@click.option(
    "--reference", "-r", "references", multiple=True, type=click.Path(path_type=Path),
    help="Reference translation, plain or .gz; repeat it for further references.",
)  # fmt: skip
@click.option(
    "--tsv", type=INPUT, metavar="FILE",
    help="Read hypotheses and references from columns of this file instead of HYP and --reference; - is stdin.",
)  # fmt: skip
@click.option(
    "--hypothesis-column", "hypothesis_columns", multiple=True, metavar="COLUMN",
    help="Column of --tsv with the hypotheses: its number, counted from 1, or with --header its name; repeat it for "
    "further systems. Default 1 if the file has two columns.",
)  # fmt: skip
@click.option(
    "--reference-column", "reference_columns", multiple=True, metavar="COLUMN",
    help="Column with the references. Default 2 if the file has two columns.",
)  # fmt: skip
@click.option(
    "--source-column", metavar="COLUMN",
    help="Column with the source, which is printed with --sentence-level as TSV and JSON.",
)  # fmt: skip
@click.option("--header", is_flag=True, help="The first line of --tsv contains the names of the columns.")
@click.option(
    "--metrics", "-m", multiple=True, metavar="METRIC...",
    help="One or more of bleu, chrf, chrf++, ter, separated by spaces or commas; default bleu chrf ter. To give a file "
    "with the name of a metric after -m, write ./bleu.",
)  # fmt: skip
@click.option("--sentence-level", "-sl", is_flag=True, help="Score each sentence separately, one line per sentence.")
@click.option(
    "--tokenize", "-tok", default="13a", show_default=True,
    help="Tokeniser of BLEU: 13a, none, intl, zh, ja-mecab, ko-mecab, char, flores200, …",
)  # fmt: skip
@metric_options.scoring_options
@click.option(
    "--paired", "--paired-bs", is_flag=True, help="Paired bootstrap test of each further HYP against the first."
)
@click.option(
    "--paired-bs-n", "samples", type=click.IntRange(1, 10_000),
    help="Number of resampled test sets of the paired test; default 1000.",
)  # fmt: skip
@click.option(
    "--seed", type=click.IntRange(min=1), help="Seed of the paired test; default $SACREBLEU_SEED, else 12345."
)
@click.option(
    "--width", "-w", type=click.IntRange(0, 12), default=2, show_default=True,
    help="Number of decimals; JSON is not rounded.",
)  # fmt: skip
@click.option(
    "--format", "-f", "form", type=click.Choice(["text", "tsv", "json"]),
    help="Output format: a text table (default), tab-separated values with a header, or JSON.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Same as --format json.")
@click.option(
    "--score-only", "-b", is_flag=True, help="Print only the numbers: one line per system, tabs between metrics."
)
def command(**given: Any) -> None:
    """Score translations, one HYP per system with one line per sentence; without HYP (or with -) those on stdin.

    The scores and signatures are those of sacreBLEU with the same options.

    \b
    nmt translate < test.en | nmt score -r test.de
    nmt score -r test.de baseline.txt new.txt --paired
    nmt score -r test.de new.txt -m bleu chrf --sentence-level -f tsv
    nmt score --tsv test.tsv --header --hypothesis-column mt --reference-column ref
    """
    output_format = _output_format(given)
    _check(given)
    from nmt.evaluation.score_warnings import score_warnings
    from nmt.evaluation.scored_files import read_texts, read_tsv
    from nmt.reports.score_tables import corpus_report, paired_report, sentence_report
    from nmt.storage.standard_streams import standard_output

    metrics = metric_options.parse_metrics(given["metrics"])
    scoring = metric_options.parse_scoring(given, given["tokenize"], metrics)
    if given["tsv"] is None:
        text = read_texts(given["hypotheses"] or (Path("-"),), given["references"])
    else:
        columns = given["hypothesis_columns"], given["reference_columns"], given["source_column"]
        text = read_tsv(given["tsv"], *columns, given["header"])
    check_usage((given["paired"] and len(text.systems) < 2, "--paired compares systems: give two files or more"))
    standard_output()
    for warning in score_warnings(text.systems, text.references, metrics, scoring):
        logger.info(f"nmt score: {warning}")
    request = text, metrics, scoring, output_format, given["width"]
    if given["paired"]:
        click.echo(paired_report(*request, samples=given["samples"] or 1000, seed=given["seed"]))
    else:
        click.echo((sentence_report if given["sentence_level"] else corpus_report)(*request))


def _output_format(given: dict[str, Any]) -> str:
    """Return text, tsv, json or numbers."""
    form, as_json, score_only = given["form"], given["as_json"], given["score_only"]
    check_usage(
        (as_json and score_only, "give --json or --score-only, not both"),
        (score_only and form not in (None, "text"), f"give --format {form} or --score-only, not both"),
        (as_json and form not in (None, "json"), f"give --format {form} or --json, not both"),
    )
    return "numbers" if score_only else "json" if as_json else form or "text"


def _check(given: dict[str, Any]) -> None:
    """Raise `click.UsageError` if options contradict each other, or one of them would be ignored."""
    paired, tsv, has_references = given["paired"], given["tsv"] is not None, bool(given["references"])
    columns = ("hypothesis_columns", "reference_columns", "source_column", "header")
    unused = [f"--{name.removesuffix('s').replace('_', '-')}" for name in columns if given[name] and not tsv]
    check_usage(
        (
            paired and given["score_only"],
            "--score-only leaves out the result of --paired; give one of them, or --json",
        ),
        (
            paired and given["sentence_level"],
            "--paired compares whole test sets, not sentences; leave out --sentence-level",
        ),
        (
            not paired and (given["samples"] is not None or given["seed"] is not None),
            "--paired-bs-n and --seed go with --paired",
        ),
        (sum(str(path) == "-" for path in given["hypotheses"]) > 1, "'-' (stdin) can be given once only"),
        (
            not tsv and not has_references,
            "give the references with --reference FILE, or both sides in one file with --tsv",
        ),
        (unused, f"{''.join(unused[:1])} goes with --tsv"),
        (
            tsv and (given["hypotheses"] or has_references),
            "--tsv contains hypotheses and references; leave out HYP and --reference",
        ),
        (
            bool(given["hypothesis_columns"]) != bool(given["reference_columns"]),
            "--hypothesis-column and --reference-column are given together",
        ),
        (given["source_column"] and not given["sentence_level"], "--source-column goes with --sentence-level"),
    )
