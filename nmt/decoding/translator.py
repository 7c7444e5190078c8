"""`Translator`: translate lines of text, or score given translations, with a model or an ensemble.

Axes: B parts of lines in a batch, S source tokens, T target tokens.
"""

import dataclasses
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from nmt import config
from nmt.config import load_run_config
from nmt.data.lexicon import Lexicon
from nmt.data.subword import Vocabularies
from nmt.data.token_ids import EOS, PAD
from nmt.decoding.ensemble import Ensemble, check_same_text
from nmt.decoding.forced_decoding import score_targets
from nmt.decoding.hypothesis import Hypothesis, SearchBatch
from nmt.decoding.input_windows import MAX_CHARACTERS, live_windows, read_prefixes, read_windows
from nmt.decoding.memory_budget import cut_batches, halve_after_shortage
from nmt.decoding.model_protocol import Model
from nmt.decoding.search import search_function
from nmt.decoding.search_options import SearchOptions
from nmt.decoding.source_lines import EncodedLine, InputLine, LineEncoder
from nmt.decoding.translation import EMPTY_TARGET, Translation, TranslationBuilder, first_targets
from nmt.errors import NmtError
from nmt.kernels.device import Arithmetic, Precision, choose_arithmetic, choose_device, set_cudnn_precision
from nmt.models.inference import prepare_for_search
from nmt.models.shortlist import Shortlister
from nmt.models.weights import load_meta, load_model
from nmt.storage.run_folder import Run

OnBatch = Callable[[int, int], None]
"""Called after each batch with the numbers of lines that it completes and of target tokens that it generates."""


class Translator:
    """A model or an ensemble, ready for search, with its subword models."""

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
        """Combine a `model`, prepared for search in `arithmetic`, with the text normalisation of `data`.

        Without `has_attention` there are no alignments. `copies_source`: a network of the ensemble is a
        pointer-generator, so only unknown words of the source replace unknown words. `copies_words`: all networks are
        pointer-generators with a vocabulary of words. Unknown words of the source then have ids of their own (extended
        vocabulary), and the network itself generates them.
        """
        set_cudnn_precision(arithmetic, device)
        self.vocabularies = vocabularies
        self.device = device
        self.arithmetic = arithmetic
        self.has_attention = has_attention
        self._model = model
        self._shortlister = shortlister
        self._builder = TranslationBuilder(vocabularies, data, copies_source)
        self._encoder = LineEncoder(vocabularies, data, copies_words)

    @classmethod
    def load(
        cls,
        checkpoints: Sequence[tuple[Run, Path]],
        device: Literal["auto", "cpu", "cuda"] = "auto",
        precision: Precision = "auto",
        shortlist: int = 0,
    ) -> "Translator":
        """Load a checkpoint folder of a run, or several as an ensemble; `shortlist` is as in `config.Decoding`.

        Raise `NmtError` if their subword models or their text normalisation differ.
        """
        target_device = choose_device(device)
        runs = [run for run, _ in checkpoints]
        vocabularies = [Vocabularies.load(run.subword) for run in runs]
        for (run, checkpoint), vocabulary in zip(checkpoints, vocabularies, strict=True):
            if load_meta(checkpoint).get("vocabularies") != vocabulary.fingerprint:
                raise NmtError(
                    f"{run.subword} is not the subword model that {checkpoint} was trained with; copy the whole run "
                    "folder again"
                )
            if vocabulary.fingerprint != vocabularies[0].fingerprint:
                raise NmtError(
                    f"{runs[0].folder} and {run.folder} have different subword models; an ensemble needs runs that "
                    "were trained on the same prepared data"
                )
            check_same_text(runs[0], run)
        arithmetic = choose_arithmetic(precision, target_device)
        configs = [load_run_config(run) for run in runs]
        copies = [each.model.decoder.copy_source for each in configs]
        shortlister = None
        if shortlist and any(copies):
            raise NmtError("shortlist must be 0 with model.decoder.copy_source, which may copy any word")
        if shortlist:
            lexicon = Lexicon.load(runs[0].lexicon, vocabularies[0])
            shortlister = Shortlister(lexicon, shortlist, vocabularies[0].target.size).to(target_device)
        models = []
        for (_, checkpoint), run_config, each in zip(checkpoints, configs, vocabularies, strict=True):
            model = load_model(checkpoint, run_config, each.source.size, each.target.size, target_device)
            models.append(prepare_for_search(model, arithmetic, False))
        return cls(
            models[0] if len(models) == 1 else Ensemble(models),
            vocabularies[0],
            configs[0].data,
            target_device,
            arithmetic,
            shortlister,
            has_attention=all(model.has_attention for model in models),
            copies_source=any(copies),
            copies_words=all(copies),
        )

    def translate(
        self,
        lines: Iterable[str | InputLine],
        options: SearchOptions,
        prefixes: Iterable[str] | None = None,
        live: bool = False,
        on_batch: OnBatch = lambda lines, tokens: None,
    ) -> Iterator[Translation]:
        """Yield the translation of each line, in order. The arguments are those of `windows`."""
        return itertools.chain.from_iterable(self.windows(lines, options, prefixes, live, 0, on_batch))

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
        if prefixes is not None and self._shortlister is not None:
            raise NmtError("prefixes need shortlist 0, because a prefix may contain any word")
        models = len(self._model.models) if isinstance(self._model, Ensemble) else 1
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
                if line.prefix and self._shortlister is not None:
                    raise NmtError(
                        f"line {i:,}: a line with a prefix needs shortlist 0, because a prefix may contain any word"
                    )
            encoded = self._encoder.encode_lines(inputs, number, options.tag, options.max_source_tokens, with_words)
            yield self._translate_window(encoded, options, on_batch)
            number += len(inputs)

    def check_tags(self, lines: Iterable[str], tag: str, name: str, remedy: str) -> None:
        """Raise `NmtError` with the `remedy` if `tag` is empty and a line of the file `name` needs a tag."""
        self._encoder.check_tags(lines, tag, name, remedy)

    def count_tokens(self, lines: Sequence[str]) -> list[int]:
        """Return the source tokens of each line, as `SearchOptions.max_source_tokens` counts them."""
        return self._encoder.count_tokens(lines)

    def log_probs(
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
            pending = list(cut_batches(order, sizes, tokens_per_batch))[::-1]
            while pending:
                batch = pending.pop()
                try:
                    source, target = (self._pad([side[i] for i in batch]) for side in (sources, targets))
                    found = score_targets(self._model, *source, *target)
                except (MemoryError, RuntimeError) as error:
                    pending += halve_after_shortage(batch, error, f"pair {first + batch[0] + 1:,}", "shorten it")
                    continue
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
        pending = list(cut_batches(order, sizes, options.tokens_per_batch))[::-1]
        search_options = options.changed(
            with_alignment=options.with_alignment or options.replace_unknown,
            return_all_finished=options.is_distinct and options.n_best > 1,
        )
        search = search_function(options)
        found: dict[tuple[int, int], list[Hypothesis]] = {}
        missing = {line.number: len(line.slices) for line in lines}
        on_batch(sum(not line.slices for line in lines), 0)
        while pending:
            batch = pending.pop()
            try:
                hypotheses = search(self._model, self._search_batch([parts[i] for i in batch], options), search_options)
            except (MemoryError, RuntimeError) as error:
                name, remedy = f"line {parts[batch[0]][0].number + 1:,}", "shorten it, or lower beam_size or n_best"
                pending += halve_after_shortage(batch, error, name, remedy)
                continue
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
        source, lengths = self._pad(ids)
        return SearchBatch(
            source,
            lengths,
            max_lengths=[int(options.max_length_ratio * len(each)) + options.max_length_extra for each in ids],
            prefixes=[line.prefix_ids if index == 0 else [] for line, index in parts],
            random_keys=[(line.number, index) for line, index in parts],
            shortlist=None if self._shortlister is None else self._shortlister(source),
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

    def _pad(self, ids: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the ids with EOS, padded, (B, S), and their lengths (B,), on the device."""
        table = np.full((len(ids), max(map(len, ids)) + 1), PAD, np.int64)
        for row, part in zip(table, ids, strict=True):
            row[: len(part)] = part
            row[len(part)] = EOS
        lengths = torch.tensor([len(part) + 1 for part in ids])
        return torch.from_numpy(table).to(self.device), lengths.to(self.device)
