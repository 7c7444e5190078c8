"""Build the translation of a line: join its parts and its sentences if it was split; scores, alignment, copied words.

Axes: S source tokens, T target tokens.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nmt.config.model_settings import TextSettings
from nmt.data.languages import has_spaces
from nmt.data.lines import one_line
from nmt.data.sentences import space_between
from nmt.data.subword import SPACE, Vocabularies
from nmt.data.token_ids import UNK
from nmt.decoding.hypothesis import Hypothesis
from nmt.decoding.search_options import SearchOptions
from nmt.decoding.source_lines import EncodedLine, EncodedSentence
from nmt.decoding.word_alignment import align, replace_unknown, split_words, word_numbers, words_to_copy


@dataclass(frozen=True)
class Target:
    """One translation of a line."""

    text: str
    """One printable line."""
    score: float
    """The score that the search ranks by; the mean over the parts if the line was split."""
    log_prob: float
    """Natural log of p(target | source); the sum over the parts if the line was split."""
    pieces: tuple[str, ...]
    """Subword pieces without EOS. A word that the network copied is one piece."""
    token_log_probs: tuple[float, ...]
    """Natural log of the probability of each token, including the EOS of each part."""
    alignment: tuple[tuple[int, int], ...] | None
    """(source word, target word), numbered from 0, for each target word; None if not requested."""
    attention: NDArray[np.float32] | None
    """(T, S), the last column for the EOS of the source; None if not requested or if the line was split."""


@dataclass(frozen=True)
class Translation:
    """A line and its translations."""

    number: int
    """Line number, from 0."""
    source: str
    """The input, made printable."""
    source_pieces: tuple[str, ...]
    """Subword pieces without EOS. A word that the network can copy is one piece."""
    targets: tuple[Target, ...]
    """At most n_best translations, the best first; one empty translation for an empty line."""
    other_keys: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """As in `InputLine`."""
    sentences: tuple["Translation", ...] = ()
    """The translations of the sentences, with `split_sentences`; their words are numbered from 0 in each sentence."""

    @property
    def text(self) -> str:
        """The best translation, one printable line."""
        return self.targets[0].text

    @property
    def score(self) -> float:
        """The score of the best translation, by which the search ranks."""
        return self.targets[0].score

    @property
    def log_prob(self) -> float:
        """Natural log of p(text | source)."""
        return self.targets[0].log_prob

    @property
    def alignment(self) -> tuple[tuple[int, int], ...] | None:
        """(source word, target word) of the best translation; None if not requested."""
        return self.targets[0].alignment


EMPTY_TARGET = Target("", 0.0, 0.0, (), (), (), None)


class TranslationBuilder:
    """Builds the translation of a line from the hypotheses of its parts."""

    def __init__(self, vocabularies: Vocabularies, data: TextSettings, copies_source: bool) -> None:
        """With `copies_source` only unknown words of the source replace unknown words, if the source has any."""
        self._vocabularies = vocabularies
        self._source_has_spaces = has_spaces(data.source_language)
        self._has_spaces = has_spaces(data.target_language)
        self._copies_source = copies_source

    def build(self, line: EncodedLine, hypotheses: Sequence[list[Hypothesis]], options: SearchOptions) -> Translation:
        """Return the translation of a line; `hypotheses` has those of each of its parts, best first."""
        rest = iter(hypotheses)
        sentences = [
            self._build_sentence(sentence, [next(rest) for _ in sentence.slices], options)
            for sentence in line.sentences
        ]
        if line.is_split:
            return self._join(line, sentences)
        return dataclasses.replace(sentences[0], other_keys=line.other_keys)

    def _build_sentence(
        self, sentence: EncodedSentence, hypotheses: Sequence[list[Hypothesis]], options: SearchOptions
    ) -> Translation:
        ranks = zip(*hypotheses, strict=False)  # only as many as each part has
        targets = first_targets(
            (self._target(sentence, parts, options.with_alignment, options.replace_unknown) for parts in ranks),
            options.n_best,
            options.is_distinct,
        )
        return Translation(sentence.number, sentence.source, tuple(sentence.pieces), targets or (EMPTY_TARGET,))

    def _join(self, line: EncodedLine, sentences: Sequence[Translation]) -> Translation:
        """Return the translation of a line from those of its sentences.

        If a sentence has fewer translations than another one, its last one is repeated.
        """
        count = max(len(sentence.targets) for sentence in sentences)
        ranks = ([each.targets[min(rank, len(each.targets) - 1)] for each in sentences] for rank in range(count))
        pieces = tuple(piece for sentence in sentences for piece in sentence.source_pieces)
        targets = tuple(_join_targets(line, targets) for targets in ranks)
        return Translation(line.number, line.source, pieces, targets, line.other_keys, tuple(sentences))

    def _target(
        self, line: EncodedSentence, hypotheses: Sequence[Hypothesis], with_alignment: bool, replaces_unknown: bool
    ) -> Target:
        """Return the translation of a sentence; `hypotheses` has one hypothesis for each part."""
        separator = " " if self._has_spaces else ""
        target = self._vocabularies.target
        text = ""
        attention: NDArray[np.float32] | None = None
        alignment: list[tuple[int, int]] = []
        all_pieces: list[str] = []
        for part, hypothesis in zip(line.slices, hypotheses, strict=True):
            tokens = target.replace_extended(hypothesis.tokens)
            pieces = target.pieces(tokens)
            all_pieces += target.pieces(hypothesis.tokens, line.oov_words) if line.oov_words else pieces
            numbers = word_numbers(pieces)
            attention = hypothesis.alignment
            if attention is not None:
                attention = attention[:, len(line.tag_ids) :]  # (T, S)
            prefix_pieces = line.prefix_pieces if part.start == 0 else []
            copies = self._copies(line, part, hypothesis, attention) if replaces_unknown else {}
            copies |= {i: line.oov_words[t - target.size] for i, t in enumerate(hypothesis.tokens) if t >= target.size}
            if copies or prefix_pieces:
                added = replace_unknown(tokens, target, copies, numbers, self._has_spaces, prefix_pieces)
            else:
                added = target.decode(tokens)
            added = one_line(added)
            joined = text + (separator if text and added else "") + added
            if attention is not None:
                first = len(split_words(text)) - (bool(text) and not separator)
                total = len(split_words(joined))
                pairs = align(attention, numbers, line.word_numbers[part])
                alignment += [(source, first + word) for word, source in pairs.items() if first + word < total]
            text = joined
        return Target(
            text=text,
            score=float(np.mean([each.score for each in hypotheses])),
            log_prob=sum(each.log_prob for each in hypotheses),
            pieces=tuple(all_pieces),
            token_log_probs=tuple(value for each in hypotheses for value in each.token_log_probs),
            alignment=tuple(alignment) if with_alignment else None,
            attention=attention if with_alignment and len(hypotheses) == 1 else None,
        )

    def _copies(
        self, line: EncodedSentence, part: slice, hypothesis: Hypothesis, attention: NDArray[np.float32] | None
    ) -> dict[int, str]:
        """Return the source word to copy for each position of UNK in the translation of a part."""
        if attention is None or UNK not in hypothesis.tokens:
            return {}
        if self._source_has_spaces:
            words, numbers = split_words(line.source), line.word_numbers[part]
        else:
            words = [piece.strip(SPACE) for piece in self._vocabularies.source.surface_pieces(line.normalized)]
            numbers = list(range(len(words)))[part]
        if not numbers:  # the line consists of spaces
            return {}
        ids = self._vocabularies.source.replace_extended(line.ids[part])
        unknown = {number for number, token in zip(numbers, ids, strict=True) if token == UNK}
        return words_to_copy(hypothesis.tokens, attention, numbers, words, unknown if self._copies_source else ())


def _join_targets(line: EncodedLine, targets: Sequence[Target]) -> Target:
    """Return the translation of a line from those of its sentences, with the white space of the line between them."""
    if len(targets) == 1:
        return targets[0]
    text, end = "", 0
    alignment: list[tuple[int, int]] = []
    for sentence, target in zip(line.sentences, targets, strict=True):
        if target.text:
            space = line.source[end : sentence.start]
            text += space_between(space, *line.languages) if text else ""
            source_words, target_words = _words_before(line.source[: sentence.start]), _words_before(text)
            alignment += [(source_words + source, target_words + word) for source, word in target.alignment or ()]
            text += target.text
        end = sentence.start + len(sentence.source)
    return Target(
        text=text,
        score=float(np.mean([each.score for each in targets])),
        log_prob=sum(each.log_prob for each in targets),
        pieces=tuple(piece for each in targets for piece in each.pieces),
        token_log_probs=tuple(value for each in targets for value in each.token_log_probs),
        alignment=None if any(each.alignment is None for each in targets) else tuple(alignment),
        attention=None,
    )


def _words_before(text: str) -> int:
    """Return the number of the word that begins after `text`, or that goes on if no space ends it."""
    return len(split_words(text)) - (bool(text) and not text.endswith(" "))


def first_targets(targets: Iterable[Target], count: int, is_distinct: bool) -> tuple[Target, ...]:
    """Return the first `count` targets; if `is_distinct`, only the first one of each text. Build no more than needed.

    Several token sequences can have the same text: other segmentations, or other words that are printed alike.
    """
    found: dict[str | int, Target] = {}
    for target in targets:
        found.setdefault(target.text if is_distinct else len(found), target)
        if len(found) == count:
            break
    return tuple(found.values())
