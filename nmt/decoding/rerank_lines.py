"""Rerank n-best lists line by line with given weights (the loop of `nmt rerank`)."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from nmt.data.lines import read_lines
from nmt.decoding.input_windows import read_windows
from nmt.decoding.line_input import input_name, open_lines
from nmt.decoding.n_best_lists import NBestList, check_sources, read_lists
from nmt.decoding.output_files import open_output
from nmt.decoding.output_formats import to_json_line
from nmt.decoding.rerank_features import Feature, check_languages, matrices
from nmt.decoding.rerank_weights import Weights

WINDOW = 1024
"""Lists that are read and scored together; fewer if they have many characters."""


@dataclass(frozen=True)
class RerankJob:
    """The n-best lists, and what is computed of them."""

    features: Sequence[Feature]
    lists: Path | None
    """None and "-" are stdin."""
    source: Path | None = None
    """If given, the sources of the lists must be its lines."""
    tokens_per_batch: int | None = None

    def windows(self) -> Iterator[list[tuple[NBestList, NDArray[np.float64]]]]:
        """Yield the lists with their features (N, F), some lists at a time.

        Raise `NmtError` that names a line that is no n-best list or is of another source, or a model of the wrong
        direction.
        """
        lines, name = open_lines(self.lists)[0], input_name(self.lists)
        lists: Iterable[NBestList] = read_lists(lines, name)
        if self.source is not None:
            lists = check_sources(lists, read_lines(self.source), name, str(self.source))
        for number, window in enumerate(read_windows(lists, WINDOW, size=lambda each: each.characters)):
            if not number:
                check_languages(self.features, window)
            yield list(zip(window, matrices(self.features, window, self.tokens_per_batch), strict=True))


def rerank_lines(job: RerankJob, weights: Weights, output: Path | None, output_format: Literal["text", "json"]) -> None:
    """Write the best hypothesis of each list, or with json the list with all features, the best hypothesis first."""
    names = [feature.name for feature in job.features]
    with open_output(output) as out:
        for window in job.windows():
            for each, features in window:
                order = ranking(features, weights.values)
                line = each.texts[order[0]]
                if output_format == "json":
                    line = _to_json(each, features, names, weights.values, order)
                out.write(f"{line}\n".encode("utf-8", "replace"))
        out.flush()


def ranking(features: NDArray[np.float64], weights: NDArray[np.float64]) -> list[int]:
    """Return the numbers of the hypotheses, the best first; of equal ones in the order of the list."""
    order: list[int] = np.argsort(-(features @ weights), kind="stable").tolist()
    return order


def _to_json(
    each: NBestList,
    features: NDArray[np.float64],
    names: Sequence[str],
    weights: NDArray[np.float64],
    order: Sequence[int],
) -> str:
    """Return the object of the list with its hypotheses in this order, each with its features and its new score."""
    scores = features @ weights
    hypotheses = [
        {
            **each.hypotheses[number],
            "features": dict(zip(names, features[number].tolist(), strict=True)),
            "rerank_score": float(scores[number]),
        }
        for number in order
    ]
    return to_json_line({**each.values, "hypotheses": hypotheses})
