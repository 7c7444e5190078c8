"""Translate texts with models into files of scored hypotheses; an interrupted translation continues."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nmt.decoding.loading import Checkpoint, LoadedTranslator, load_translator
from nmt.decoding.resumable_output import is_complete
from nmt.decoding.search_options import SearchOptions
from nmt.decoding.translate_lines import TranslationJob, translate_lines
from nmt.storage.atomic_files import convert_write_errors
from nmt.training.augmentation.state import REMEDY, Result


class Translations:
    """Translates files; the model of the last one stays loaded for the next."""

    def __init__(self, search: Mapping[str, Any], command: str) -> None:
        """Search with the options of each model's configuration, changed by `search`.

        `command` is what an interrupted translation tells the user to run again.
        """
        self._search, self._command = search, command
        self._loaded: tuple[list[Path], LoadedTranslator] | None = None

    def translate(self, models: list[Checkpoint], source: Path, output: Path) -> Result:
        """Write a line of scored hypotheses for each line of `source`, unless `output` is complete."""
        with convert_write_errors(output, REMEDY):
            output.parent.mkdir(parents=True, exist_ok=True)
        if not is_complete(output):
            settings = [model.settings for model in models]
            search = SearchOptions.of(*settings).changed(**self._search)
            search.check_source_length(settings)
            job = TranslationJob(
                source=source,
                output=output,
                output_format="scored",
                resume=is_begun(output),
                resume_command=self._command,
            )
            translate_lines(self._load(models, search), search, job)
        return {"bytes": output.stat().st_size}

    def _load(self, models: list[Checkpoint], search: SearchOptions) -> LoadedTranslator:
        folders = [model.folder for model in models]
        if self._loaded is None or self._loaded[0] != folders:
            self._loaded = None  # two models need not be in memory at the same time
            self._loaded = folders, load_translator(models, "auto", "auto", "auto", search.shortlist)
        return self._loaded[1]


def is_begun(output: Path) -> bool:
    """Return whether an interrupted translation has left finished lines."""
    return os.path.lexists(output) or os.path.lexists(output.with_name(f"{output.name}.partial"))
