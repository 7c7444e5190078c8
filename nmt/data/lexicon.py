"""The bilingual lexicon for shortlists: the most probable target tokens of each source token; read and write the file.

Axes: V source vocabulary, N candidates of a source token.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nmt.errors import NmtError

if TYPE_CHECKING:
    from nmt.data.subword import Vocabularies

CANDIDATES_PER_TOKEN = 64
"""Target tokens kept for each source token, N."""
MAX_COMMON = 128
"""The most frequent target tokens, which are candidates for every source."""


@dataclass(frozen=True)
class Lexicon:
    """Candidate target ids for each source id."""

    candidates: npt.NDArray[np.int32]
    """(V, N) the most probable target tokens of each source token, the best first, padded with EOS."""
    common: npt.NDArray[np.int32]
    """(at most MAX_COMMON,) the most frequent target tokens, the most frequent first."""

    def to_bytes(self, vocabularies: "Vocabularies") -> bytes:
        """Serialise the lexicon in the format that `load` reads, with the fingerprint of its vocabularies."""
        from safetensors.numpy import save

        tensors = {"candidates": self.candidates, "common": self.common}
        return save(tensors, metadata={"vocabularies": vocabularies.fingerprint})

    @classmethod
    def load(cls, path: Path, vocabularies: "Vocabularies") -> "Lexicon":
        """Read the lexicon of `vocabularies`. Raise NmtError if it is missing, damaged or of another vocabulary."""
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, framework="np") as file:
                fingerprint = (file.metadata() or {}).get("vocabularies")
                lexicon = cls(file.get_tensor("candidates"), file.get_tensor("common"))
            if lexicon.candidates.shape != (vocabularies.source.size, CANDIDATES_PER_TOKEN):
                raise ValueError
            if lexicon.common.ndim != 1 or len(lexicon.common) > MAX_COMMON:
                raise ValueError
            for ids in (lexicon.candidates, lexicon.common):
                if ids.dtype != np.int32 or ids.min(initial=0) < 0 or ids.max(initial=0) >= vocabularies.target.size:
                    raise ValueError
        except FileNotFoundError:
            learn = f"nmt train --config {path.with_name('config.yaml')} --resume --set decoding.shortlist=32"
            raise NmtError(
                f"{path}: this run has no lexicon, which a shortlist needs; use --shortlist 0, or learn it: {learn}"
            ) from None
        except (SafetensorError, OSError, KeyError, ValueError, TypeError, AttributeError):
            raise NmtError(f"{path}: damaged, or belongs to another vocabulary; translate with --shortlist 0") from None
        if fingerprint != vocabularies.fingerprint:
            raise NmtError(f"{path}: this lexicon belongs to another vocabulary; translate with --shortlist 0")
        return lexicon
