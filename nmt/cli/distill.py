"""`nmt distill`: train a model on the translations of other models."""

import shlex
from typing import Any

import click

from nmt.cli import augment_options, options
from nmt.cli.options import FILE
from nmt.cli.strict_parsing import Command


@click.command("distill", cls=Command)
@click.option(
    "--teacher", "teachers", type=FILE, multiple=True, required=True, metavar="RUN",
    help="Trained model of the same languages, also of another architecture; several form an ensemble.",
)  # fmt: skip
@options.config_file("YAML file of the student, the model to train.")
@options.overrides("--set model.encoder.size=128")
@click.option(
    "--interpolate", "interpolates", is_flag=True,
    help="Train on the hypothesis that is closest to the reference by sentence BLEU: of the beam, or of --n-best.",
)  # fmt: skip
@click.option(
    "--keep-original", "original_weight", type=options.Finite(0, is_open=True), metavar="WEIGHT",
    help="Also train on the original pairs, with WEIGHT passes in one epoch.",
)  # fmt: skip
@click.option(
    "--reuse-subword", "reuses_subword", is_flag=True,
    help="Use the subword model of the teachers, in place of the one of the configuration.",
)  # fmt: skip
@augment_options.shared
def command(**given: Any) -> None:
    """Translate the training sources with the teachers, and train the student on these translations.

    The same command continues after any interruption. Results are in data/NAME; prints what became of the translations,
    and size, speed and BLEU of teachers and student.
    """
    from nmt.cli.training_display import log_result, train_to_the_end
    from nmt.config import load
    from nmt.corpora.synthetic_pairs import Limits
    from nmt.reports.augmentation_tables import pair_table, step_table, system_table
    from nmt.training.augmentation.distill import DistillRequest, distill, planned_steps

    augment_options.check_one_process("nmt distill")
    again = ["nmt", "distill", *options.written(click.get_current_context())]
    request = DistillRequest(
        config_file=given["path"],
        **{key: given[key] for key in ("teachers", "overrides", "final_overrides", "name", "checkpoint")},
        **{key: given[key] for key in ("interpolates", "original_weight", "reuses_subword")},
        search=augment_options.search_fields(given),
        limits=Limits(given["min_score"], given["max_ratio"] or 0.0),
        trains=not given["no_train"],
        command=shlex.join(again),
    )
    if given["is_dry_run"]:
        click.echo(step_table(planned_steps(request)))
        return
    made = distill(request, train_to_the_end(again))
    click.echo(pair_table(made.counts))
    if made.run is not None:
        log_result(load(made.config_file))
        click.echo(f"\n{system_table(made.systems)}")
