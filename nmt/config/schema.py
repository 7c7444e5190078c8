"""The complete configuration of a run: all sections, and the constraints that involve several sections."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import Field, model_validator

from nmt.config.data import Data, Subword
from nmt.config.decoding import Decoding
from nmt.config.model import Model
from nmt.config.section import NotNegative, Section, reject
from nmt.config.training import Training

if TYPE_CHECKING:
    from typing_extensions import Self


NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
"""What the name of a run looks like: a regular expression."""


class Config(Section):
    """The configuration of a run."""

    name: Annotated[str, Field(pattern=NAME)]
    """Name of the run; its folder is runs/NAME."""
    seed: NotNegative = 1
    """Seed of all random numbers: weights, shuffling, dropout, subword sampling."""
    data: Data
    subword: Subword = Subword()
    model: Model = Model()
    training: Training = Training()
    decoding: Decoding = Decoding()

    @model_validator(mode="after")
    def _check(self) -> "Self":
        model, training, copies = self.model, self.training, self.model.decoder.copy_source
        reject(
            (
                model.embedding.tie == "all" and not self.subword.joint,
                "model.embedding.tie all needs subword.joint: true",
            ),
            (copies and not self.subword.joint, "model.decoder.copy_source needs subword.joint: true"),
            (
                copies and training.r_drop,
                "training.r_drop cannot be combined with model.decoder.copy_source: it compares the probabilities of "
                "all tokens, but with copying only those of the target tokens are computed; leave one of them out",
            ),
            (
                training.r_drop and not model.drops,
                "training.r_drop has no effect if model.dropout drops nothing, because both passes are then the same; "
                "leave it out",
            ),
            *(
                (
                    not model.attention.coverage and not training.is_default(key),
                    f"training.{key} has no effect without model.attention.coverage; leave it out",
                )
                for key in ("coverage_loss", "coverage_after")
            ),
            (
                training.coverage_after and not training.coverage_loss,
                "training.coverage_after has no effect with coverage_loss 0; leave it out",
            ),
            (
                training.init_from is not None
                and (model.embedding.source_vectors is not None or model.embedding.target_vectors is not None),
                "training.init_from provides the embeddings: leave out the vectors of model.embedding",
            ),
            (
                training.teacher_forcing != "always" and not model.decoder.feedback,
                "training.teacher_forcing has no effect without model.decoder.feedback; leave it out",
            ),
            *(
                (
                    tag not in self.subword.user_symbols,
                    f"the tag {tag} of a corpus is missing from subword.user_symbols",
                )
                for tag in self.data.tags
            ),
        )
        self._check_decoding()
        return self

    def _check_decoding(self) -> None:
        attention, decoding = self.model.attention, self.decoding
        positions, limit = self.model.attention.positions, self.most_source_tokens
        reject(
            (
                self.model.decoder.copy_source and decoding.shortlist,
                "decoding.shortlist cannot be combined with model.decoder.copy_source, which may copy any word",
            ),
            *(
                (
                    attention.score == "none" and getattr(decoding, key),
                    f"decoding.{key} needs attention, but model.attention.score is none",
                )
                for key in ("coverage_penalty", "replace_unknown")
            ),
            (
                attention.score == "location" and positions <= self.training.max_tokens,
                f"model.attention.positions {positions} must be more than training.max_tokens "
                f"{self.training.max_tokens}, for the end of the sentence",
            ),
            (
                limit is not None and decoding.max_source_tokens > limit,
                f"model.attention.positions {positions} must be more than "
                f"{decoding.max_source_tokens + bool(self.data.tags)}: decoding.max_source_tokens, and a tag if there "
                "are any, for the end of the sentence",
            ),
        )

    @property
    def most_source_tokens(self) -> int | None:
        """The largest `decoding.max_source_tokens` that the model can read; None if there is no limit."""
        if self.model.attention.score != "location":
            return None
        return self.model.attention.positions - 1 - bool(self.data.tags)

    @property
    def prepared(self) -> Path:
        """Folder of the prepared data."""
        return self.data.prepared or Path("prepared") / self.name

    @property
    def run(self) -> Path:
        """Folder of the run."""
        return Path("runs") / self.name
