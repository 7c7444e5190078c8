"""Write `report.html`, the page to understand a run: one self-contained file, without scripts."""

import logging
import time
from collections.abc import Mapping
from html import escape
from pathlib import Path

from nmt.config import Config, load_run_config
from nmt.errors import NmtError
from nmt.reports.page.corpus import corpus_section
from nmt.reports.page.curves import curves_section
from nmt.reports.page.elements import Section
from nmt.reports.page.network import Shapes
from nmt.reports.page.network_drawing import network_section
from nmt.reports.page.overview import (
    RELOAD_SECONDS,
    configuration_section,
    read_evaluations,
    results_section,
    state,
)
from nmt.reports.page.style import STYLE
from nmt.reports.page.translations import attention_section, progress_section, quality_section
from nmt.storage.atomic_files import write_atomically
from nmt.storage.history import History, read_history
from nmt.storage.run_folder import Run
from nmt.storage.tensor_shapes import read_shapes
from nmt.storage.text_facts import rarest_words, read_facts
from nmt.storage.validation_texts import read_validation_texts

logger = logging.getLogger(__name__)


def write_report(
    run_folder: Path,
    is_training: bool = False,
    config: Config | None = None,
    shapes: Mapping[str, tuple[int, ...]] | None = None,
) -> Path:
    """Write `report.html` to a run folder atomically and return its path.

    It can be written again at any time, even during training. With `is_training` the page reloads itself. By default
    `config` is read from the run, and the `shapes` of the weights by name from a checkpoint. Raises `NmtError` if there
    is no run or no log yet.
    """
    run = Run(run_folder)
    history = read_history(run_folder)
    path = run_folder / "report.html"
    remedy = "free disk space, and write the report with nmt plot --html"
    write_atomically(
        path, _page(run, history, is_training, config or load_run_config(run), shapes or _shapes(run)), remedy
    )
    return path


def refresh_report(run: Run) -> None:
    """Write the page of a finished run again if it has one, after an evaluation; log a warning if that fails."""
    if run.finished.exists() and (run.folder / "report.html").exists():
        try:
            write_report(run.folder)
        except NmtError as error:
            logger.warning(str(error))


def _page(run: Run, history: History, is_training: bool, config: Config, shapes: Shapes | None) -> str:
    facts = read_facts(run)
    texts = read_validation_texts(run, {record["step"] for record in history.valid})
    sizes = str(history.facts.get("vocabulary", "V/V")).partition("/")
    sections = [
        results_section(run, history),
        curves_section(history, is_training),
        progress_section(history),
        quality_section(config, texts, rarest_words(facts, "valid"), read_evaluations(run.folder / "evaluations")),
        attention_section(config, texts),
        corpus_section(facts),
        network_section(config.model, shapes, (sizes[0], sizes[2])),
        configuration_section(run, config),
    ]
    now = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
    written = f" Written at {now}." if is_training else ""
    head = (
        f"<header><h1>{escape(config.name)}</h1>"
        f'<p class="muted">{escape(config.data.source_language)} to {escape(config.data.target_language)}</p>'
        f'<p class="state" role="status">{escape(state(run, config, history, is_training) + written)}</p></header>'
    )
    shown = [section for section in sections if section.body]
    links = "".join(f'<li><a href="#{section.key}">{escape(section.title)}</a></li>' for section in shown)
    body = "\n".join(
        [head, f'<nav aria-label="Contents"><ul>{links}</ul></nav>', "<main>", *map(_html, shown), "</main>"]
    )
    reload = f'<meta http-equiv="refresh" content="{RELOAD_SECONDS}">\n' if is_training else ""
    title = escape(f"{config.name}: training report")
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n{reload}<title>{title}</title>\n'
        f"<style>{STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def _html(section: Section) -> str:
    heading = f'<h2 id="{section.key}">{escape(section.title)}</h2>'
    return f'<section aria-labelledby="{section.key}">{heading}\n{section.body}</section>'


def _shapes(run: Run) -> Shapes | None:
    """Return the shapes of the weights of a checkpoint, the best one if there is one; None if there is none."""
    for name in ("best", "last"):
        try:
            return read_shapes(run.checkpoint(name) / "model.safetensors")
        except NmtError:
            continue
    return None
