"""`nmt augment`: also train on translations of the training text or of monolingual text."""

import shlex
from typing import Any

import click

from nmt.cli import augment_options, options
from nmt.cli.options import FILE
from nmt.cli.strict_parsing import Command


@click.command("augment", cls=Command)
@options.config_file("YAML file of the model to improve.")
@options.overrides("--set training.max_steps=500")
@click.option(
    "--forward", type=FILE, multiple=True, metavar="RUN",
    help="Trained model of the same direction, in place of a new one; several translate one after another.",
)  # fmt: skip
@click.option(
    "--backward", type=FILE, multiple=True, metavar="RUN", help="Trained model of the opposite direction, likewise."
)
@click.option(
    "--model-seed", "seeds", type=click.IntRange(0), multiple=True, metavar="N",
    help="Seed of the models to train, one of each direction; give it again for more models. Default 1.",
)  # fmt: skip
@click.option(
    "--monolingual-target", type=FILE, multiple=True, metavar="FILE",
    help="Text in the target language, which a backward model translates (back-translation); plain or .gz.",
)  # fmt: skip
@click.option(
    "--monolingual-source", type=FILE, multiple=True, metavar="FILE",
    help="Text in the source language, which a forward model translates (self-training); plain or .gz.",
)  # fmt: skip
@click.option(
    "--diversify", "diversifies", is_flag=True,
    help="Translate the training text, too; the default if there is no monolingual text.",
)  # fmt: skip
@click.option("--tag", "synthetic_tag", help="Token to put before synthetic sources, e.g. <synthetic>.")
@click.option(
    "--weight", type=options.Finite(0, is_open=True), default=1.0, show_default=True,
    help="Passes over the synthetic pairs in one epoch, relative to their corpus.",
)  # fmt: skip
@augment_options.shared
def command(**given: Any) -> None:
    """Train models of both directions, translate the training text with them, and train a better model on all of it.

    With monolingual text: translate that text instead, and add the pairs.

    The same command continues after any interruption. Results are in data/NAME; prints what became of the translations.
    """
    from nmt.cli.training_display import estimate, log_result, train_to_the_end
    from nmt.config import load
    from nmt.corpora.synthetic_pairs import Limits
    from nmt.reports.augmentation_tables import pair_table, step_table
    from nmt.training.augmentation.augment import AugmentRequest, augment, plan

    augment_options.check_one_process("nmt augment")
    again = ["nmt", "augment", *options.written(click.get_current_context())]
    request = AugmentRequest(
        config_file=given["path"],
        **{key: given[key] for key in ("overrides", "final_overrides", "name", "forward", "backward", "checkpoint")},
        **{key: given[key] for key in ("monolingual_source", "monolingual_target", "diversifies", "weight")},
        seeds=given["seeds"],
        search=augment_options.search_fields(given),
        tag=given["synthetic_tag"],
        limits=Limits(given["min_score"], given["max_ratio"] or 0.0),
        trains=not given["no_train"],
        command=shlex.join(again),
    )
    if given["is_dry_run"]:
        planned = plan(request)
        click.echo(step_table(planned.steps))
        if planned.to_train:
            count = len(planned.to_train)
            trained = "One model is" if count == 1 else f"{count} models are"
            click.echo(f"\n{trained} trained before the final one. The cost of {'it' if count == 1 else 'each'}:")
            click.echo(estimate(planned.to_train[0]))
        return
    made = augment(request, train_to_the_end(again))
    if made.run is not None:
        log_result(load(made.config_file))
    click.echo(pair_table(made.counts))
