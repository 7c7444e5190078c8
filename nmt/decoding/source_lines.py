"""Prepare source lines for the model: split, normalise, encode as token ids, prepend the tag, cut long sentences."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from nmt.config.model_settings import TextSettings
from nmt.data.language_tags import Tagger
from nmt.data.lines import normalize, one_line
from nmt.data.sentences import split_sentences
from nmt.data.subword import Vocabularies
from nmt.data.token_ids import UNK
from nmt.decoding.long_lines import split_long_line
from nmt.decoding.search_options import SearchOptions
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
class EncodedSentence:
    """A sentence encoded for the model: a whole line, unless lines are split into sentences."""

    number: int
    """Number of its line, from 0."""
    source: str
    """The text, made printable."""
    start: int
    """Position of the text in the line."""
    first_part: int
    """Number of its first part among all parts of the line."""
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


@dataclass(frozen=True)
class Part:
    """Source tokens that the model translates at once: a sentence, or a part of a very long one."""

    sentence: EncodedSentence
    index: int
    """Which of the `slices` of the sentence."""

    @cached_property
    def ids(self) -> list[int]:
        """The ids that the model reads: the tag and the part."""
        return [*self.sentence.tag_ids, *self.sentence.ids[self.sentence.slices[self.index]]]

    @property
    def random_key(self) -> tuple[int, int]:
        """The key of the random draws: the number of the line, and that of the part in the line."""
        return self.sentence.number, self.sentence.first_part + self.index


@dataclass(frozen=True)
class EncodedLine:
    """A line encoded for the model, as one sentence or as several."""

    number: int
    """From 0."""
    source: str
    """The input, made printable."""
    sentences: Sequence[EncodedSentence]
    """At least one."""
    is_split: bool
    """Whether the line was to be split into sentences."""
    languages: tuple[str, str]
    """The codes of the source and of the target language."""
    other_keys: Mapping[str, Any]
    """As in `InputLine`."""

    @cached_property
    def parts(self) -> list[Part]:
        """The parts of all sentences, in order."""
        return [Part(sentence, index) for sentence in self.sentences for index in range(len(sentence.slices))]


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
        self,
        window: Sequence[InputLine],
        first: int,
        options: SearchOptions,
        with_words: bool,
        languages: tuple[str, str] | None = None,
    ) -> list[EncodedLine]:
        """Return the encoded lines of a window; `first` is the number of the first line, from 0.

        With `options.split_sentences` each sentence of a line is encoded on its own. `with_words` adds the
        `word_numbers`. `languages` are the source and the target language of these lines, if the model has several.
        """
        languages = languages or (self._data.source_language, self._data.target_language)
        sources = [one_line(line.text) for line in window]
        split = [
            self._split(line, source, languages[0]) if options.split_sentences else [(line, source, 0)]
            for line, source in zip(window, sources, strict=True)
        ]
        normalized = [normalize(text, self._data) for each in split for _, text, _ in each]
        oov_words = [self._oov_words(text) for text in normalized]
        encoded = iter(zip(normalized, oov_words, self._vocabularies.source.encode(normalized, oov_words), strict=True))
        lines = []
        for number, (line, source, sentences) in enumerate(zip(window, sources, split, strict=True), first):
            found: list[EncodedSentence] = []
            for sentence, text, start in sentences:
                first_part = found[-1].first_part + len(found[-1].slices) if found else 0
                place = (number, text, start, first_part)
                found.append(self._encode_sentence(sentence, place, next(encoded), options, with_words))
            lines.append(EncodedLine(number, source, found, options.split_sentences, languages, line.other_keys))
        return lines

    def _split(self, line: InputLine, source: str, language: str) -> list[tuple[InputLine, str, int]]:
        """Return the sentences of a line in a language, with their texts and positions in the printable line `source`.

        A tag at the beginning of the line holds for all sentences, the prefix for the first one.
        """
        tag = Tagger(self._data, "").tag_of(normalize(source, self._data))
        begin = source.find(tag) + len(tag) if tag in source else 0  # lower-casing may have changed it
        found = [
            (replace(line, tag=tag or line.tag, prefix="" if i else line.prefix), text, begin + start)
            for i, (text, start) in enumerate(split_sentences(source[begin:], language))
        ]
        return found or [(line, source, 0)]

    def _encode_sentence(
        self,
        line: InputLine,
        place: tuple[int, str, int, int],
        encoded: tuple[str, list[str], list[int]],
        options: SearchOptions,
        with_words: bool,
    ) -> EncodedSentence:
        """Return a sentence of a line; `encoded` are its normalised text, unknown words and token ids."""
        vocabulary, target = self._vocabularies.source, self._vocabularies.target
        (number, source, start, first_part), (text, words, all_ids) = place, encoded
        name = f"line {number + 1:,}"
        tagger = Tagger(self._data, line.tag or options.tag, option=f"{name}: tag" if line.tag else "--tag")
        own_tag = tagger.tag_of(text)  # is put before each part, as a requested tag is
        tag_length = len(self._tag_ids[own_tag])
        all_pieces, ids = vocabulary.pieces(vocabulary.replace_extended(all_ids)), all_ids[tag_length:]
        slices = [slice(0, len(ids))] if ids else []
        if len(ids) > options.max_source_tokens:
            slices = split_long_line(vocabulary.surface_pieces(text)[tag_length:], options.max_source_tokens)
        prefix = normalize(one_line(line.prefix), self._data)
        prefix_ids = target.encode([prefix], [words])[0] if prefix else []
        # The prefix belongs to the first part, which can copy only its own words.
        last_id = max([target.size - 1, *ids[slices[0]]]) if slices else 0
        prefix_ids = [token if token <= last_id else UNK for token in prefix_ids]
        return EncodedSentence(
            number=number,
            source=source,
            start=start,
            first_part=first_part,
            normalized=text[len(own_tag) + 1 :] if own_tag else text,
            ids=ids,
            oov_words=words,
            pieces=vocabulary.pieces(ids, words) if words else all_pieces[tag_length:],
            word_numbers=self._word_numbers(source, text, all_pieces)[tag_length:] if with_words else [],
            prefix_ids=prefix_ids,
            prefix_pieces=target.surface_pieces(prefix) if UNK in target.replace_extended(prefix_ids) else [],
            tag_ids=self._tag_ids[own_tag or tagger(text, name)],
            slices=slices,
        )

    def _oov_words(self, line: str) -> list[str]:
        """Return the out-of-vocabulary words of a normalised line that the model can copy."""
        return self._vocabularies.source.unknown_words(line) if self._copies_words else []

    def _word_numbers(self, source: str, normalized: str, pieces: list[str]) -> list[int]:
        """Return for each piece the number of its word in the printable line `source`."""
        original = original_word_numbers(source, normalized, lambda word: normalize(word, self._data))
        return [original[min(n, len(original) - 1)] for n in word_numbers(pieces)] if original else []
