"""`Translator`: translate lines of text, or score given translations, with a model or an ensemble.

Axes: B parts of lines in a batch, S source tokens, T target tokens.
"""

import dataclasses
import functools
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from nmt.config.model_settings import ModelSettings
from nmt.data.subword import Vocabularies
from nmt.decoding.engines import Machine
from nmt.decoding.forced_decoding import score_targets
from nmt.decoding.hypothesis import Hypothesis
from nmt.decoding.input_windows import MAX_CHARACTERS, live_windows, read_prefixes, read_windows
from nmt.decoding.line_search import LineSearch, pad, size_of
from nmt.decoding.memory_budget import cut_batches, halve_after_shortage
from nmt.decoding.search_options import SearchKeywords, SearchOptions
from nmt.decoding.side_by_side import work_side_by_side
from nmt.decoding.source_lines import EncodedLine, InputLine
from nmt.decoding.translation import Translation
from nmt.engine import Engine
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
        self.vocabularies = vocabularies
        self.machine = machine
        self.options = SearchOptions.of(*settings)
        """The defaults of a search: the `decoding` section of the (first) run."""
        self.lines = LineSearch(engine, vocabularies, settings, lexicon)
        """The steps of a translation, for programs that arrange batches themselves."""
        self.has_attention = self.lines.has_attention
        self._engine = engine

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
        self.lines.check(options)
        if prefixes is not None and options.shortlist:
            raise NmtError("prefixes need shortlist 0, because a prefix may contain any word")
        characters = max(1, MAX_CHARACTERS // (options.num_hypotheses * self.lines.models))  # limits its time
        unread_prefixes = None if prefixes is None else iter(prefixes)
        number = first
        for window in (live_windows if live else read_windows)(lines, options.window, characters):
            inputs = [InputLine(line) if isinstance(line, str) else line for line in window]
            if unread_prefixes is not None:
                pairs = zip(inputs, read_prefixes(unread_prefixes, len(inputs), number), strict=True)
                inputs = [line if line.prefix else dataclasses.replace(line, prefix=prefix) for line, prefix in pairs]
            yield self._translate_window(self.lines.encode(inputs, options, number), options, on_batch)
            number += len(inputs)

    def check_tags(self, lines: Iterable[str], tag: str, name: str, remedy: str) -> None:
        """Raise `NmtError` with the `remedy` if `tag` is empty and a line of the file `name` needs a tag."""
        self.lines.encoder.check_tags(lines, tag, name, remedy)

    def count_tokens(self, lines: Sequence[str]) -> list[int]:
        """Return the source tokens of each line, as `SearchOptions.max_source_tokens` counts them."""
        return self.lines.encoder.count_tokens(lines)

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
            sources, targets, oov_words = self.lines.encoder.encode_pairs(window_pairs, first, tag)
            scores: list[tuple[float, ...]] = [()] * len(window_pairs)
            order = sorted(range(len(window_pairs)), key=lambda i: (len(targets[i]), len(sources[i])), reverse=True)
            sizes = [max(len(source), len(target)) + 1 for source, target in zip(sources, targets, strict=True)]

            def score(
                batch: list[int], sources: list[list[int]] = sources, targets: list[list[int]] = targets
            ) -> list[tuple[float, ...]]:
                source, target = (pad([side[i] for i in batch]) for side in (sources, targets))
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
        parts = [part for line in lines for part in line.parts]
        owners = [index for index, line in enumerate(lines) for _ in line.parts]
        sizes = [size_of(part, options) for part in parts]
        order = sorted(range(len(parts)), key=sizes.__getitem__, reverse=True)
        found: list[list[Hypothesis]] = [[] for _ in parts]
        missing = [len(line.parts) for line in lines]
        on_batch(missing.count(0), 0)

        def halve(batch: list[int], error: BaseException) -> list[list[int]]:
            name = f"line {parts[batch[0]].sentence.number + 1:,}"
            return halve_after_shortage(batch, error, name, "shorten it, or lower beam_size or n_best")

        work = functools.partial(self.lines.search, parts, options)
        batches = list(cut_batches(order, sizes, self.lines.batch_tokens(options)))
        for batch, hypotheses in work_side_by_side(batches, work, halve, self._engine.batches_at_once):
            completed = 0
            for i, of_part in zip(batch, hypotheses, strict=True):
                found[i] = of_part
                missing[owners[i]] -= 1
                completed += not missing[owners[i]]
            on_batch(completed, sum(len(of_part[0].token_log_probs) for of_part in hypotheses if of_part))
        rest = iter(found)
        for line in lines:
            yield self.lines.build(line, [next(rest) for _ in line.parts], options)
