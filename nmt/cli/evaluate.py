"""`nmt evaluate`: translate a test set and score it."""

import logging
from typing import Any

import click

from nmt.cli import grid_option, metric_options, options, search_flags
from nmt.cli.load import load
from nmt.cli.options import FILE
from nmt.cli.strict_parsing import Command, check_usage

logger = logging.getLogger(__name__)


@click.command(cls=Command)
@options.model
@click.option("--split", help="valid, a name in data.test, or all; default test.")
@click.option("--source", "-s", type=FILE, help="Evaluate on this file instead of a split.")
@click.option(
    "--reference", "-r", "references", type=FILE, multiple=True,
    help="Reference translation of --source; repeat it for further references.",
)  # fmt: skip
@options.tag
@click.option("--tokenize", "-tok", help="Tokeniser of BLEU, see nmt score; the default depends on the language.")
@metric_options.scoring_options
@search_flags.search
@grid_option.grid_options
@options.machine
@click.option("--output", "-o", type=FILE, metavar="FOLDER", help="Folder for the results; default RUN/evaluations.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(**given: Any) -> None:
    """Compute loss, perplexity, BLEU, chrF, TER and speed on a test set, and save the translations.

    Defaults of the search are in the `decoding` section of the model's config. --grid finds better ones, by BLEU on the
    validation set.

    \b
    nmt evaluate --model runs/quickstart --split test
    nmt evaluate --model runs/quickstart --grid beam=1,5,10 --grid alpha=0.6,1 --keep
    """
    has_source = given["source"] is not None
    check_usage(
        (has_source != bool(given["references"]), "--source and --reference are given together"),
        (given["tag"] and not has_source, "--tag goes with --source; a split has its own in data.test"),
    )
    options.exclude(given, "split", "source")
    search_flags.check(given)
    grid_option.check(given)
    if given["grid"]:
        grid_option.run_grid(given)
        return
    from nmt.decoding.loading import find_checkpoints
    from nmt.evaluation.evaluate_splits import evaluate_splits
    from nmt.evaluation.metrics import DEFAULT_METRICS, build, default_tokenizer
    from nmt.evaluation.test_sets import check_folder, read_files, read_splits
    from nmt.reports.evaluation_table import evaluation_table
    from nmt.reports.report_page import refresh_report
    from nmt.storage.json_text import dump_json
    from nmt.storage.standard_streams import standard_output

    standard_output()
    found = find_checkpoints(given["models"], given["checkpoint"])
    run, config = found[0].run, found[0].config
    search = search_flags.search_options(given, [each.settings for each in found])
    tokenize = given["tokenize"] or default_tokenizer(config.data.target_language)
    scoring = metric_options.parse_scoring(given, tokenize, DEFAULT_METRICS)
    build("bleu", scoring)  # check the tokeniser
    if has_source:
        splits = [read_files(given["source"], given["references"], given["tag"])]
    else:
        splits = read_splits(config, given["split"], run.config_file)
    folder = given["output"] or run.folder / "evaluations"
    check_folder(folder)
    loaded = load(found, given, search.shortlist)
    results, error = evaluate_splits(loaded, search, splits, scoring, folder)
    if given["output"] is None:
        refresh_report(run)
    click.echo(dump_json(results, indent=2, ensure_ascii=False) if given["as_json"] else evaluation_table(results))
    if given["output"] is None and not run.is_exported:
        logger.info(
            f"what limits the scores: nmt doctor {run.folder}; worst and best sentences: {run.folder / 'report.html'}"
        )
    if error is not None:  # the results could not be saved
        raise error
