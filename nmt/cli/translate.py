"""`nmt translate`: translate a file or stdin, one output line per input line."""

import itertools
import logging
import shlex
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from nmt.cli import file_options, options, search_flags
from nmt.cli.load import load
from nmt.cli.log_output import show_log
from nmt.cli.options import FILE
from nmt.cli.strict_parsing import Command, check_usage
from nmt.decoding.files_job import LINES_PER_PART, FilesJob
from nmt.errors import NmtError

if TYPE_CHECKING:
    from nmt.decoding.loading import Checkpoint
    from nmt.decoding.search_options import SearchOptions
    from nmt.decoding.translate_lines import TranslationJob

logger = logging.getLogger(__name__)


@click.command(cls=Command)
@options.model
@click.option(
    "--input", "-i", "source", type=FILE, multiple=True, metavar="FILE",
    help="Text to translate, one sentence per line, plain or .gz; default stdin. With --output-folder also a pattern "
    "in quotes, such as 'corpus/*.gz', and several times.",
)  # fmt: skip
@click.option(
    "--input-format", type=click.Choice(["text", "json"]), default="text", show_default=True,
    help='json: one object per line, such as {"source": "A dog."}. "prefix" and "tag" apply to this line; '
    "--format json copies all other keys to the output.",
)  # fmt: skip
@click.option(
    "--output", "-o", type=FILE,
    help="Output file; default stdout. It appears when it is complete; until then finished lines are in "
    "OUTPUT.partial.",
)  # fmt: skip
@click.option(
    "--resume", is_flag=True,
    help="Resume an interrupted translation to OUTPUT after its finished lines, with the same input, model and "
    "options. Start if there are none, and do nothing if OUTPUT is complete.",
)  # fmt: skip
@file_options.files
@click.option(
    "--split-sentences",
    is_flag=True,
    help="Translate each sentence of a line on its own. The output still has one line per input line.",
)
@search_flags.search
@search_flags.sampling
@click.option(
    "--format", "form", type=click.Choice(["text", "moses", "json"]), default="text", show_default=True,
    help="Output format: translations; Moses n-best lists; one JSON object per line, with scores.",
)  # fmt: skip
@click.option(
    "--alignments", type=FILE, metavar="FILE|-",
    help="Write word alignments, source-target, to this file; - appends them to the line, after |||.",
)  # fmt: skip
@options.tag
@click.option("--prefix", help="Text that each translation begins with.")
@click.option("--prefix-file", type=FILE, help="File with the text that each translation begins with, one per line.")
@options.machine
@options.quiet
def command(**given: Any) -> None:
    """Translate stdin, a file, or many files; the output has one line per input line.

    Give one sentence per line, or use --split-sentences.

    Defaults of the search are in the `decoding` section of the model's config.
    """
    _check(given)
    from nmt.data.lines import read_lines
    from nmt.decoding.loading import find_checkpoints
    from nmt.decoding.resumable_output import check_nothing_unfinished, is_complete
    from nmt.decoding.translate_files import translate_files
    from nmt.decoding.translate_lines import TranslationJob, translate_lines

    show_log(given["quiet"])
    files = _files_job(given)
    output = given["output"]
    if given["resume"] and is_complete(output):
        logger.info(f"{output} is complete; leave out --resume to translate again")
        return
    if not given["resume"] and output is not None:
        check_nothing_unfinished(output)
    found = find_checkpoints(given["models"], given["checkpoint"])
    prefixes: Iterator[str] | None = None if given["prefix"] is None else itertools.repeat(given["prefix"])
    if given["prefix_file"] is not None:
        prefixes = read_lines(given["prefix_file"])
    settings = [each.settings for each in found]
    search = search_flags.search_options(
        given,
        settings,
        with_alignment=given["alignments"] is not None or given["form"] == "json",
        shortlist=given["shortlist"] if prefixes is None else 0,  # a prefix may contain any word
    )
    if given["alignments"] is None and not all(model.has_attention for model in settings):
        search = search.changed(with_alignment=False)  # JSON output then has no alignments
    job = TranslationJob(
        source=next(iter(given["source"]), None),
        input_format=given["input_format"],
        prefixes=prefixes,
        prefix=given["prefix"],
        output=output,
        output_format=given["form"],
        alignments=given["alignments"],
        resume=given["resume"],
        resume_command=_resume_command(click.get_current_context()),
    )
    if given["ray"] is not None and files is not None:
        _translate_with_ray(found, given, search, job, files)
        return
    loaded = load(found, given, search.shortlist)
    if files is not None:
        translate_files(loaded, search, job, files)
        return
    translate_lines(loaded, search, job)
    if given["prefix_file"] is not None and prefixes is not None and next(prefixes, None) is not None:
        raise NmtError(
            f"{given['prefix_file']}: has more lines than the input; the whole input is translated, but check that the "
            "two files belong together"
        )


def _translate_with_ray(
    found: "Sequence[Checkpoint]",
    given: dict[str, Any],
    search: "SearchOptions",
    job: "TranslationJob",
    files: FilesJob,
) -> None:
    from nmt.decoding.ray_translation import RayOptions, Recipe, translate_with_ray

    recipe = Recipe.of(found, given["engine"], given["device"], given["precision"], search, job)
    translate_with_ray(recipe, files, RayOptions(given["ray"], given["ray_cpus"] or 1, given["ray_gpus"]))


def _files_job(given: dict[str, Any]) -> FilesJob | None:
    """Return the files of --input and the folder of --output-folder; None without --output-folder."""
    from nmt.decoding.input_files import find_inputs

    folder = given["output_folder"]
    if folder is None:
        return None
    return FilesJob(
        find_inputs(given["source"], folder),
        folder,
        lines_per_part=given["part_lines"] or LINES_PER_PART,
        shard=given["shard"],
    )


def _check(given: dict[str, Any]) -> None:
    """Raise `click.UsageError` if options contradict each other, or one of them would be ignored."""
    search_flags.check(given)
    file_options.check(given)
    options.exclude(given, "prefix", "prefix_file")
    has_prefix = given["prefix"] is not None or given["prefix_file"] is not None
    check_usage(
        (
            given["shortlist"] and has_prefix,
            "--shortlist and a prefix exclude each other; a prefix may contain any word",
        ),
        (given["resume"] and str(given["output"] or "-") == "-", "--resume needs --output FILE"),
    )


def _resume_command(context: click.Context) -> str:
    """Return the command that resumes this translation if it is interrupted."""
    words = ["nmt", "translate", *options.written(context)]
    words += [] if context.params["resume"] else ["--resume"]
    return shlex.join(words) + ("" if context.params["source"] else " < INPUT")
