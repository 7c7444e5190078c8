"""`nmt tune`: adapt a trained model to text of a new domain."""

from pathlib import Path
from typing import Any

import click

from nmt.cli import options
from nmt.cli.options import FILE
from nmt.cli.strict_parsing import Command, check_usage


@click.command("tune", cls=Command)
@click.argument("model", type=FILE, metavar="RUN")
@click.argument("pairs", type=FILE, nargs=-1, required=True)
@click.option("--name", default="", help="Name of the new run; default RUN-tuned.")
@click.option(
    "--mix", type=options.Finite(0, 1, is_open=True), metavar="SHARE",
    help="Share of new pairs in training, up to 1; the others are from the old training text. Default 0.5.",
)  # fmt: skip
@click.option(
    "--steps",
    type=click.IntRange(1),
    metavar="N",
    help="Optimizer steps. Default: 10 passes over the new text, or 40 if it is far from that of the model.",
)
@click.option(
    "--valid", type=FILE, multiple=True, help="Your own validation set: a table, or two files (give it twice)."
)
@click.option("--test", type=FILE, multiple=True, help="Your own test set: a table, or two files (give it twice).")
@click.option("--tag", help="Tag of the new text, e.g. <2de>, for a model with several directions.")
@click.option(
    "--keep-vocabulary", is_flag=True,
    help="Do not add characters (in a word model: words) that the vocabulary lacks.",
)  # fmt: skip
@click.option(
    "--new-subwords", type=click.IntRange(1), metavar="N",
    help="Also add up to N frequent subwords of the new text to the vocabulary. Default: 2,000 if the text is far from "
    "that of the model (15 % of its words are new), else none.",
)  # fmt: skip
@options.overrides("--set training.patience=5")
@click.option("--resume", is_flag=True, help="Resume the new run from its last checkpoint.")
def command(
    model: Path, pairs: tuple[Path, ...], name: str, steps: int | None, overrides: tuple[str, ...], resume: bool,
    **start: Any,
) -> None:  # fmt: skip
    """Adapt the trained model RUN to the domain of PAIRS: one table of sentence pairs, or two aligned text files.

    Writes a new run. It starts with the weights of RUN and trains on the new text and, to forget less, on a part of the
    old training text. Validates on both domains. Prints a table of the scores before and after, on the test sets of
    both.
    """
    given = [f"--{key.replace('_', '-')}" for key, value in start.items() if value]
    check_usage(
        (resume and bool(given), f"{' '.join(given)}: decided when the run began; leave it out with --resume"),
        (start["keep_vocabulary"] and bool(start["new_subwords"]), "--keep-vocabulary and --new-subwords exclude each "
         "other; give one"),
        *((len(files) > 2, f"{key}: give one table, or two aligned files; not {len(files)} files")
          for key, files in (("PAIRS", pairs), ("--valid", start["valid"]), ("--test", start["test"]))),
    )  # fmt: skip
    from nmt.training.ranks import is_started_by_torchrun

    if is_started_by_torchrun():
        raise click.UsageError(
            "nmt tune trains in one process: start it without torchrun; its run can be resumed in several, "
            "with torchrun -m nmt train --config runs/NAME/config.yaml --resume"
        )
    from nmt.cli.training_display import log_result, train_to_the_end
    from nmt.evaluation.before_and_after import compare_with_initial_model
    from nmt.reports.before_and_after_table import before_and_after_table
    from nmt.reports.report_page import refresh_report
    from nmt.training.tuning import TuningRequest, config_to_resume, tuned_config

    request = TuningRequest(
        model, pairs, name, start["mix"] or 0.5, steps, start["valid"], start["test"], start["tag"] or "",
        not start["keep_vocabulary"], start["new_subwords"], overrides,
    )  # fmt: skip
    config = config_to_resume(request) if resume else tuned_config(request)
    more = [word for override in overrides for word in ("--set", override)] + (["--steps", str(steps)] if steps else [])
    again = ["nmt", "tune", str(model), *map(str, pairs), *(["--name", name] if name else []), *more, "--resume"]
    run = train_to_the_end(again)(config, resume)
    log_result(config)
    click.echo(before_and_after_table(compare_with_initial_model(run, config)))
    refresh_report(run)
