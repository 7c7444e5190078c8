"""`Translator`: translate lines of text, or score given translations, with a model or an ensemble.

Axes: B parts of lines in a batch, S source tokens, T target tokens.
"""

import dataclasses
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from nmt.config.model_settings import ModelSettings
from nmt.data.lexicon import Lexicon
from nmt.data.subword import Vocabularies
from nmt.data.token_ids import EOS, PAD
from nmt.decoding.engines import Machine
from nmt.decoding.ensemble import Ensemble
from nmt.decoding.forced_decoding import score_targets
from nmt.decoding.hypothesis import Hypothesis, SearchBatch
from nmt.decoding.input_windows import MAX_CHARACTERS, live_windows, read_prefixes, read_windows
from nmt.decoding.memory_budget import cut_batches, halve_after_shortage
from nmt.decoding.search import search_function
from nmt.decoding.search_options import SearchKeywords, SearchOptions
from nmt.decoding.shortlist import Shortlister
from nmt.decoding.side_by_side import work_side_by_side
from nmt.decoding.source_lines import EncodedLine, InputLine, LineEncoder
from nmt.decoding.translation import EMPTY_TARGET, Translation, TranslationBuilder, first_targets
from nmt.engine import Engine, Ints
from nmt.errors import NmtError

if TYPE_CHECKING:
    from typing_extensions import Unpack

OnBatch = Callable[[int, int], None]
"""Called after each batch with the numbers of lines that it completes and of target tokens that it generates."""


class Translator:
    """A model or an ensemble, ready for search, with its subword models (`nmt.load`).

    Several threads may use it at the same time. A process may fork after it has used it. With torch a forked process
    hangs if torch had more than one thread (`OMP_NUM_THREADS`), since the threads of GNU OpenMP do not survive a fork.
    """

    def __init__(
        self,
        engine: Engine[Any, Any],
        vocabularies: Vocabularies,
        settings: Sequence[ModelSettings],
        machine: Machine,
        lexicon: Path | None = None,
    ) -> None:
        """Combine an `engine`, which computes on `machine`, with the settings of its runs.

        `lexicon` is the file for `SearchOptions.shortlist`.
        """
        copies = [model.copies_source for model in settings]
        self.vocabularies = vocabularies
        self.machine = machine
        self.options = SearchOptions.of(*settings)
        """The defaults of a search: the `decoding` section of the (first) run."""
        self.has_attention = all(model.has_attention for model in settings)
        self._engine = engine
        self._lexicon = lexicon
        self._copies_source = any(copies)
        """A network of the ensemble is a pointer-generator, so only unknown words of the source replace unknown
        words. If all of them are, and have a vocabulary of words, unknown words of the source have ids of their own
        (extended vocabulary), and the network itself generates them."""
        self._builder = TranslationBuilder(vocabularies, settings[0].text, any(copies))
        self._encoder = LineEncoder(vocabularies, settings[0].text, all(copies))
        self._shortlisters: dict[int, Shortlister] = {}

    @overload  # a str is also an iterable of lines for a type checker; the first signature that fits counts
    def translate(  # type: ignore[overload-overlap]
        self, source: str, options: SearchOptions | None = None, **changes: "Unpack[SearchKeywords]"
    ) -> Translation: ...

    @overload
    def translate(
        self,
        source: Iterable[str | InputLine],
        options: SearchOptions | None = None,
        *,
        prefixes: Iterable[str] | None = None,
        on_batch: OnBatch = ...,
        **changes: "Unpack[SearchKeywords]",
    ) -> Iterator[Translation]: ...

    def translate(
        self,
        source: str | Iterable[str | InputLine],
        options: SearchOptions | None = None,
        *,
        prefixes: Iterable[str] | None = None,
        on_batch: OnBatch = lambda lines, tokens: None,
        **changes: "Unpack[SearchKeywords]",
    ) -> Translation | Iterator[Translation]:
        """Translate a line, or yield the translation of each of several lines, in their order.

        The options of the search are those of the run, or `options`, with the `changes`: fields of `SearchOptions`, and
        `alignments` for `with_alignment`. Lines are read `window` at a time, so the memory does not grow with their
        number. Each translation begins with its prefix of `prefixes`. `on_batch` is called after each batch.

        Raise `NmtError` for options that the model cannot satisfy, for a missing tag, and if memory runs out.
        """
        search = (options or self.options).changed(**changes)
        if isinstance(source, str):
            return next(self.translate([source], search))
        return itertools.chain.from_iterable(self.windows(source, search, prefixes, on_batch=on_batch))

    def log_prob(self, pairs: Iterable[tuple[str, str]], *, tag: str = "") -> Iterator[float]:
        """Yield log p(target | source), the natural logarithm, of each pair (source, target), in order.

        `tag` is put before each source that begins with none, as in `SearchOptions`. Long sources are not split.
        """
        for _, values in self.token_log_probs(pairs, self.options.tokens_per_batch, tag):
            yield math.fsum(values)

    def windows(
        self,
        lines: Iterable[str | InputLine],
        options: SearchOptions,
        prefixes: Iterable[str] | None = None,
        live: bool = False,
        first: int = 0,
        on_batch: OnBatch = lambda lines, tokens: None,
    ) -> Iterator[Iterator[Translation]]:
        """Yield, for each window of lines, an iterator over the translations of its lines.

        With `live`, lines that have arrived are translated as soon as no more arrive. Otherwise a window has
        `options.window` lines, or fewer if they have many characters, hypotheses or models. A window is read when the
        one before it is translated. Each translation begins with its prefix of `prefixes`; `first` is the number of the
        first line.
        """
        if not self.has_attention and (options.with_alignment or options.coverage_penalty or options.replace_unknown):
            raise NmtError(
                "a model without attention (model.attention.score none) has no alignments: with_alignment and "
                "replace_unknown must be false, and coverage_penalty must be 0"
            )
        if prefixes is not None and options.shortlist:
            raise NmtError("prefixes need shortlist 0, because a prefix may contain any word")
        self.check_shortlist(options)
        models = len(self._engine.engines) if isinstance(self._engine, Ensemble) else 1
        characters = max(1, MAX_CHARACTERS // (options.num_hypotheses * models))  # limits the time that a window takes
        unread_prefixes = None if prefixes is None else iter(prefixes)
        with_words = options.with_alignment or options.replace_unknown
        number = first
        for window in (live_windows if live else read_windows)(lines, options.window, characters):
            inputs = [InputLine(line) if isinstance(line, str) else line for line in window]
            if unread_prefixes is not None:
                pairs = zip(inputs, read_prefixes(unread_prefixes, len(inputs), number), strict=True)
                inputs = [line if line.prefix else dataclasses.replace(line, prefix=prefix) for line, prefix in pairs]
            for i, line in enumerate(inputs, number + 1):
                if line.prefix and options.shortlist:
                    raise NmtError(
                        f"line {i:,}: a line with a prefix needs shortlist 0, because a prefix may contain any word"
                    )
            encoded = self._encoder.encode_lines(inputs, number, options.tag, options.max_source_tokens, with_words)
            yield self._translate_window(encoded, options, on_batch)
            number += len(inputs)

    def check_shortlist(self, options: SearchOptions) -> None:
        """Read the lexicon if the `options` ask for a shortlist. Raise `NmtError` if the model cannot use one."""
        if not options.shortlist or options.shortlist in self._shortlisters:
            return
        if self._copies_source:
            raise NmtError("shortlist must be 0 with model.decoder.copy_source, which may copy any word")
        assert self._lexicon is not None
        lexicon = Lexicon.load(self._lexicon, self.vocabularies)
        self._shortlisters[options.shortlist] = Shortlister(lexicon, options.shortlist, self.vocabularies.target.size)

    def check_tags(self, lines: Iterable[str], tag: str, name: str, remedy: str) -> None:
        """Raise `NmtError` with the `remedy` if `tag` is empty and a line of the file `name` needs a tag."""
        self._encoder.check_tags(lines, tag, name, remedy)

    def count_tokens(self, lines: Sequence[str]) -> list[int]:
        """Return the source tokens of each line, as `SearchOptions.max_source_tokens` counts them."""
        return self._encoder.count_tokens(lines)

    def token_log_probs(
        self,
        pairs: Iterable[tuple[str, str]],
        tokens_per_batch: int,
        tag: str = "",
        window: int = 4096,
        live: bool = False,
    ) -> Iterator[tuple[list[str], tuple[float, ...]]]:
        """Yield the pieces of each target, "</s>" last, and the natural log of their probabilities, in order.

        `tag` is as in `SearchOptions`, `live` as in `windows`. Long sources are not split.
        """
        first = 0
        windows = (live_windows if live else read_windows)(pairs, window, size=lambda pair: len(pair[0]) + len(pair[1]))
        for window_pairs in windows:
            sources, targets, oov_words = self._encoder.encode_pairs(window_pairs, first, tag)
            scores: list[tuple[float, ...]] = [()] * len(window_pairs)
            order = sorted(range(len(window_pairs)), key=lambda i: (len(targets[i]), len(sources[i])), reverse=True)
            sizes = [max(len(source), len(target)) + 1 for source, target in zip(sources, targets, strict=True)]

            def score(
                batch: list[int], sources: list[list[int]] = sources, targets: list[list[int]] = targets
            ) -> list[tuple[float, ...]]:
                source, target = (_pad([side[i] for i in batch]) for side in (sources, targets))
                return score_targets(self._engine, *source, *target)

            def halve(batch: list[int], error: BaseException, first: int = first) -> list[list[int]]:
                return halve_after_shortage(batch, error, f"pair {first + batch[0] + 1:,}", "shorten it")

            batches = list(cut_batches(order, sizes, min(tokens_per_batch, self._engine.batch_tokens)))
            for batch, found in work_side_by_side(batches, score, halve, self._engine.batches_at_once):
                for i, values in zip(batch, found, strict=True):
                    scores[i] = values
            for ids, words, values in zip(targets, oov_words, scores, strict=True):
                yield [*self.vocabularies.target.pieces(ids, words), "</s>"], values
            first += len(window_pairs)

    def _translate_window(
        self, lines: list[EncodedLine], options: SearchOptions, on_batch: OnBatch
    ) -> Iterator[Translation]:
        """Translate the parts of all lines in batches of similar length, and yield the translations of the lines."""
        parts = [(line, index) for line in lines for index in range(len(line.slices))]
        lengths = [len(line.part(index)) for line, index in parts]
        order = sorted(range(len(parts)), key=lengths.__getitem__, reverse=True)
        sizes = [(length + 1) * options.num_hypotheses for length in lengths]
        search_options = options.changed(
            with_alignment=options.with_alignment or options.replace_unknown,
            return_all_finished=options.is_distinct and options.n_best > 1,
        )
        search = search_function(options)
        found: dict[tuple[int, int], list[Hypothesis]] = {}
        missing = {line.number: len(line.slices) for line in lines}
        on_batch(sum(not line.slices for line in lines), 0)

        def work(batch: list[int]) -> list[list[Hypothesis]]:
            return search(self._engine, self._search_batch([parts[i] for i in batch], options), search_options)

        def halve(batch: list[int], error: BaseException) -> list[list[int]]:
            name, remedy = f"line {parts[batch[0]][0].number + 1:,}", "shorten it, or lower beam_size or n_best"
            return halve_after_shortage(batch, error, name, remedy)

        batches = list(cut_batches(order, sizes, min(options.tokens_per_batch, self._engine.batch_tokens)))
        for batch, hypotheses in work_side_by_side(batches, work, halve, self._engine.batches_at_once):
            completed = 0
            for i, of_part in zip(batch, hypotheses, strict=True):
                line, index = parts[i]
                found[line.number, index] = of_part
                missing[line.number] -= 1
                completed += not missing[line.number]
            on_batch(completed, sum(len(of_part[0].token_log_probs) for of_part in hypotheses if of_part))
        for line in lines:
            yield self._build(line, [found[line.number, index] for index in range(len(line.slices))], options)

    def _search_batch(self, parts: Sequence[tuple[EncodedLine, int]], options: SearchOptions) -> SearchBatch:
        """Return a batch of parts of lines, each the line and the index of its part."""
        ids = [line.part(index) for line, index in parts]
        source, lengths = _pad(ids)
        return SearchBatch(
            source,
            lengths,
            max_lengths=[int(options.max_length_ratio * len(each)) + options.max_length_extra for each in ids],
            prefixes=[line.prefix_ids if index == 0 else [] for line, index in parts],
            random_keys=[(line.number, index) for line, index in parts],
            shortlist=self._shortlisters[options.shortlist](source) if options.shortlist else None,
        )

    def _build(self, line: EncodedLine, hypotheses: list[list[Hypothesis]], options: SearchOptions) -> Translation:
        """Return the translation of a line from the hypotheses of each of its parts, best first."""
        builder, with_alignment, replaces = self._builder, options.with_alignment, options.replace_unknown
        ranks = zip(*hypotheses, strict=False)  # only as many as each part has
        targets = first_targets(
            (builder.build(line, parts, with_alignment, replaces) for parts in ranks),
            options.n_best,
            options.is_distinct,
        )
        return Translation(line.number, line.source, tuple(line.pieces), targets or (EMPTY_TARGET,), line.other_keys)


def _pad(ids: list[list[int]]) -> tuple[Ints, Ints]:
    """Return the ids with EOS, padded, (B, S), and their lengths, (B,)."""
    table = np.full((len(ids), max(map(len, ids)) + 1), PAD, np.int64)
    for row, part in zip(table, ids, strict=True):
        row[: len(part)] = part
        row[len(part)] = EOS
    return table, np.array([len(part) + 1 for part in ids])
