"""`nmt attention`: alignment maps of translated sentences."""

import functools
from pathlib import Path
from typing import Literal

import click

from nmt.cli import options
from nmt.cli.options import FILE
from nmt.cli.strict_parsing import Command
from nmt.errors import NmtError


@click.command(cls=Command)
@options.model
@click.option("--input", "-i", "source", type=FILE, help="Sentences to translate and draw, one a line; default stdin.")
@click.option(
    "--output", "-o", type=FILE, default=Path("attention"), show_default=True,
    help="Folder for 1.png, 2.png, …; or FILE.png, FILE.svg, FILE.pdf for one sentence (FILE-1.png, … for several).",
)  # fmt: skip
@click.option(
    "--level", type=click.Choice(["word", "piece"]), default="word", show_default=True, help="What is a cell."
)
@click.option("--font", type=FILE, help="Font file for characters that matplotlib's own font lacks, such as Chinese.")
@options.beam_size
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
    device: Literal["auto", "cpu", "cuda"],
    precision: Literal["auto", "fp32", "bf16", "int8"],
) -> None:
    """Translate each line and draw where the decoder looked: source as columns, target as rows.

    \b
    echo "A dog runs." | nmt attention --model runs/NAME --output dog.png
    """
    from nmt.data.lines import InvalidLines
    from nmt.decoding.line_input import input_name, open_lines
    from nmt.decoding.loading import find_checkpoints, load_translator
    from nmt.decoding.progress import InvalidText
    from nmt.decoding.translator import Settings
    from nmt.reports.attention_maps import draw, of_translation
    from nmt.reports.figure import check, save
    from nmt.reports.fonts import families_for

    say = functools.partial(click.echo, err=True)
    if output.suffix:
        check(output)
    if font is not None:
        families_for([], font)
    invalid = InvalidLines(input_name(source))
    lines = list(open_lines(source, invalid)[0])
    InvalidText(say, invalid).finish()
    if not lines:
        raise NmtError("nothing to draw: give sentences on stdin or with --input")
    found = find_checkpoints(models, checkpoint, say)
    settings = Settings.of(*(each.config for each in found)).changed(with_alignment=True, beam_size=beam_size, tag=tag)
    translator = load_translator(found, device, precision, say=say).translator
    is_any_drawn = False
    for translation in translator.translate(lines, settings):
        number = translation.number + 1
        path = place(output, number, len(lines))
        try:
            alignment = of_translation(translation, level == "word")
            figure = draw(alignment, font, may_lack=path.suffix.lower() == ".svg")
        except NmtError as error:
            say(f"line {number}: {error}")
            continue
        save(figure, path)
        click.echo(path)
        is_any_drawn = True
    if not is_any_drawn:
        raise NmtError("no line could be drawn; the reasons are above")


def place(output: Path, number: int, count: int) -> Path:
    """Return the file of line `number` of `count`."""
    if not output.suffix:
        return output / f"{number:0{len(str(count))}d}.png"
    return output if count == 1 else output.with_name(f"{output.stem}-{number:0{len(str(count))}d}{output.suffix}")
