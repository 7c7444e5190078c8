"""The translations of the best and the last validation, which a run keeps so that its report can show them.

runs/NAME/validation/best.json   those of the best checkpoint
                     last.json   those of the last validation, if it was not the best
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nmt.storage.atomic_files import convert_write_errors, write_atomically
from nmt.storage.json_text import dump_json, parse_json
from nmt.storage.run_folder import Run


@dataclass(frozen=True)
class AttentionOf:
    """The attention of one translated sentence, by words."""

    source: tuple[str, ...]
    """S words."""
    target: tuple[str, ...]
    """T words."""
    weights: tuple[tuple[float, ...], ...]
    """(T, S), rounded."""


@dataclass(frozen=True)
class ValidationTexts:
    """The sentences of a validation."""

    step: int
    """The optimizer steps done at the validation."""
    sources: tuple[str, ...]
    translations: tuple[str, ...]
    references: tuple[str, ...]
    attention: tuple[AttentionOf, ...] = ()
    """The attention of a few of the sentences."""


def write_validation_texts(run: Run, texts: ValidationTexts, is_best: bool) -> None:
    """Write best.json or last.json. Raise `NmtError` if it cannot be written."""
    with convert_write_errors(run.validation, run.write_remedy):
        run.validation.mkdir(exist_ok=True)
    values = {
        "step": texts.step,
        "sources": texts.sources,
        "translations": texts.translations,
        "references": texts.references,
        "attention": [vars(each) for each in texts.attention],
    }
    path = run.validation / ("best.json" if is_best else "last.json")
    write_atomically(path, dump_json(values, ensure_ascii=False) + "\n", run.write_remedy)


def read_validation_texts(run: Run, steps: set[int]) -> ValidationTexts | None:
    """Return the translations of the best validation, else of the last one; None if there are none.

    Files that are damaged, or of a validation at a step that is not in `steps`, are skipped: training may have been
    resumed at an earlier step.
    """
    for name in ("best.json", "last.json"):
        texts = _read(run.validation / name)
        if texts is not None and texts.step in steps:
            return texts
    return None


def _read(path: Path) -> ValidationTexts | None:
    try:
        values: dict[str, Any] = parse_json(path.read_text(encoding="utf-8"))
        texts = [tuple(map(str, values[key])) for key in ("sources", "translations", "references")]
        attention = tuple(
            AttentionOf(
                tuple(each["source"]), tuple(each["target"]), tuple(tuple(map(float, row)) for row in each["weights"])
            )
            for each in values["attention"]
        )
        return ValidationTexts(int(values["step"]), texts[0], texts[1], texts[2], attention)
    except (OSError, ValueError, KeyError, TypeError):
        return None
