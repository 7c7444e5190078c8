"""Prepare source lines for the model: normalise, encode as token ids, prepend the tag, and split long lines."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nmt.config.model_settings import TextSettings
from nmt.data.language_tags import Tagger
from nmt.data.lines import normalize, one_line
from nmt.data.subword import Vocabularies
from nmt.data.token_ids import UNK
from nmt.decoding.long_lines import split_long_line
from nmt.decoding.word_alignment import original_word_numbers, word_numbers


@dataclass(frozen=True)
class InputLine:
    """A line to translate, with its own prefix and tag."""

    text: str
    prefix: str = ""
    """The translation must begin with this text."""
    tag: str = ""
    """Tag to put before the line if it begins with none; empty for that of the search options."""
    other_keys: Mapping[str, Any] = field(default_factory=dict)
    """The JSON object that the line was read from. Its other keys are printed with the translation."""

    def __len__(self) -> int:
        return len(self.text) + len(self.prefix)


@dataclass(frozen=True)
class EncodedLine:
    """A line encoded for the model."""

    number: int
    """From 0."""
    source: str
    """The input, made printable."""
    normalized: str
    """The text that was encoded, without a tag at its beginning."""
    ids: list[int]
    """Token ids. An out-of-vocabulary word has an id of its own if the model can copy it, otherwise UNK."""
    oov_words: list[str]
    """The words with the ids `size`, `size` + 1, … (extended vocabulary, See 2017)."""
    pieces: list[str]
    """The pieces of `ids`."""
    word_numbers: list[int]
    """For each piece the number of its word in `source`; empty unless `with_words`."""
    prefix_ids: list[int]
    prefix_pieces: list[str]
    """The pieces of the prefix with their text, if it contains unknown words; else empty."""
    tag_ids: list[int]
    """Token ids of the tag before each part; empty for no tag."""
    slices: list[slice]
    """The parts of `ids` that are translated separately."""
    other_keys: Mapping[str, Any]
    """As in `InputLine`."""

    def part(self, index: int) -> list[int]:
        """Return the ids that the model reads for one of the `slices`: the tag and the part."""
        return [*self.tag_ids, *self.ids[self.slices[index]]]


class LineEncoder:
    """Encodes lines as the training data of a run was encoded."""

    def __init__(self, vocabularies: Vocabularies, data: TextSettings, copies_words: bool) -> None:
        """Take the subword models, the normalisation, and whether the model can copy out-of-vocabulary words."""
        self._vocabularies = vocabularies
        self._data = data
        self._copies_words = copies_words
        self._tag_ids = {tag: vocabularies.source.encode([tag])[0] for tag in data.tags} | {"": []}

    def check_tags(self, lines: Iterable[str], tag: str, name: str, remedy: str) -> None:
        """Raise `NmtError` with the `remedy` if `tag` is empty and a line of the file `name` needs a tag."""
        Tagger(self._data, tag, remedy).check((normalize(line, self._data) for line in lines), name)

    def encode_pairs(
        self, pairs: list[tuple[str, str]], first: int, tag: str
    ) -> tuple[list[list[int]], list[list[int]], list[list[str]]]:
        """Return the ids of the tagged sources, the ids of the targets, and the `oov_words` of each pair.

        `first` is the number of the first pair, from 0.
        """
        tagger = Tagger(self._data, tag)
        normalized = [normalize(source, self._data) for source, _ in pairs]
        tags = [self._tag_ids[tagger(line, f"pair {first + i + 1:,}")] for i, line in enumerate(normalized)]
        oov_words = [self._oov_words(line) for line in normalized]
        encoded = self._vocabularies.source.encode(normalized, oov_words)
        sources = [[*tag_ids, *ids] if ids else ids for tag_ids, ids in zip(tags, encoded, strict=True)]
        targets = [normalize(target, self._data) for _, target in pairs]
        return sources, self._vocabularies.target.encode(targets, oov_words), oov_words

    def count_tokens(self, lines: Sequence[str]) -> list[int]:
        """Return the number of source tokens of each line, without the language tag (as in `max_source_tokens`)."""
        tagger = Tagger(self._data, "")
        normalized = [normalize(one_line(line), self._data) for line in lines]
        encoded = self._vocabularies.source.encode(normalized)
        return [
            len(ids) - len(self._tag_ids[tagger.tag_of(line)]) for line, ids in zip(normalized, encoded, strict=True)
        ]

    def encode_lines(
        self, window: list[InputLine], first: int, tag: str, max_tokens: int, with_words: bool
    ) -> list[EncodedLine]:
        """Return the encoded lines of a window, in parts of at most `max_tokens`.

        `first` is the number of the first line, from 0. `with_words` adds the `word_numbers`.
        """
        printable = [one_line(line.text) for line in window]
        normalized = [normalize(line, self._data) for line in printable]
        oov_words = [self._oov_words(line) for line in normalized]
        encoded = self._vocabularies.source.encode(normalized, oov_words)
        vocabulary, target = self._vocabularies.source, self._vocabularies.target
        lines = []
        texts = zip(window, printable, normalized, oov_words, encoded, strict=True)
        for number, (line, source, text, words, all_ids) in enumerate(texts, first):
            name = f"line {number + 1:,}"
            tagger = Tagger(self._data, line.tag or tag, option=f"{name}: tag" if line.tag else "--tag")
            own_tag = tagger.tag_of(text)  # is put before each part, as a requested tag is
            tag_length = len(self._tag_ids[own_tag])
            all_pieces, ids = vocabulary.pieces(vocabulary.replace_extended(all_ids)), all_ids[tag_length:]
            slices = [slice(0, len(ids))] if ids else []
            if len(ids) > max_tokens:
                slices = split_long_line(vocabulary.surface_pieces(text)[tag_length:], max_tokens)
            prefix = normalize(one_line(line.prefix), self._data)
            prefix_ids = target.encode([prefix], [words])[0] if prefix else []
            # The prefix belongs to the first part, which can copy only its own words.
            last_id = max([target.size - 1, *ids[slices[0]]]) if slices else 0
            prefix_ids = [token if token <= last_id else UNK for token in prefix_ids]
            encoded_line = EncodedLine(
                number=number,
                source=source,
                normalized=text[len(own_tag) + 1 :] if own_tag else text,
                ids=ids,
                oov_words=words,
                pieces=vocabulary.pieces(ids, words) if words else all_pieces[tag_length:],
                word_numbers=self._word_numbers(source, text, all_pieces)[tag_length:] if with_words else [],
                prefix_ids=prefix_ids,
                prefix_pieces=target.surface_pieces(prefix) if UNK in target.replace_extended(prefix_ids) else [],
                tag_ids=self._tag_ids[own_tag or tagger(text, name)],
                slices=slices,
                other_keys=line.other_keys,
            )
            lines.append(encoded_line)
        return lines

    def _oov_words(self, line: str) -> list[str]:
        """Return the out-of-vocabulary words of a normalised line that the model can copy."""
        return self._vocabularies.source.unknown_words(line) if self._copies_words else []

    def _word_numbers(self, source: str, normalized: str, pieces: list[str]) -> list[int]:
        """Return for each piece the number of its word in the printable line `source`."""
        original = original_word_numbers(source, normalized, lambda word: normalize(word, self._data))
        return [original[min(n, len(original) - 1)] for n in word_numbers(pieces)] if original else []
