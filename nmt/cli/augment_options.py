"""Options that `nmt augment` and `nmt distill` share: filters, the run that they make, and the search."""

from typing import Any

import click

from nmt.cli import search_flags
from nmt.cli.options import Finite, combine_options
from nmt.decoding.search_options import FIELDS

shared = combine_options(
    click.option("--name", default="", help="Name of the run that is trained in the end."),
    click.option(
        "--final-set", "final_overrides", multiple=True, metavar="KEY=VALUE",
        help="Override a key of the model that is trained in the end only, e.g. training.max_steps=13000.",
    ),
    click.option("--checkpoint", help="Checkpoint that translates: best, last, averaged or step-N; default best."),
    click.option(
        "--min-score", type=Finite(-1_000, 0), metavar="NATS",
        help="Drop hypotheses whose mean log-probability per token is lower, e.g. -1.5.",
    ),
    click.option(
        "--max-ratio", type=Finite(1), metavar="R",
        help="Drop pairs whose longer side has more than R times the characters of the shorter one.",
    ),
    click.option("--no-train", is_flag=True, help="Write the configuration, but do not train its model."),
    click.option(
        "--dry-run", "is_dry_run", is_flag=True,
        help="Print the steps and which of them are finished. nmt augment also prints the cost of a training.",
    ),
    search_flags.search,
    search_flags.sampling,
)  # fmt: skip


def check_one_process(command: str) -> None:
    """Raise `click.UsageError` if torchrun has started this process as one of several."""
    from nmt.training.ranks import is_started_by_torchrun

    if is_started_by_torchrun():
        raise click.UsageError(
            f"{command} trains in one process: start it without torchrun; its last model can be trained in several, "
            "with --no-train and torchrun -m nmt train --config data/NAME/NAME.yaml"
        )


def search_fields(given: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of `SearchOptions` that the command line gives, for the models that translate.

    Raise `click.UsageError` if they contradict each other.
    """
    search_flags.check(given)
    method = "greedy" if given["greedy"] else "sample" if given["sample"] else None
    values = {name: given.get(name) for name in sorted(FIELDS)} | {"method": method}
    return {name: value for name, value in values.items() if value is not None and (name, value) != ("n_best", 1)}
