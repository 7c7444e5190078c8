"""`LineSearch`: the steps from lines to translations that `Translator` and the server share: encode, search, build.

Axes: B parts of lines in a batch, S source tokens.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nmt.config.model_settings import ModelSettings
from nmt.data.lexicon import Lexicon
from nmt.data.subword import Vocabularies
from nmt.data.token_ids import EOS, PAD
from nmt.decoding.ensemble import Ensemble
from nmt.decoding.hypothesis import Hypothesis, SearchBatch
from nmt.decoding.search import search_function
from nmt.decoding.search_options import SearchOptions
from nmt.decoding.shortlist import Shortlister
from nmt.decoding.source_lines import EncodedLine, InputLine, LineEncoder, Part
from nmt.decoding.translation import Translation, TranslationBuilder
from nmt.engine import Engine, Ints
from nmt.errors import NmtError


class LineSearch:
    """Encodes lines, searches for the translations of their parts, and builds the translations of the lines.

    Several threads may use it at the same time.
    """

    def __init__(
        self,
        engine: Engine[Any, Any],
        vocabularies: Vocabularies,
        settings: Sequence[ModelSettings],
        lexicon: Path | None = None,
    ) -> None:
        """See `Translator`."""
        copies = [model.copies_source for model in settings]
        self.engine = engine
        self.has_attention = all(model.has_attention for model in settings)
        self.models = len(engine.engines) if isinstance(engine, Ensemble) else 1
        """The number of models of an ensemble."""
        self._vocabularies = vocabularies
        self._lexicon = lexicon
        self._copies_source = any(copies)
        """A network of the ensemble is a pointer-generator, so only unknown words of the source replace unknown
        words. If all of them are, and have a vocabulary of words, unknown words of the source have ids of their own
        (extended vocabulary), and the network itself generates them."""
        self._builder = TranslationBuilder(vocabularies, settings[0].text, any(copies))
        self.encoder = LineEncoder(vocabularies, settings[0].text, all(copies))
        self._shortlisters: dict[int, Shortlister] = {}

    def check(self, options: SearchOptions) -> None:
        """Raise `NmtError` if the model cannot satisfy the `options`. Read the lexicon if they need it."""
        if not self.has_attention and (options.with_alignment or options.coverage_penalty or options.replace_unknown):
            raise NmtError(
                "a model without attention (model.attention.score none) has no alignments: with_alignment and "
                "replace_unknown must be false, and coverage_penalty must be 0"
            )
        if not options.shortlist or options.shortlist in self._shortlisters:
            return
        if self._copies_source:
            raise NmtError("shortlist must be 0 with model.decoder.copy_source, which may copy any word")
        assert self._lexicon is not None
        lexicon = Lexicon.load(self._lexicon, self._vocabularies)
        self._shortlisters[options.shortlist] = Shortlister(lexicon, options.shortlist, self._vocabularies.target.size)

    def encode(
        self,
        lines: Sequence[InputLine],
        options: SearchOptions,
        first: int = 0,
        languages: tuple[str, str] | None = None,
    ) -> list[EncodedLine]:
        """Return the encoded lines; `first` is the number of the first line, from 0.

        `languages` are their source and target language if the model has several. Raise `NmtError` for a missing or
        unknown tag, and for a prefix with a shortlist.
        """
        for number, line in enumerate(lines, first + 1):
            if line.prefix and options.shortlist:
                raise NmtError(
                    f"line {number:,}: a line with a prefix needs shortlist 0, because a prefix may contain any word"
                )
        with_words = options.with_alignment or options.replace_unknown
        return self.encoder.encode_lines(lines, first, options, with_words, languages)

    def batch_tokens(self, options: SearchOptions) -> int:
        """Return the source tokens of a batch, counted once for each hypothesis."""
        return min(options.tokens_per_batch, self.engine.batch_tokens)

    def search(
        self, parts: Sequence[Part], options: SearchOptions, chosen: Sequence[int] | None = None
    ) -> list[list[Hypothesis]]:
        """Return the hypotheses of each part, best first. The parts, or those with the numbers `chosen`, are a batch."""
        if chosen is not None:
            parts = [parts[number] for number in chosen]
        ids = [part.ids for part in parts]
        source, lengths = pad(ids)
        batch = SearchBatch(
            source,
            lengths,
            max_lengths=[int(options.max_length_ratio * len(each)) + options.max_length_extra for each in ids],
            prefixes=[part.sentence.prefix_ids if part.index == 0 else [] for part in parts],
            random_keys=[part.random_key for part in parts],
            shortlist=self._shortlisters[options.shortlist](source) if options.shortlist else None,
        )
        wanted = options.changed(
            with_alignment=options.with_alignment or options.replace_unknown,
            return_all_finished=options.is_distinct and options.n_best > 1,
        )
        return search_function(options)(self.engine, batch, wanted)

    def build(self, line: EncodedLine, hypotheses: Sequence[list[Hypothesis]], options: SearchOptions) -> Translation:
        """Return the translation of a line from the hypotheses of each of its parts."""
        return self._builder.build(line, hypotheses, options)


def size_of(part: Part, options: SearchOptions) -> int:
    """Return the source tokens of a part in a batch, EOS included, counted once for each hypothesis."""
    return (len(part.ids) + 1) * options.num_hypotheses


def pad(ids: Sequence[list[int]]) -> tuple[Ints, Ints]:
    """Return the ids with EOS, padded, (B, S), and their lengths, (B,)."""
    table = np.full((len(ids), max(map(len, ids)) + 1), PAD, np.int64)
    for row, part in zip(table, ids, strict=True):
        row[: len(part)] = part
        row[len(part)] = EOS
    return table, np.array([len(part) + 1 for part in ids])
