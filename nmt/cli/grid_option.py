"""The command-line options --grid and --keep of `nmt evaluate`."""

import logging
from typing import Any

import click

from nmt.cli.options import combine_options, flag
from nmt.cli.search_flags import type_of
from nmt.cli.strict_parsing import check_usage
from nmt.decoding.search_grid import GRID_KEYS

logger = logging.getLogger(__name__)
_ALIASES = {"beam": "beam_size"}


class _Grid(click.ParamType["tuple[str, tuple[Any, ...]]"]):
    """KEY=V1,V2,…: a search option and the values to try, each once."""

    name = "KEY=V1,V2,…"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, tuple[Any, ...]]:
        """See `click.ParamType.convert`."""
        if isinstance(value, tuple):
            return value
        name, equals, listed = str(value).partition("=")
        key = name.strip().lstrip("-").replace("-", "_")
        key = _ALIASES.get(key, key)
        if key not in GRID_KEYS or not equals:
            self.fail(f"{value!r}: write KEY=V1,V2,…; the keys are {', '.join(GRID_KEYS)}", param, ctx)
        texts = [text.strip() for text in listed.split(",")]
        if not all(texts):
            self.fail(f"{value!r}: a value is missing", param, ctx)
        kind = type_of(key)
        try:
            found = [kind.convert(text, param, ctx) for text in texts]
        except click.BadParameter as error:
            self.fail(f"{value!r}: {error.message}", param, ctx)
        return key, tuple(dict.fromkeys(found))


grid_options = combine_options(
    click.option(
        "--grid", type=_Grid(), multiple=True,
        help="Translate the validation set with each of these values of a search option, and print a table: "
        f"--grid beam=2,5,10 --grid alpha=0.6,1. Several are combined. Keys: {', '.join(GRID_KEYS)}.",
    ),
    click.option(
        "--keep", is_flag=True,
        help="Write the best combination of --grid into the config of the run, as the default of all commands.",
    ),
)  # fmt: skip


def check(given: dict[str, Any]) -> None:
    """Raise `click.UsageError` if an option does not fit --grid, or --keep what it would keep."""
    if not given["grid"]:
        check_usage((given["keep"], "--keep writes the best combination of --grid; give --grid KEY=V1,V2,…"))
        return
    keys = [key for key, _ in given["grid"]]
    reason = (
        "--grid takes the best of many results; a test set would then be part of the training, and its score too high"
    )
    check_usage(
        (given["split"] not in (None, "valid"), f"{reason}: leave out --split (it is valid)"),
        (given["source"] is not None, f"{reason}: leave out --source; the text is data.valid of the run"),
        *((keys.count(key) > 1, f"--grid {key} is given twice; write all its values with commas") for key in keys),
        *((given.get(key) is not None, f"--grid {key} and {flag(key)} exclude each other; give one") for key in keys),
        (given["greedy"], "--greedy and --grid exclude each other; greedy search is --grid beam=1"),
        (given["output"] is not None, "--grid saves no translations; leave out --output"),
        (given["keep"] and len(given["models"]) > 1, "--keep writes into one run; give one --model"),
        *((given["keep"] and given[key] is not None, f"{flag(key)} cannot be kept in the config of a run; leave it out")
          for key in ("min_length", "forbid_unknown")),
    )  # fmt: skip


def run_grid(given: dict[str, Any]) -> None:
    """Search the grid and print its table; exit as after Ctrl-C if it was interrupted."""
    from nmt.cli.load import load
    from nmt.cli.metric_options import parse_scoring
    from nmt.cli.search_flags import search_options
    from nmt.decoding.loading import find_checkpoints
    from nmt.decoding.search_grid import combinations
    from nmt.evaluation.grid_search import METRICS, search_grid
    from nmt.evaluation.metrics import build, default_tokenizer
    from nmt.evaluation.test_sets import read_split
    from nmt.reports.grid_table import grid_table
    from nmt.storage.json_text import dump_json

    found = find_checkpoints(given["models"], given["checkpoint"])
    run, config = found[0].run, found[0].config
    if given["keep"]:
        run.check_not_exported("keep search options")
    grid = combinations(search_options(given, [each.settings for each in found]), dict(given["grid"]))
    for each in grid:
        each.options.check_source_length([one.settings for one in found])
    scoring = parse_scoring(given, given["tokenize"] or default_tokenizer(config.data.target_language), METRICS)
    build("bleu", scoring)  # check the tokeniser
    split = read_split(config, "valid", run.config_file)
    result = search_grid(load(found, given), split, grid, scoring, given["keep"])
    values = result.as_dict()
    click.echo(dump_json(values, indent=2, ensure_ascii=False) if given["as_json"] else grid_table(values))
    if not result.is_complete:
        raise KeyboardInterrupt
    if not given["keep"] and not result.best.is_current and len(found) == 1:
        logger.info("the run is unchanged; with --keep, the same command makes the best options its default")
    if result.error is not None:
        raise result.error
