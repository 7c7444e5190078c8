"""The section `model.attention`."""

from typing import TYPE_CHECKING, Literal

from pydantic import model_validator

from nmt.config.section import Section, Width, reject

if TYPE_CHECKING:
    from typing_extensions import Self


class Attention(Section):
    """Attention of the decoder over the source."""

    score: Literal["none", "additive", "concat", "dot", "general", "location"] = "general"
    """Score function. additive: v' tanh(W q + U h) (Bahdanau 2015), which Luong (2015) calls concat; dot: q'h; general:
    q'W h; location: W q, which depends on the position only (Luong 2015); none: no attention, the decoder reads the
    summary of the sentence."""
    scaled: bool = True
    """Divide dot and general scores by the square root of the width (Vaswani 2017). Several heads with dot are always
    scaled."""
    size: Width = 512
    """Width of the hidden layer of the additive score and of a predicted centre; total width of several heads."""
    heads: Width = 1
    """Number of heads, with score dot (Vaswani 2017) or additive (Chen 2018)."""
    local: Literal["none", "monotonic", "predictive"] = "none"
    """Local attention: only a window of the source, centred on the target position or on a predicted position (Luong
    2015)."""
    window: Width = 10
    """Tokens on each side of the centre of local attention."""
    positions: Width = 257
    """Number of source positions of the location score; later positions get no attention."""
    coverage: bool = False
    """The additive score also reads the sum of the previous attention to each source token (See 2017)."""

    @property
    def is_additive(self) -> bool:
        """Whether the score is additive."""
        return self.score in ("additive", "concat")

    @model_validator(mode="after")
    def _check(self) -> "Self":
        is_multi_head = self.heads > 1
        reject(
            (
                self.score in ("none", "location") and (is_multi_head or self.local != "none"),
                f"'score: {self.score}' cannot be combined with 'heads' or 'local'",
            ),
            (
                is_multi_head and self.score != "dot" and not self.is_additive,
                f"several 'heads' need the score dot or additive, not {self.score}",
            ),
            (
                is_multi_head and self.size % self.heads,
                f"'size' {self.size} must be a multiple of 'heads' {self.heads}",
            ),
            (
                is_multi_head and self.local != "none",
                "'local' needs a single head",
            ),
            (
                not self.scaled and (self.score not in ("dot", "general") or is_multi_head),
                "'scaled: false' needs the score dot or general with one head",
            ),
            (
                self.coverage and (not self.is_additive or is_multi_head),
                "'coverage' needs 'score: additive' with one head",
            ),
        )
        if not self.is_additive and not is_multi_head and self.local != "predictive":
            self.reject_unused(["size"], f"with 'score: {self.score}', one head and no predicted centre")
        if self.local == "none":
            self.reject_unused(["window"], "without 'local'")
        if self.score != "location":
            self.reject_unused(["positions"], "without 'score: location'")
        return self
