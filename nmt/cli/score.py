"""`nmt score`: BLEU, chrF and TER of finished translations."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nmt.cli import metric_options

if TYPE_CHECKING:
    from nmt.evaluation.metrics import Scoring
    from nmt.evaluation.scored_files import ScoredText


@click.command(cls=metric_options.ManyMetrics)
@click.argument("hypotheses", nargs=-1, type=click.Path(path_type=Path, allow_dash=True), metavar="[HYP]...")
@click.option(
    "-r",
    "--reference",
    "references",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Reference translation, plain or .gz; give it again for further references.",
)
@click.option(
    "--tsv",
    type=click.Path(path_type=Path, allow_dash=True),
    metavar="FILE",
    help="Take hypotheses and references from the columns of this file in place of HYP and --reference; - is stdin.",
)
@click.option(
    "--hypothesis-column",
    "hypothesis_columns",
    multiple=True,
    metavar="COLUMN",
    help="Column of --tsv, counted from 1, or its name with --header; give it again for further systems. Default 1 "
    "where the file has two columns.",
)
@click.option(
    "--reference-column",
    "reference_columns",
    multiple=True,
    metavar="COLUMN",
    help="The same for references. Default 2 where the file has two columns.",
)
@click.option(
    "--source-column", metavar="COLUMN", help="The same for the source, which --sentence-level prints as TSV and JSON."
)
@click.option("--header", is_flag=True, help="The first line of --tsv names the columns.")
@click.option(
    "-m",
    "--metrics",
    multiple=True,
    metavar="METRIC...",
    help="Some of bleu, chrf, chrf++, ter, with spaces or commas between; default bleu chrf ter. A file with the name "
    "of a metric that follows -m is given as ./bleu.",
)
@click.option("-sl", "--sentence-level", is_flag=True, help="Score each sentence by itself, one line a sentence.")
@click.option(
    "--tokenize",
    "-tok",
    default="13a",
    show_default=True,
    help="BLEU's tokeniser: 13a, none, intl, zh, ja-mecab, ko-mecab, char, flores200, …",
)
@metric_options.of_metrics
@click.option("--paired", "--paired-bs", is_flag=True, help="Paired bootstrap test against the first HYP.")
@click.option(
    "--paired-bs-n",
    "samples",
    type=click.IntRange(1, 10_000),
    help="Resampled test sets of the paired test; default 1000.",
)
@click.option(
    "--seed",
    type=click.IntRange(min=1),
    help="Seed of the paired test; default $SACREBLEU_SEED, else 12345.",
)
@click.option("-w", "--width", type=click.IntRange(0, 12), default=2, show_default=True, help="Decimals; JSON has all.")
@click.option(
    "-f",
    "--format",
    "form",
    type=click.Choice(["text", "tsv", "json"]),
    help="What is printed: a table to read (default), tab-separated values with a header, or JSON.",
)
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@click.option("-b", "--score-only", is_flag=True, help="Print the numbers only: a line a system, tabs between metrics.")
def command(**given: Any) -> None:
    """Score translations, each HYP one file with one line a sentence; without HYP (or with -) those on stdin.

    The scores and signatures are those of sacreBLEU with the same options.

    \b
    nmt translate < test.en | nmt score -r test.de
    nmt score -r test.de baseline.txt new.txt --paired
    nmt score -r test.de new.txt -m bleu chrf --sentence-level -f tsv
    nmt score --tsv test.tsv --header --hypothesis-column mt --reference-column ref
    """
    form = _form(given)
    _check(given)
    from nmt.evaluation.metrics import ALL
    from nmt.evaluation.score_warnings import score_warnings
    from nmt.evaluation.scored_files import read_texts, read_tsv
    from nmt.storage.standard_streams import standard_output

    wanted = metric_options.names_of_metrics(given["metrics"]) or list(ALL)
    scoring = metric_options.scoring(given, given["tokenize"], wanted)
    if given["tsv"] is None:
        text = read_texts(given["hypotheses"] or (Path("-"),), given["references"])
    else:
        text = read_tsv(
            given["tsv"],
            given["hypothesis_columns"],
            given["reference_columns"],
            given["source_column"],
            given["header"],
        )
    if given["paired"] and len(text.systems) < 2:
        raise click.UsageError("--paired compares systems: give two files or more")
    standard_output()
    for hint in score_warnings(text.systems, text.references, wanted, scoring):
        click.echo(f"nmt score: {hint}", err=True)
    if given["sentence_level"]:
        result = _of_sentences(text, wanted, scoring, form, given["width"])
    elif given["paired"]:
        result = _paired(text, wanted, scoring, form, given)
    else:
        result = _of_corpus(text, wanted, scoring, form, given["width"])
    click.echo(result)


def _form(given: dict[str, Any]) -> str:
    """Return text, tsv, json or numbers."""
    if given["as_json"] and given["score_only"]:
        raise click.UsageError("give --json or --score-only, not both")
    if given["score_only"] and given["form"] not in (None, "text"):
        raise click.UsageError(f"give --format {given['form']} or --score-only, not both")
    if given["as_json"] and given["form"] not in (None, "json"):
        raise click.UsageError(f"give --format {given['form']} or --json, not both")
    if given["score_only"]:
        return "numbers"
    return "json" if given["as_json"] else given["form"] or "text"


def _check(given: dict[str, Any]) -> None:
    """Refuse options that contradict each other, or of which one is not read."""
    if given["paired"] and given["score_only"]:
        raise click.UsageError("--score-only leaves out what --paired finds; give one of them, or --json")
    if given["paired"] and given["sentence_level"]:
        raise click.UsageError("--paired compares whole test sets, not sentences; leave out --sentence-level")
    if not given["paired"] and (given["samples"] is not None or given["seed"] is not None):
        raise click.UsageError("--paired-bs-n and --seed go with --paired")
    if sum(str(path) == "-" for path in given["hypotheses"]) > 1:
        raise click.UsageError("'-' (stdin) can be given once only")
    columns = {
        "--hypothesis-column": given["hypothesis_columns"],
        "--reference-column": given["reference_columns"],
        "--source-column": given["source_column"],
        "--header": given["header"],
    }
    if given["tsv"] is None:
        if not given["references"]:
            raise click.UsageError("give the references with --reference FILE, or both sides in one file with --tsv")
        if lost := [name for name, value in columns.items() if value]:
            raise click.UsageError(f"{lost[0]} goes with --tsv")
        return
    if given["hypotheses"] or given["references"]:
        raise click.UsageError("--tsv holds hypotheses and references; leave out HYP and --reference")
    if bool(given["hypothesis_columns"]) != bool(given["reference_columns"]):
        raise click.UsageError("--hypothesis-column and --reference-column are given together")
    if given["source_column"] and not given["sentence_level"]:
        raise click.UsageError("--source-column goes with --sentence-level")


def _of_corpus(text: "ScoredText", wanted: list[str], scoring: "Scoring", form: str, decimals: int) -> str:
    from nmt.evaluation.metrics import corpus_scores
    from nmt.reports import score_tables

    references = [lines for _, lines in text.references]
    found = [(name, corpus_scores(system, references, wanted, scoring)) for name, system in text.systems]
    if form == "json":
        return score_tables.corpus_json(found)
    show = {"text": score_tables.corpus_text, "tsv": score_tables.corpus_tsv, "numbers": score_tables.corpus_numbers}[
        form
    ]
    return show(found, decimals)


def _paired(text: "ScoredText", wanted: list[str], scoring: "Scoring", form: str, given: dict[str, Any]) -> str:
    from nmt.evaluation.significance import paired_bootstrap
    from nmt.reports import score_tables

    references = [lines for _, lines in text.references]
    found = paired_bootstrap(text.systems, references, wanted, scoring, given["samples"] or 1000, given["seed"])
    if form == "json":
        return score_tables.paired_json(found)
    return (score_tables.paired_tsv if form == "tsv" else score_tables.paired_text)(found, given["width"])


def _of_sentences(text: "ScoredText", wanted: list[str], scoring: "Scoring", form: str, decimals: int) -> str:
    from nmt.evaluation.metrics import sentence_scores
    from nmt.reports.score_tables import SentenceTable

    references = [lines for _, lines in text.references]
    found = [sentence_scores(system, references, wanted, scoring) for _, system in text.systems]
    sentences = SentenceTable(text, found, decimals)
    if form == "tsv":
        click.echo(sentences.signatures(), err=True)
    forms = {"text": sentences.as_text, "tsv": sentences.as_tsv, "json": sentences.as_json}
    return forms.get(form, sentences.as_numbers)()
