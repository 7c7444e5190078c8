"""`SearchOptions`: all options of a search (beam size, n-best, sampling, limits), validated in one place."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypedDict

from pydantic import Field, ValidationError, model_validator

from nmt.config import Config, Decoding
from nmt.config.loading import explain
from nmt.config.section import NotNegative, Positive, reject
from nmt.errors import NmtError

if TYPE_CHECKING:
    from typing_extensions import Self


class SearchKeywords(TypedDict, total=False):
    """The fields of `SearchOptions` as keyword arguments, for type checkers; `alignments` is `with_alignment`."""

    beam_size: int
    length_penalty: Literal["none", "average", "gnmt"]
    alpha: float
    coverage_penalty: float
    beam_prune: float
    no_repeat_ngram: int
    repetition_penalty: float
    shortlist: int
    replace_unknown: bool
    max_length_ratio: float
    max_length_extra: int
    max_source_tokens: int
    tokens_per_batch: int
    window: int
    method: Literal["beam", "greedy", "sample"]
    n_best: int
    distinct: bool
    tag: str
    forbid_unknown: bool
    min_length: int
    alignments: bool
    temperature: float
    top_k: int
    top_p: float
    seed: int


class SearchOptions(Decoding):
    """The `decoding` section of a run, and options that are given for one search only.

    Raise `pydantic.ValidationError` for invalid values; `changed` raises `NmtError`.
    """

    method: Literal["beam", "greedy", "sample"] = "beam"
    n_best: Positive = 1
    """Hypotheses returned per sentence: the best first (beam), or in the order in which they are drawn (sample)."""
    distinct: bool | None = None
    """Return only one of several translations with the same text. None is True for beam and greedy search and False
    for sampling, which then returns every draw."""
    return_all_finished: bool = False
    """Return all finished hypotheses that are kept, up to 2 * `beam_size`, instead of `n_best` (beam). A caller that
    merges equal texts needs the additional ones."""
    tag: str = ""
    """Tag put before each line that does not begin with one, e.g. <2de>; see `language_tags`."""
    replace_unknown: bool = False
    """As in `Decoding`; `of` resolves the default."""
    forbid_unknown: bool = False
    """Never generate UNK."""
    min_length: Annotated[int, Field(ge=0, le=10_000)] = 0
    """Minimum number of target tokens, without EOS."""
    with_alignment: bool = False
    """Return the attention of the hypotheses."""
    temperature: Annotated[float, Field(gt=0)] = 1.0
    """Divide the log-probabilities by this before drawing (sample)."""
    top_k: NotNegative = 0
    """Draw from this many most probable tokens (Fan 2018, sample); 0 draws from all."""
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Draw from the smallest set of tokens with this probability (nucleus, Holtzman 2020, sample); 1 draws from all."""
    seed: int = 1
    """Seed of the draws (sample)."""

    @model_validator(mode="after")
    def _check(self) -> "Self":
        """Validate the options. Overrides the check of `Decoding`: with length_penalty none, `alpha` is ignored
        here."""
        n_best, beam_size = self.n_best, self.beam_size
        reject(
            (
                self.method == "greedy" and n_best > 1,
                f"greedy search returns one hypothesis, not n_best {n_best}; use method beam or sample",
            ),
            (
                self.method == "beam" and n_best > beam_size,
                f"n_best {n_best} needs beam_size of at least {n_best}, not {beam_size}",
            ),
        )
        return self

    @property
    def num_hypotheses(self) -> int:
        """Hypotheses of a sentence that are in memory at the same time."""
        return {"beam": self.beam_size, "greedy": 1, "sample": self.n_best}[self.method]

    @property
    def is_distinct(self) -> bool:
        """Whether translations with the same text are merged."""
        return self.method != "sample" if self.distinct is None else self.distinct

    @classmethod
    def of(cls, run: Config, *others: Config) -> "Self":
        """Return the options of the `decoding` section of a run; `others` are the other runs of an ensemble."""
        models = [each.model for each in (run, *others)]
        can_copy = any(model.decoder.copy_source for model in models) and all(model.has_attention for model in models)
        options = dict(run.decoding)
        return cls(**options | ({"replace_unknown": can_copy} if options["replace_unknown"] is None else {}))

    def changed(self, **values: Any) -> "Self":
        """Return the options with the fields in `values` that are not None; `alignments` is `with_alignment`.

        Raise `NmtError` if they are invalid.
        """
        given = {name: value for name, value in values.items() if value is not None}
        if "alignments" in given:
            given["with_alignment"] = given.pop("alignments")
        try:
            return type(self)(**dict(self) | given)
        except ValidationError as error:
            raise NmtError("\n".join(explain(dict(each)) for each in error.errors())) from None

    def check_source_length(self, configs: Iterable[Config]) -> None:
        """Raise `NmtError` if one of the models cannot read `max_source_tokens` source tokens."""
        for run in configs:
            limit = run.most_source_tokens
            if limit is not None and self.max_source_tokens > limit:
                raise NmtError(
                    f"max_source_tokens {self.max_source_tokens}: the location attention of {run.name} has "
                    f"{run.model.attention.positions} positions (model.attention.positions), enough for {limit}"
                )
