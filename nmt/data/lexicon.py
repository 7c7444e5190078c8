"""A bilingual lexicon: the likely target tokens of each source token, for shortlists.

Axes: V source vocabulary, N candidates of a source token.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from nmt.errors import NmtError

if TYPE_CHECKING:
    from nmt.data.subword import Vocabularies

CANDIDATES = 64
"""Most target tokens kept for a source token."""
COMMON = 128
"""Target tokens, the most frequent ones, that any source may become."""


@dataclass(frozen=True)
class Lexicon:
    """Target ids for source ids."""

    candidates: npt.NDArray[np.int32]
    """(V, N) the most probable targets of each source token, the best first; EOS where there are no more."""
    common: npt.NDArray[np.int32]
    """(at most COMMON,) the most frequent target tokens, the most frequent first."""

    def to_bytes(self, vocabularies: "Vocabularies") -> bytes:
        """Return the content of the file that `load` reads, with the fingerprint of its vocabularies."""
        tensors = {"candidates": self.candidates, "common": self.common}
        return save(tensors, metadata={"vocabularies": vocabularies.fingerprint})

    @classmethod
    def load(cls, path: Path, vocabularies: "Vocabularies") -> "Lexicon":
        """Read the lexicon of `vocabularies`; raises `NmtError` where it is missing, damaged or of others."""
        try:
            with safe_open(path, framework="np") as file:
                fingerprint = (file.metadata() or {}).get("vocabularies")
                shapes = [file.get_slice(name).get_shape() for name in ("candidates", "common")]
                if shapes[0] != [vocabularies.source.size, CANDIDATES] or len(shapes[1]) != 1 or shapes[1][0] > COMMON:
                    raise ValueError
                lexicon = cls(file.get_tensor("candidates"), file.get_tensor("common"))
            for ids in (lexicon.candidates, lexicon.common):
                if ids.dtype != np.int32 or ids.min(initial=0) < 0 or ids.max(initial=0) >= vocabularies.target.size:
                    raise ValueError
        except FileNotFoundError:
            raise NmtError(f"{path}: this run has no lexicon; translate with --shortlist 0") from None
        except (SafetensorError, OSError, KeyError, ValueError, TypeError, AttributeError):
            raise NmtError(f"{path}: damaged, or of another vocabulary; translate with --shortlist 0") from None
        if fingerprint != vocabularies.fingerprint:
            raise NmtError(f"{path}: of another vocabulary than the run's; translate with --shortlist 0")
        return lexicon
