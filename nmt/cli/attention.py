"""`nmt attention`: translate sentences and draw their attention as maps of source and target words."""

import logging
from pathlib import Path
from typing import Any, Literal

import click

from nmt.cli import options, search_flags
from nmt.cli.load import load
from nmt.cli.options import FILE
from nmt.cli.strict_parsing import Command
from nmt.errors import NmtError

logger = logging.getLogger(__name__)


@click.command(cls=Command)
@options.model
@click.option(
    "--input", "-i", "source", type=FILE, help="Sentences to translate and draw, one per line; default stdin."
)
@click.option(
    "--output", "-o", type=FILE, default=Path("attention"), show_default=True,
    help="Folder for 1.png, 2.png, …; or FILE.png, FILE.svg, FILE.pdf for one sentence (FILE-1.png, … for several).",
)  # fmt: skip
@click.option(
    "--level", type=click.Choice(["word", "piece"]), default="word", show_default=True, help="Unit of a row or column."
)
@click.option(
    "--font", type=FILE, help="Font file for characters that are missing in the font of matplotlib, such as Chinese."
)
@search_flags.beam_size
@options.tag
@options.machine
def command(
    models: tuple[Path, ...],
    checkpoint: str | None,
    source: Path | None,
    output: Path,
    level: Literal["word", "piece"],
    font: Path | None,
    beam_size: int | None,
    tag: str,
    **machine: Any,
) -> None:
    """Translate each line and draw the attention of the decoder: source as columns, target as rows.

    \b
    echo "A dog runs." | nmt attention --model runs/NAME --output dog.png
    """
    from nmt.data.lines import InvalidLines
    from nmt.decoding.line_input import input_name, open_lines
    from nmt.decoding.loading import find_checkpoints
    from nmt.reports.alignment import of_translation
    from nmt.reports.attention_maps import draw
    from nmt.reports.figure import check, save
    from nmt.reports.fonts import families_for

    if output.suffix:
        check(output)
    if font is not None:
        families_for([], font)
    invalid = InvalidLines(input_name(source))
    lines = list(open_lines(source, invalid)[0])
    if invalid.invalid:
        logger.warning(str(invalid))
    if not lines:
        raise NmtError("nothing to draw: give sentences on stdin or with --input")
    found = find_checkpoints(models, checkpoint)
    given = {"with_alignment": True, "beam_size": beam_size, "tag": tag}
    search = search_flags.search_options(given, [each.settings for each in found])
    translator = load(found, machine).translator
    is_any_drawn = False
    for translation in translator.translate(lines, options=search):
        number = translation.number + 1
        path = output_file(output, number, len(lines))
        try:
            alignment = of_translation(translation, level == "word")
            figure = draw(alignment, font, may_lack=path.suffix.lower() == ".svg")
        except NmtError as error:
            logger.info(f"line {number}: {error}")
            continue
        save(figure, path)
        click.echo(path)
        is_any_drawn = True
    if not is_any_drawn:
        raise NmtError("no line could be drawn; the reasons are above")


def output_file(output: Path, number: int, count: int) -> Path:
    """Return the output file of line `number` of `count` lines."""
    if not output.suffix:
        return output / f"{number:0{len(str(count))}d}.png"
    return output if count == 1 else output.with_name(f"{output.stem}-{number:0{len(str(count))}d}{output.suffix}")
