"""Command-line options for the translation of many files: --output-folder, --part-lines, --shard."""

import glob
import re
from typing import Any

import click

from nmt.cli import options
from nmt.cli.options import FILE, combine_options, flag
from nmt.cli.strict_parsing import check_usage
from nmt.decoding.files_job import LINES_PER_PART, Shard


class _ShardType(click.ParamType[Shard]):
    """I/N: the share I, from 1, of N processes."""

    name = "I/N"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Shard:
        """See `click.ParamType.convert`."""
        if isinstance(value, Shard):
            return value
        if not (found := re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", value)):
            remedy = (
                "; are SLURM_ARRAY_TASK_ID and SLURM_ARRAY_TASK_COUNT set?" if "/" in (value[:1], value[-1:]) else ""
            )
            self.fail(f"{value!r} is not a shard; write I/N, such as 2/8 for the second of eight{remedy}", param, ctx)
        number, count = int(found[1]), int(found[2])
        if not 1 <= number <= count:
            self.fail(f"{value}: shards are numbered from 1 to {count}; with Slurm: --array=1-{count}", param, ctx)
        return Shard(number, count)


files = combine_options(
    click.option(
        "--output-folder", type=FILE, metavar="FOLDER",
        help="Translate one or many files to this folder, each under its own name when it is complete. The same "
        "command goes on after an interruption, and does nothing again that is complete.",
    ),
    click.option(
        "--part-lines", type=click.IntRange(1, 1 << 30), metavar="N",
        help=f"Lines of a part of a file, which is translated and kept as a whole; default {LINES_PER_PART:,}. Needs "
        "--output-folder.",
    ),
    options.ray,
    click.option(
        "--ray-cpus", type=click.IntRange(1, 1024), metavar="N",
        help="CPUs, and thus threads, of each process on the cluster; default 1. Each holds the model.",
    ),
    click.option(
        "--ray-gpus", type=options.Finite(0, 64), metavar="SHARE",
        help="GPUs of each process: 0.5 lets two processes share one. Default: 1 if the cluster has GPUs that --device "
        "and --engine allow, else 0.",
    ),
    click.option(
        "--shard", type=_ShardType(),
        help="Translate only the I-th of N shares of all parts; N processes, also on other machines, give the same "
        "--output-folder. For Slurm arrays: --shard $SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT.",
    ),
)  # fmt: skip


def check(given: dict[str, Any]) -> None:
    """Raise `click.UsageError` if an option does not fit the translation of many files, or needs it."""
    needs_ray = [name for name in ("ray_cpus", "ray_gpus") if given[name] is not None and given["ray"] is None]
    check_usage(*((True, f"{flag(name)} needs --ray") for name in needs_ray))
    options.exclude(given, "ray", "shard")
    if given["output_folder"] is None:
        _check_one_file(given)
    else:
        _check_many_files(given)


def _check_one_file(given: dict[str, Any]) -> None:
    """Raise `click.UsageError` if the options need --output-folder, which is missing."""
    inputs = given["source"]
    values = " and ".join(f"'{path}'" for path in inputs)
    needs = [name for name in ("part_lines", "ray", "shard") if given[name] is not None]
    check_usage(
        (
            len(inputs) > 1,
            f"--input may be given once, and has the values {values}; choose one, or translate all of them with "
            "--output-folder FOLDER",
        ),
        *((True, f"{flag(name)} needs --output-folder FOLDER") for name in needs),
        (
            any(glob.has_magic(str(path)) and not path.exists() for path in inputs),
            f"--input {values} is a pattern of files, which needs --output-folder FOLDER",
        ),
    )


def _check_many_files(given: dict[str, Any]) -> None:
    """Raise `click.UsageError` if an option does not fit --output-folder."""
    inputs = given["source"]
    check_usage(
        (not inputs, "--output-folder needs --input FILE, or a pattern in quotes: --input 'corpus/*.gz'"),
        ("-" in map(str, inputs), "--output-folder needs files as --input, not standard input"),
        (given["output"] is not None, "--output and --output-folder exclude each other; give one"),
        (given["resume"], "--output-folder needs no --resume: the same command goes on; leave it out"),
        (
            str(given["alignments"] or "-") != "-",
            "--alignments FILE does not fit --output-folder; append alignments to the lines with --alignments -, or "
            "write them with --format json",
        ),
        (
            given["prefix_file"] is not None,
            "--prefix-file does not fit --output-folder; give prefixes with the lines: --input-format json, with the "
            "key \"prefix\"",
        ),
    )  # fmt: skip
