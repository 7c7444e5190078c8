"""A whole run: all sections, and what they must agree on."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import Field, model_validator

from nmt.config.data import Data, Subword
from nmt.config.decoding import Decoding
from nmt.config.model import Model
from nmt.config.section import NotNegative, Section
from nmt.config.training import Training

if TYPE_CHECKING:
    from typing_extensions import Self


class Config(Section):
    """A run."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    """Name of the run; its folder is runs/NAME."""
    seed: NotNegative = 1
    """Reproduces the run: weights, shuffling, dropout, subword sampling."""
    data: Data
    subword: Subword = Subword()
    model: Model = Model()
    training: Training = Training()
    decoding: Decoding = Decoding()

    @model_validator(mode="after")
    def _agrees(self) -> "Self":
        if self.model.embedding.tie == "all" and not self.subword.joint:
            raise ValueError("model.embedding.tie all needs subword.joint: true")
        if self.model.decoder.copy_source and not self.subword.joint:
            raise ValueError("model.decoder.copy_source needs subword.joint: true")
        if self.model.decoder.copy_source and self.training.r_drop:
            raise ValueError(
                "training.r_drop does not go with model.decoder.copy_source: it compares the probabilities of all "
                "words, and with copying only those of the target's own are worked out; leave one of them out"
            )
        if self.training.r_drop and not self.model.drops:
            raise ValueError(
                "training.r_drop means nothing where model.dropout drops nothing, as both passes are then the same; "
                "leave it out"
            )
        for key in ("coverage_loss", "coverage_after"):
            if not self.model.attention.coverage and not self.training.is_default(key):
                raise ValueError(f"training.{key} means nothing without model.attention.coverage; leave it out")
        if self.training.coverage_after and not self.training.coverage_loss:
            raise ValueError("training.coverage_after means nothing with coverage_loss 0; leave it out")
        if self.model.decoder.copy_source and self.decoding.shortlist:
            raise ValueError("decoding.shortlist does not go with model.decoder.copy_source, which may copy any word")
        if self.model.attention.score == "none" and self.decoding.coverage_penalty:
            raise ValueError("decoding.coverage_penalty needs attention, and model.attention.score is none")
        if self.model.attention.score == "none" and self.decoding.replace_unknown:
            raise ValueError("decoding.replace_unknown needs attention, and model.attention.score is none")
        if self.model.attention.score == "location" and self.model.attention.positions <= self.training.max_tokens:
            raise ValueError(
                f"model.attention.positions {self.model.attention.positions} must be more than training.max_tokens "
                f"{self.training.max_tokens}, for the end of the sentence"
            )
        if self.most_source_tokens is not None and self.decoding.max_source_tokens > self.most_source_tokens:
            raise ValueError(
                f"model.attention.positions {self.model.attention.positions} must be more than "
                f"{self.decoding.max_source_tokens + bool(self.data.tags)}: decoding.max_source_tokens, and a tag if "
                "there are any, for the end of the sentence"
            )
        vectors = self.model.embedding.source_vectors or self.model.embedding.target_vectors
        if self.training.init_from is not None and vectors is not None:
            raise ValueError("training.init_from brings embeddings: leave out the vectors of model.embedding")
        if self.training.teacher_forcing != "always" and not self.model.decoder.feedback:
            raise ValueError("training.teacher_forcing means nothing without model.decoder.feedback; leave it out")
        for tag in self.data.tags:
            if tag not in self.subword.user_symbols:
                raise ValueError(f"the tag {tag} of a corpus is missing from subword.user_symbols")
        return self

    @property
    def most_source_tokens(self) -> int | None:
        """The largest `decoding.max_source_tokens` that the model can read; None for any."""
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
