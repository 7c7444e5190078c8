"""The file with the weights of the features of `nmt rerank`, which names the models that they belong to."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nmt.decoding.rerank_features import BACKWARD, Feature
from nmt.errors import NmtError
from nmt.storage.atomic_files import write_atomically
from nmt.storage.json_text import dump_json

FORMAT = 1
_REMEDY = "tune the weights of these models: nmt rerank --tune --reference REF"


@dataclass(frozen=True)
class Weights:
    """The weights of features, in their order."""

    features: tuple[tuple[str, str, str], ...]
    """The name, the model and the checksum of its weights of each feature."""
    values: NDArray[np.float64]
    """(F,)"""
    tuned_on: dict[str, Any] = field(default_factory=dict)
    """The text and the scores of the tuning, for the reader of the file."""

    def save(self, path: Path) -> None:
        """Write the file. Raise `NmtError` if it cannot be written."""
        features = [
            {"name": name, "weight": weight, **({"model": model, "checksum": checksum} if model else {})}
            for (name, model, checksum), weight in zip(self.features, self.values.tolist(), strict=True)
        ]
        values = {"format": FORMAT, "features": features, "tuned_on": self.tuned_on}
        write_atomically(path, dump_json(values, indent=1, ensure_ascii=False) + "\n", "name another file")

    def check(self, features: Sequence[Feature], path: Path) -> None:
        """Raise `NmtError` unless the weights, read from `path`, belong to these features and models."""
        own, given = ([name for name, *_ in self.features], [feature.name for feature in features])
        if own != given:
            raise NmtError(
                f"{path}: has weights for {', '.join(own)}, but the options give {', '.join(given)}; give the models "
                f"that the weights were tuned with (--backward, --model), or {_REMEDY}"
            )
        for (name, model, checksum), feature in zip(self.features, features, strict=True):
            if checksum != feature.checksum:
                option = "--backward" if name == BACKWARD else "--model"
                raise NmtError(
                    f"{path}: the weight of {name} was tuned with {model} ({checksum[:8]}), but {option} "
                    f"{feature.folder} is {feature.model} ({feature.checksum[:8]}); {_REMEDY}"
                )


def weights_of(features: Sequence[Feature], values: NDArray[np.float64], tuned_on: dict[str, Any]) -> Weights:
    """Return the weights of these features."""
    return Weights(tuple((each.name, each.model, each.checksum) for each in features), values, tuned_on)


def read_weights(path: Path) -> Weights:
    """Read the file. Raise `NmtError` that names what is wrong with it."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if found["format"] != FORMAT:
            raise ValueError(f"has format {found['format']!r:.20}, not {FORMAT}")
        features, values = [], []
        for each in found["features"]:
            if type(each["weight"]) not in (int, float) or not math.isfinite(each["weight"]):
                raise ValueError(f"the weight of {each['name']} is not a finite number")
            features.append((str(each["name"]), str(each.get("model", "")), str(each.get("checksum", ""))))
            values.append(float(each["weight"]))
        return Weights(tuple(features), np.array(values))
    except OSError as error:
        raise NmtError(f"{path}: {error.strerror or error}") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise NmtError(f"{path}: not a file of weights that nmt rerank has written ({error}); {_REMEDY}") from None
