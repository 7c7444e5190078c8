"""Lines of text in, lines of text out: what `nmt translate` and `nmt evaluate` call.

Axes: B pieces of lines in a batch, S source tokens, T target tokens.
"""

import dataclasses
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from nmt import config
from nmt.data.lexicon import Lexicon
from nmt.data.lines import one_line
from nmt.data.subword import EOS, PAD, SPACE, UNK, Vocabularies
from nmt.decoding.alignment import align, copied_words, replace_unknown, word_numbers, words
from nmt.decoding.batches import batches, by_halves
from nmt.decoding.distinct import take
from nmt.decoding.ensemble import Ensemble, check_alike
from nmt.decoding.force import force
from nmt.decoding.hypothesis import Hypothesis, Options, Sentences
from nmt.decoding.protocol import Model
from nmt.decoding.reading import Line, Reader
from nmt.decoding.search import search
from nmt.decoding.windows import live_windows, read_windows, take_prefixes
from nmt.errors import NmtError
from nmt.languages import has_spaces
from nmt.models.device import Arithmetic, Precision, choose_arithmetic, choose_device, compute_exactly
from nmt.models.loading import load_meta, load_model
from nmt.models.ready import ready
from nmt.models.shortlist import Shortlister
from nmt.runs import Run


@dataclass(frozen=True)
class Settings:
    """How lines are translated; `config.Decoding` says what the fields mean."""

    search: Options = dataclasses.field(default_factory=Options)
    max_length_ratio: float = 2.0
    max_length_extra: int = 20
    max_source_tokens: int = 256
    tokens_per_batch: int = 6144
    window: int = 4096
    replace_unknown: bool = False
    """Copy the source word that an unknown target word attends to."""
    tag: str = ""
    """Token put before each line that is not empty, e.g. <2de>; see `tags.Tagger`."""
    distinct: bool | None = None
    """Whether a text comes once only among the translations of a line; None for all searches but sampling, of which
    each draw is then returned."""

    @property
    def is_distinct(self) -> bool:
        """Whether equal texts are merged."""
        return self.search.method != "sample" if self.distinct is None else self.distinct

    @classmethod
    def of(cls, run: config.Config, *others: config.Config) -> "Settings":
        """Return what the `decoding` section of a run asks for; `others` join it in an ensemble."""
        decoding = run.decoding
        models = [each.model for each in (run, *others)]
        can_copy = any(model.decoder.copy_source for model in models) and all(model.has_attention for model in models)
        is_copying = decoding.replace_unknown is None and can_copy
        return cls(
            search=Options.of(decoding),
            max_length_ratio=decoding.max_length_ratio,
            max_length_extra=decoding.max_length_extra,
            max_source_tokens=decoding.max_source_tokens,
            tokens_per_batch=decoding.tokens_per_batch,
            window=decoding.window,
            replace_unknown=is_copying or bool(decoding.replace_unknown),
        )

    def changed(self, **values: Any) -> "Settings":
        """Return these settings with those of `values`, fields of these or of `search`, that are not None."""
        given = {name: value for name, value in values.items() if value is not None}
        of_search = {field.name for field in dataclasses.fields(Options)} & given.keys()
        search = dataclasses.replace(self.search, **{name: given.pop(name) for name in of_search})
        return dataclasses.replace(self, search=search, **given)


@dataclass(frozen=True)
class Target:
    """One translation of a line."""

    text: str
    """One printable line."""
    score: float
    """What search ranks by; the mean over the pieces where the line was cut."""
    log_prob: float
    """Natural log of p(target | source), the sum over the pieces where the line was cut."""
    pieces: tuple[str, ...]
    """Subword pieces, without EOS; of what a network copied, the word itself."""
    token_log_probs: tuple[float, ...]
    """Natural log of each token's probability, each piece's EOS included."""
    words: tuple[tuple[int, int], ...] | None
    """(source word, target word), counted from 0, for each target word; None if not asked for."""
    attention: NDArray[np.float32] | None
    """(T, S) with the source's EOS as last column; None if not asked for, or the line was cut."""


@dataclass(frozen=True)
class Translation:
    """One line and what became of it."""

    number: int
    """Line number, from 0."""
    source: str
    """The line as it was given, made printable."""
    source_pieces: tuple[str, ...]
    """Subword pieces, without EOS; of what a network can copy, the word itself."""
    targets: tuple[Target, ...]
    """At most n_best, the best first; one empty one for an empty line."""


BEAMS = "shorten it, or keep fewer hypotheses (--beam-size)"
"""Remedy where memory does not suffice for a line."""
EMPTY = Target("", 0.0, 0.0, (), (), (), None)


class Translator:
    """A model, or several as an ensemble, with its subwords."""

    def __init__(
        self,
        model: Model[Any, Any],
        vocabularies: Vocabularies,
        data: config.Data,
        device: torch.device,
        arithmetic: Arithmetic,
        shortlister: Shortlister | None = None,
        has_attention: bool = True,
        copies_source: bool = False,
        copies_words: bool = False,
    ) -> None:
        """Join the parts; `model` is ready for search in `arithmetic`, `data` says how text is normalised.

        Without attention no alignment can be asked for. With `copies_source` a network of the ensemble is a
        pointer-generator, and unknown words are named after unknown words of the source alone, not after any. With
        `copies_words` all are, of vocabularies of words: the unknown words of a source then have ids of their own, past
        the vocabulary's, and the network itself says which it copies.
        """
        compute_exactly(arithmetic, device)
        self.vocabularies = vocabularies
        self.device = device
        self.arithmetic = arithmetic
        self._data = data
        self._has_spaces = has_spaces(data.target_language)
        self._copies_source = copies_source
        self._reader = Reader(vocabularies, data, copies_words)
        self._model = model
        self._shortlister = shortlister
        self.has_attention = has_attention

    @classmethod
    def load(
        cls,
        checkpoints: Sequence[tuple[Run, Path]],
        device: Literal["auto", "cpu", "cuda"] = "auto",
        precision: Precision = "auto",
        shortlist: int = 0,
    ) -> "Translator":
        """Load one checkpoint folder of a run, or several as an ensemble; `shortlist` as in `config.Decoding`.

        Raises `NmtError` where their subword models differ, or what they make of text before.
        """
        place = choose_device(device)
        vocabularies = [Vocabularies.load(run.subword) for run, _ in checkpoints]
        for (run, checkpoint), other in zip(checkpoints, vocabularies, strict=True):
            if load_meta(checkpoint).get("vocabularies") != other.fingerprint:
                raise NmtError(
                    f"{run.subword} is not the subword model that {checkpoint} was trained with; copy the run folder "
                    "again, whole"
                )
            if other.fingerprint != vocabularies[0].fingerprint:
                raise NmtError(
                    f"{checkpoints[0][0].folder} and {run.folder} have different subword models; an ensemble needs "
                    "runs that were trained from the same prepared data"
                )
            check_alike(checkpoints[0][0], run)
        arithmetic = choose_arithmetic(precision, place)
        shortlister = None
        copies_source = any(run.config.model.decoder.copy_source for run, _ in checkpoints)
        if shortlist and copies_source:
            raise NmtError("--shortlist does not go with model.decoder.copy_source, which may copy any word")
        if shortlist:
            lexicon = Lexicon.load(checkpoints[0][0].lexicon, vocabularies[0])
            shortlister = Shortlister(lexicon, shortlist, vocabularies[0].target.size).to(place)
        models = [
            ready(load_model(checkpoint, run.config, own.source.size, own.target.size, place), arithmetic, False)
            for (run, checkpoint), own in zip(checkpoints, vocabularies, strict=True)
        ]
        joined = models[0] if len(models) == 1 else Ensemble(models)
        has_attention = all(model.has_attention for model in models)
        data = checkpoints[0][0].config.data
        copies_words = all(run.config.model.decoder.copy_source for run, _ in checkpoints)
        return cls(
            joined, vocabularies[0], data, place, arithmetic, shortlister, has_attention, copies_source, copies_words
        )

    def translate(
        self, lines: Iterable[str], settings: Settings, prefixes: Iterable[str] | None = None, live: bool = False
    ) -> Iterator[Translation]:
        """Yield the translation of each line, in order; reads `settings.window` lines ahead.

        With `live`, what has arrived is translated as soon as nothing more comes. `prefixes` are what each translation
        must begin with.
        """
        asked = settings.search
        if not self.has_attention and (asked.with_alignment or asked.coverage_penalty or settings.replace_unknown):
            raise NmtError(
                "a model without attention (model.attention.score none) gives no alignments, replaces no unknown words "
                "(--keep-unknown) and knows no coverage penalty"
            )
        if prefixes is not None and self._shortlister is not None:
            raise NmtError("a translator with a shortlist takes no prefixes, which may be of any words")
        windows = live_windows(lines, settings.window) if live else read_windows(lines, settings.window)
        remaining = None if prefixes is None else iter(prefixes)
        with_words = asked.with_alignment or settings.replace_unknown
        number = 0
        for window in windows:
            given = [""] * len(window) if remaining is None else take_prefixes(remaining, len(window), number)
            read = self._reader.lines(window, given, number, settings.tag, settings.max_source_tokens, with_words)
            yield from self._translate_window(read, settings)
            number += len(window)

    def check_tags(self, lines: Iterable[str], tag: str, name: str, remedy: str) -> None:
        """Raise `NmtError` with the `remedy` for a line of the file `name` that needs a tag, where `tag` is empty."""
        self._reader.check_tags(lines, tag, name, remedy)

    def log_probs(
        self, pairs: Iterable[tuple[str, str]], tokens_per_batch: int, tag: str = "", window: int = 4096
    ) -> Iterator[tuple[list[str], tuple[float, ...]]]:
        """Yield the pieces of each target, "</s>" last, and the natural log of their probabilities, in order.

        `tag` is as in `Settings`.
        """
        iterator = iter(pairs)
        for first in itertools.count(step=window):
            some = list(itertools.islice(iterator, window))
            if not some:
                return
            sources, targets, unknown = self._reader.pairs(some, first, tag)
            answers: list[tuple[float, ...]] = [()] * len(some)
            order = sorted(range(len(some)), key=lambda i: (len(targets[i]), len(sources[i])), reverse=True)
            sizes = [max(len(source), len(target)) + 1 for source, target in zip(sources, targets, strict=True)]

            def score(
                rows: list[int], sources: list[list[int]] = sources, targets: list[list[int]] = targets
            ) -> list[tuple[float, ...]]:
                padded = [self._pad([side[i] for i in rows]) for side in (sources, targets)]
                return force(self._model, *padded[0], *padded[1])

            def name(i: int, first: int = first) -> str:
                return f"pair {first + i + 1:,}"

            for batch in batches(order, sizes, tokens_per_batch):
                for rows, scores in by_halves(batch, score, name, "shorten it"):
                    for i, values in zip(rows, scores, strict=True):
                        answers[i] = values
            vocabulary = self.vocabularies.target
            for ids, copied, answer in zip(targets, unknown, answers, strict=True):
                yield [*vocabulary.pieces(ids, copied), "</s>"], answer

    def _translate_window(self, lines: list[Line], settings: Settings) -> Iterator[Translation]:
        """Translate the parts of all lines in batches of like length and join them again."""
        parts = [(line, index) for line in lines for index in range(len(line.slices))]
        ids = [line.part(index) for line, index in parts]
        order = sorted(range(len(parts)), key=lambda i: len(ids[i]), reverse=True)
        found: dict[tuple[int, int], list[Hypothesis]] = {}
        with_alignment = settings.search.with_alignment or settings.replace_unknown
        options = dataclasses.replace(
            settings.search,
            with_alignment=with_alignment,
            with_spares=settings.is_distinct and settings.search.n_best > 1,
        )
        sizes = [(len(part) + 1) * options.hypotheses for part in ids]

        def translate(rows: list[int]) -> list[list[Hypothesis]]:
            source, lengths = self._pad([ids[i] for i in rows])
            sentences = Sentences(
                source,
                lengths,
                [int(settings.max_length_ratio * len(ids[i])) + settings.max_length_extra for i in rows],
                [parts[i][0].prefix if parts[i][1] == 0 else [] for i in rows],
                [(parts[i][0].number, parts[i][1]) for i in rows],
                None if self._shortlister is None else self._shortlister(source),
            )
            return search(self._model, sentences, options)

        for batch in batches(order, sizes, settings.tokens_per_batch):
            for rows, answers in by_halves(batch, translate, lambda i: f"line {parts[i][0].number + 1:,}", BEAMS):
                for i, hypotheses in zip(rows, answers, strict=True):
                    found[parts[i][0].number, parts[i][1]] = hypotheses
        for line in lines:
            of_parts = [found[line.number, index] for index in range(len(line.slices))]
            ranks = range(min(map(len, of_parts), default=0))
            joined = (self._join(line, [part[rank] for part in of_parts], settings) for rank in ranks)
            targets = take(joined, settings.search.n_best, settings.is_distinct)
            yield Translation(line.number, line.source, tuple(line.pieces), targets or (EMPTY,))

    def _pad(self, ids: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return (B, S) ids with EOS, padded, and (B,) lengths, on the device."""
        table = np.full((len(ids), max(map(len, ids)) + 1), PAD, np.int64)
        for row, part in zip(table, ids, strict=True):
            row[: len(part)] = part
            row[len(part)] = EOS
        lengths = torch.tensor([len(part) + 1 for part in ids])
        return torch.from_numpy(table).to(self.device), lengths.to(self.device)

    def _join(self, line: Line, hypotheses: list[Hypothesis], settings: Settings) -> Target:
        """Return the translation of a line from those of its parts."""
        between = " " if self._has_spaces else ""
        target = self.vocabularies.target
        text = ""
        attention: NDArray[np.float32] | None = None
        links: list[tuple[int, int]] = []
        every: list[str] = []
        for part, hypothesis in zip(line.slices, hypotheses, strict=True):
            tokens = target.entries(hypothesis.tokens)
            pieces = target.pieces(tokens)
            every += target.pieces(hypothesis.tokens, line.unknown) if line.unknown else pieces
            numbers = word_numbers(pieces)
            attention = hypothesis.alignment
            if attention is not None:
                attention = attention[:, len(line.tag) :]
            forced = line.forced if part.start == 0 else []
            copies = self._copies(line, part, hypothesis, attention) if settings.replace_unknown else {}
            copies |= {i: line.unknown[t - target.size] for i, t in enumerate(hypothesis.tokens) if t >= target.size}
            if copies or forced:
                added = replace_unknown(tokens, target, copies, numbers, self._has_spaces, forced)
            else:
                added = target.decode(tokens)
            added = one_line(added)
            joint = text + (between if text and added else "") + added
            if attention is not None:
                first = len(words(text)) - (bool(text) and not between)
                total = len(words(joint))
                pairs = align(attention, numbers, line.words[part])
                links += [(source, first + word) for word, source in pairs.items() if first + word < total]
            text = joint
        wanted = settings.search.with_alignment
        return Target(
            text=text,
            score=float(np.mean([h.score for h in hypotheses])),
            log_prob=sum(h.log_prob for h in hypotheses),
            pieces=tuple(every),
            token_log_probs=tuple(value for h in hypotheses for value in h.token_log_probs),
            words=tuple(links) if wanted else None,
            attention=attention if wanted and len(hypotheses) == 1 else None,
        )

    def _copies(
        self, line: Line, part: slice, hypothesis: Hypothesis, attention: NDArray[np.float32] | None
    ) -> dict[int, str]:
        """Return what stands in the source for each unknown token of a translation of a part of a line."""
        if attention is None or UNK not in hypothesis.tokens:
            return {}
        if has_spaces(self._data.source_language):
            texts, numbers = words(line.source), line.words[part]
        else:
            texts = [piece.strip(SPACE) for piece in self.vocabularies.source.surfaces(line.normal)]
            numbers = list(range(len(texts)))[part]
        if not numbers:  # of a line of spaces
            return {}
        unknown = {number for number, token in zip(numbers, line.ids[part], strict=True) if token == UNK}
        return copied_words(hypothesis.tokens, attention, numbers, texts, unknown if self._copies_source else ())
