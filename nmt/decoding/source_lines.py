"""From lines of text to what the model reads: normalised, encoded, tagged, and cut if they are too long."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nmt import config
from nmt.data.language_tags import Tagger
from nmt.data.lines import normalize, one_line
from nmt.data.subword import Vocabularies
from nmt.data.token_ids import UNK
from nmt.decoding.long_lines import cut
from nmt.decoding.word_alignment import raw_numbers, word_numbers


@dataclass(frozen=True)
class Request:
    """A line to translate, and what is asked for it alone."""

    text: str
    prefix: str = ""
    """What the translation must begin with."""
    tag: str = ""
    """Token to put before the line if it has none; empty for that of the settings."""
    others: Mapping[str, Any] = field(default_factory=dict)
    """Keys of the JSON object that the line is from; they are printed with the translation."""

    def __len__(self) -> int:
        return len(self.text) + len(self.prefix)


@dataclass(frozen=True)
class Line:
    """A line ready for the model."""

    number: int
    """From 0."""
    source: str
    """As it was given, made printable."""
    normal: str
    """What the ids are of, without a tag that the line begins with."""
    ids: list[int]
    read: list[int]
    """What the model reads: the ids, but words that have no entry have one of their own where it can copy them."""
    unknown: list[str]
    """The words that those ids stand for, from the vocabulary's size on."""
    pieces: list[str]
    """The pieces of what the model reads."""
    words: list[int]
    """The word of `source` that each piece comes from; empty unless `with_words`."""
    prefix: list[int]
    forced: list[str]
    """The pieces of the prefix as text, where it holds unknown words."""
    tag: list[int]
    """Ids of the tag before each part; empty for none."""
    slices: list[slice]
    """Of `read`: the parts that are translated one by one."""
    others: Mapping[str, Any]
    """As in `Request`."""

    def part(self, index: int) -> list[int]:
        """Return what the model reads of one of the `slices`, after the tag."""
        return [*self.tag, *self.read[self.slices[index]]]


class Reader:
    """Reads lines as the training data of a run was read."""

    def __init__(self, vocabularies: Vocabularies, data: config.Data, copies_words: bool) -> None:
        """Take the subword models and how text is normalised; whether unknown words can be copied as they are."""
        self._vocabularies = vocabularies
        self._data = data
        self._copies_words = copies_words
        self._taggers: dict[str, Tagger] = {}
        self._tags = {tag: vocabularies.source.encode([tag])[0] for tag in data.tags} | {"": []}

    def check_tags(self, lines: Iterable[str], tag: str, name: str, remedy: str) -> None:
        """Raise `NmtError` with the `remedy` for a line of the file `name` that needs a tag, where `tag` is empty."""
        Tagger(self._data, tag, remedy).check((normalize(line, self._data) for line in lines), name)

    def pairs(
        self, some: list[tuple[str, str]], first: int, tag: str
    ) -> tuple[list[list[int]], list[list[int]], list[list[str]]]:
        """Return the ids of the sources, tagged, and of the targets of pairs, the first of which has this number.

        Third, the words of each that ids from the vocabulary's size on stand for.
        """
        tagger = Tagger(self._data, tag)
        normal = [normalize(source, self._data) for source, _ in some]
        befores = [self._tags[tagger(line, f"pair {first + i + 1:,}")] for i, line in enumerate(normal)]
        unknown = [self._unknown(line) for line in normal]
        encoded = self._vocabularies.source.encode(normal, unknown)
        sources = [[*before, *ids] if ids else ids for before, ids in zip(befores, encoded, strict=True)]
        targets = [normalize(target, self._data) for _, target in some]
        return sources, self._vocabularies.target.encode(targets, unknown), unknown

    def count_tokens(self, lines: Sequence[str]) -> list[int]:
        """Return how many tokens each line has, as `cut` counts them: without a tag that the line begins with."""
        tagger = Tagger(self._data, "")
        normal = [normalize(one_line(line), self._data) for line in lines]
        encoded = self._vocabularies.source.encode(normal)
        return [len(ids) - len(self._tags[tagger.own(line)]) for line, ids in zip(normal, encoded, strict=True)]

    def lines(self, window: list[Request], first: int, tag: str, max_tokens: int, with_words: bool) -> list[Line]:
        """Normalise, encode and cut the lines, of which the first has this number; `with_words` names pieces' words."""
        printable = [one_line(request.text) for request in window]
        normal = [normalize(line, self._data) for line in printable]
        unknown = [self._unknown(line) for line in normal]
        encoded = self._vocabularies.source.encode(normal, unknown)
        target = self._vocabularies.target
        lines = []
        for i, (request, source, line, whole) in enumerate(zip(window, printable, normal, encoded, strict=True)):
            name = f"line {first + i + 1:,}"
            tagger = self._tagger(request.tag, f"{name}: tag") if request.tag else self._tagger(tag, "--tag")
            own = tagger.own(line)  # is put before each part, as one that was asked for
            skipped = len(self._tags[own])
            entries = self._vocabularies.source.entries(whole)
            spelt = self._vocabularies.source.pieces(entries)
            read, ids, pieces = whole[skipped:], entries[skipped:], spelt[skipped:]
            slices = [slice(0, len(ids))] if ids else []
            if len(ids) > max_tokens:
                slices = cut(self._vocabularies.source.surfaces(line)[skipped:], max_tokens)
            start = normalize(one_line(request.prefix), self._data)
            prefix = target.encode([start], [unknown[i]])[0] if start else []
            # What begins the first part can copy the words of that part only.
            reach = max([target.size - 1, *read[slices[0]]]) if slices else 0
            prefix = [token if token <= reach else UNK for token in prefix]
            entry = Line(
                number=first + i,
                source=source,
                normal=line[len(own) + 1 :] if own else line,
                ids=ids,
                read=read,
                unknown=unknown[i],
                pieces=self._vocabularies.source.pieces(read, unknown[i]) if unknown[i] else pieces,
                words=self._words(source, line, spelt)[skipped:] if with_words else [],
                prefix=prefix,
                forced=target.surfaces(start) if UNK in target.entries(prefix) else [],
                tag=self._tags[own or tagger(line, name)],
                slices=slices,
                others=request.others,
            )
            lines.append(entry)
        return lines

    def _tagger(self, asked: str, option: str) -> Tagger:
        """Return the tagger for the tag that the `option` asks for; raises `NmtError` if the model does not know it."""
        if asked not in self._taggers:
            self._taggers[asked] = Tagger(self._data, asked, option=option)
        return self._taggers[asked]

    def _unknown(self, line: str) -> list[str]:
        """Return the words of a normalised line that have no entry and can be copied."""
        return self._vocabularies.source.unknown_words(line) if self._copies_words else []

    def _words(self, source: str, normal: str, pieces: list[str]) -> list[int]:
        """Return for each piece the word of the printable line `source` that it comes from."""
        raw = raw_numbers(source, normal, lambda word: normalize(word, self._data))
        return [raw[min(n, len(raw) - 1)] for n in word_numbers(pieces)] if raw else []
