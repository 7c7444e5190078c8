"""`SearchOptions`: all options of a search (beam size, n-best, sampling, limits), validated in one place.

It is a plain dataclass, not a pydantic model: building the schema of one takes as long as translating a sentence.
"""

import dataclasses
import functools
import math
import types
import typing
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypedDict

from nmt.errors import NmtError

if TYPE_CHECKING:
    from typing_extensions import Self

    from nmt.config.model_settings import ModelSettings


@dataclass(frozen=True)
class Range:
    """The values that a number may have."""

    low: float
    high: float = math.inf
    is_open: bool = False
    """Whether `low` itself is excluded."""

    def problem(self, value: float) -> str | None:
        """Return what is wrong with a `value`; None if it is in the range."""
        if not math.isfinite(value):
            return "input should be a finite number"
        if value < self.low or (self.is_open and value == self.low):
            return f"input should be greater than {'' if self.is_open else 'or equal to '}{self.low:g}"
        return f"input should be less than or equal to {self.high:g}" if value > self.high else None


class SearchKeywords(TypedDict, total=False):
    """The fields of `SearchOptions` as keyword arguments, for type checkers; `alignments` is `with_alignment`."""

    beam_size: int
    length_penalty: Literal["none", "average", "gnmt"]
    alpha: float
    coverage_penalty: float
    beam_prune: float
    max_repeats: int
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
    split_sentences: bool
    forbid_unknown: bool
    min_length: int
    alignments: bool
    temperature: float
    top_k: int
    top_p: float
    seed: int


@dataclass(frozen=True)
class SearchOptions:
    """The `decoding` section of a run, and options that are given for one search only.

    The fields up to `window` are those of `config.Decoding`, with its defaults and limits. Raise `NmtError` for invalid
    values.
    """

    beam_size: Annotated[int, Range(0, 10_000, is_open=True)] = 5
    length_penalty: Literal["none", "average", "gnmt"] = "average"
    alpha: Annotated[float, Range(0, 10)] = 1.0
    coverage_penalty: Annotated[float, Range(0, 100)] = 0.0
    beam_prune: Annotated[float, Range(0)] = 0.0
    max_repeats: Annotated[int, Range(0, 10_000)] = 2
    no_repeat_ngram: Annotated[int, Range(0, 10_000)] = 0
    repetition_penalty: Annotated[float, Range(1, 100)] = 1.0
    shortlist: Annotated[int, Range(0, 64)] = 0
    replace_unknown: bool = False
    """As in `config.Decoding`; `of` resolves the default."""
    max_length_ratio: Annotated[float, Range(0, 100)] = 2.0
    max_length_extra: Annotated[int, Range(0, 10_000)] = 20
    max_source_tokens: Annotated[int, Range(0, is_open=True)] = 256
    tokens_per_batch: Annotated[int, Range(0, is_open=True)] = 6144
    window: Annotated[int, Range(0, 1 << 20, is_open=True)] = 4096
    method: Literal["beam", "greedy", "sample"] = "beam"
    n_best: Annotated[int, Range(0, is_open=True)] = 1
    """Hypotheses returned per sentence: the best first (beam), or in the order in which they are drawn (sample)."""
    distinct: bool | None = None
    """Return only one of several translations with the same text. None is True for beam and greedy search and False
    for sampling, which then returns every draw."""
    return_all_finished: bool = False
    """Return all finished hypotheses that are kept, up to 2 * `beam_size`, instead of `n_best` (beam). A caller that
    merges equal texts needs the additional ones."""
    tag: str = ""
    """Tag put before each line that does not begin with one, e.g. <2de>; see `language_tags`."""
    split_sentences: bool = False
    """Translate each sentence of a line on its own, and join the translations with the white space of the line."""
    forbid_unknown: bool = False
    """Never generate UNK."""
    min_length: Annotated[int, Range(0, 10_000)] = 0
    """Minimum number of target tokens, without EOS."""
    with_alignment: bool = False
    """Return the attention of the hypotheses."""
    temperature: Annotated[float, Range(0, is_open=True)] = 1.0
    """Divide the log-probabilities by this before drawing (sample)."""
    top_k: Annotated[int, Range(0)] = 0
    """Draw from this many most probable tokens (Fan 2018, sample); 0 draws from all."""
    top_p: Annotated[float, Range(0, 1, is_open=True)] = 1.0
    """Draw from the smallest set of tokens with this probability (nucleus, Holtzman 2020, sample); 1 draws from all."""
    seed: int = 1
    """Seed of the draws (sample)."""

    def __post_init__(self) -> None:
        """Validate the options. With length_penalty none, `alpha` is ignored."""
        for name in FIELDS:
            kinds, choices, range_ = constraints_of(name)
            value = getattr(self, name)
            problem = _type_problem(value, kinds, choices) or (range_.problem(value) if range_ is not None else None)
            if problem is not None:
                raise NmtError(f"{name}: {problem}, not {value!r:.80}")
        if self.max_repeats == 1:
            raise NmtError("max_repeats: input should be 0 (off) or at least 2, not 1")
        if self.method == "greedy" and self.n_best > 1:
            raise NmtError(f"greedy search returns one hypothesis, not n_best {self.n_best}; use method beam or sample")
        if self.method == "beam" and self.n_best > self.beam_size:
            raise NmtError(f"n_best {self.n_best} needs beam_size of at least {self.n_best}, not {self.beam_size}")

    @property
    def num_hypotheses(self) -> int:
        """Hypotheses of a sentence that are in memory at the same time."""
        return {"beam": self.beam_size, "greedy": 1, "sample": self.n_best}[self.method]

    @property
    def is_distinct(self) -> bool:
        """Whether translations with the same text are merged."""
        return self.method != "sample" if self.distinct is None else self.distinct

    @classmethod
    def of(cls, run: "ModelSettings", *others: "ModelSettings") -> "Self":
        """Return the options of the `decoding` section of a run; `others` are the other runs of an ensemble."""
        models = (run, *others)
        can_copy = any(model.copies_source for model in models) and all(model.has_attention for model in models)
        options = dict(run.decoding)
        return cls(**options | ({"replace_unknown": can_copy} if options["replace_unknown"] is None else {}))

    def changed(self, **values: Any) -> "Self":
        """Return the options with the fields in `values` that are not None; `alignments` is `with_alignment`.

        Raise `NmtError` if they are invalid.
        """
        given = {name: value for name, value in values.items() if value is not None}
        if "alignments" in given:
            given["with_alignment"] = given.pop("alignments")
        for name in given.keys() - FIELDS:
            import difflib

            near = difflib.get_close_matches(name, FIELDS, n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"there are: {', '.join(sorted(FIELDS))}"
            raise NmtError(f"unknown option '{name}' of the search; {hint}")
        return dataclasses.replace(self, **given) if given else self

    def check_source_length(self, models: "Iterable[ModelSettings]") -> None:
        """Raise `NmtError` if one of the models cannot read `max_source_tokens` source tokens."""
        for model in models:
            limit = model.most_source_tokens
            if limit is not None and self.max_source_tokens > limit:
                raise NmtError(
                    f"max_source_tokens {self.max_source_tokens}: the location attention of {model.name} has "
                    f"{model.positions} positions (model.attention.positions), enough for {limit}"
                )


FIELDS = frozenset(field.name for field in dataclasses.fields(SearchOptions))
"""The names of all options."""


@functools.cache
def constraints_of(name: str) -> tuple[tuple[type, ...], tuple[str, ...], Range | None]:
    """Return the types of a field, its choices (empty if it is no `Literal`), and its range."""
    hint, range_ = _hints()[name], None
    if typing.get_origin(hint) is Annotated:
        hint, range_ = typing.get_args(hint)
    if typing.get_origin(hint) is Literal:
        return (str,), typing.get_args(hint), None
    return typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,), (), range_


@functools.cache
def _hints() -> dict[str, Any]:
    return typing.get_type_hints(SearchOptions, include_extras=True)


def _type_problem(value: Any, kinds: tuple[type, ...], choices: tuple[Any, ...]) -> str | None:
    """Return what is wrong with a `value`, or None: it has a wrong type, or is not among the `choices`."""
    if choices:
        return None if value in choices else f"input should be {', '.join(map(repr, choices))}"
    accepted = (*kinds, int) if float in kinds else kinds
    if not isinstance(value, accepted) or (isinstance(value, bool) and bool not in kinds):
        return f"input should be of type {kinds[0].__name__}"
    return None
