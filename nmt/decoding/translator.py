"""Lines of text in, lines of text out: what `nmt translate` and `nmt evaluate` call.

Axes: B pieces of lines in a batch, S source tokens, T target tokens.
"""

import dataclasses
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from nmt import config
from nmt.config import load_run_config
from nmt.data.lexicon import Lexicon
from nmt.data.subword import Vocabularies
from nmt.data.token_ids import EOS, PAD
from nmt.decoding.ensemble import Ensemble, check_alike
from nmt.decoding.forced_decoding import score_targets
from nmt.decoding.hypothesis import Hypothesis, Sentences
from nmt.decoding.input_windows import MAX_CHARACTERS, live_windows, read_windows, take_prefixes
from nmt.decoding.memory_budget import batches, halve_on_out_of_memory
from nmt.decoding.model_protocol import Model
from nmt.decoding.search import search
from nmt.decoding.search_options import Options
from nmt.decoding.source_lines import Line, Reader, Request
from nmt.decoding.translation import EMPTY, Joiner, Translation, take
from nmt.errors import NmtError
from nmt.kernels.device import Arithmetic, Precision, choose_arithmetic, choose_device, set_cudnn_precision
from nmt.models.inference import prepare_for_search
from nmt.models.shortlist import Shortlister
from nmt.models.weights import load_meta, load_model
from nmt.storage.run_folder import Run


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

    def check(self, configs: Iterable[config.Config]) -> None:
        """Raise `NmtError` if a model cannot read as many source tokens as are asked for."""
        for run in configs:
            most = run.most_source_tokens
            if most is not None and self.max_source_tokens > most:
                raise NmtError(
                    f"--max-source-tokens {self.max_source_tokens}: the location attention of {run.name} has "
                    f"{run.model.attention.positions} positions (model.attention.positions), enough for {most}"
                )

    def changed(self, **values: Any) -> "Settings":
        """Return these settings with those of `values`, fields of these or of `search`, that are not None."""
        given = {name: value for name, value in values.items() if value is not None}
        of_search = {field.name for field in dataclasses.fields(Options)} & given.keys()
        search = dataclasses.replace(self.search, **{name: given.pop(name) for name in of_search})
        return dataclasses.replace(self, search=search, **given)


OnBatch = Callable[[int, int], None]
"""Is called after each batch with the numbers of lines that it finishes and of target tokens that it gives."""
BEAMS = "shorten it, or keep fewer hypotheses (--beam-size)"
"""Remedy where memory does not suffice for a line."""


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
        set_cudnn_precision(arithmetic, device)
        self.vocabularies = vocabularies
        self.device = device
        self.arithmetic = arithmetic
        self._joiner = Joiner(vocabularies, data, copies_source)
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
        copies_source = any(load_run_config(run).model.decoder.copy_source for run, _ in checkpoints)
        if shortlist and copies_source:
            raise NmtError("--shortlist does not go with model.decoder.copy_source, which may copy any word")
        if shortlist:
            lexicon = Lexicon.load(checkpoints[0][0].lexicon, vocabularies[0])
            shortlister = Shortlister(lexicon, shortlist, vocabularies[0].target.size).to(place)
        models = [
            prepare_for_search(
                load_model(checkpoint, load_run_config(run), own.source.size, own.target.size, place), arithmetic, False
            )
            for (run, checkpoint), own in zip(checkpoints, vocabularies, strict=True)
        ]
        joined = models[0] if len(models) == 1 else Ensemble(models)
        has_attention = all(model.has_attention for model in models)
        data = load_run_config(checkpoints[0][0]).data
        copies_words = all(load_run_config(run).model.decoder.copy_source for run, _ in checkpoints)
        return cls(
            joined, vocabularies[0], data, place, arithmetic, shortlister, has_attention, copies_source, copies_words
        )

    def translate(
        self,
        lines: Iterable[str | Request],
        settings: Settings,
        prefixes: Iterable[str] | None = None,
        live: bool = False,
        on_batch: OnBatch = lambda lines, tokens: None,
    ) -> Iterator[Translation]:
        """Yield the translation of each line, in order; the arguments are those of `windows`."""
        return itertools.chain.from_iterable(self.windows(lines, settings, prefixes, live, 0, on_batch))

    def windows(
        self,
        lines: Iterable[str | Request],
        settings: Settings,
        prefixes: Iterable[str] | None = None,
        live: bool = False,
        first: int = 0,
        on_batch: OnBatch = lambda lines, tokens: None,
    ) -> Iterator[Iterator[Translation]]:
        """Yield the translations of the lines of a window, for each of the windows that are read and sorted by length.

        With `live`, what has arrived is translated as soon as nothing more comes; else a window has `settings.window`
        lines, or fewer of many characters, hypotheses and models, and none is read before the one before it is done.
        `prefixes` are what each translation must begin with; `first` is the number of the first line.
        """
        asked = settings.search
        if not self.has_attention and (asked.with_alignment or asked.coverage_penalty or settings.replace_unknown):
            raise NmtError(
                "a model without attention (model.attention.score none) gives no alignments, replaces no unknown words "
                "(--keep-unknown) and knows no coverage penalty"
            )
        if prefixes is not None and self._shortlister is not None:
            raise NmtError("a translator with a shortlist takes no prefixes, which may be of any words")
        models = len(self._model.models) if isinstance(self._model, Ensemble) else 1
        characters = max(1, MAX_CHARACTERS // (asked.hypotheses * models))  # so that one does not take too long
        remaining = None if prefixes is None else iter(prefixes)
        with_words = asked.with_alignment or settings.replace_unknown
        number = first
        for window in (live_windows if live else read_windows)(lines, settings.window, characters):
            requests = [Request(line) if isinstance(line, str) else line for line in window]
            if remaining is not None:
                given = take_prefixes(remaining, len(window), number)
                requests = [
                    request if request.prefix else dataclasses.replace(request, prefix=prefix)
                    for request, prefix in zip(requests, given, strict=True)
                ]
            elif self._shortlister is not None and any(request.prefix for request in requests):
                line = number + [bool(request.prefix) for request in requests].index(True) + 1
                raise NmtError(f"line {line:,}: a prefix may be of any words; give --shortlist 0")
            read = self._reader.lines(requests, number, settings.tag, settings.max_source_tokens, with_words)
            yield self._translate_window(read, settings, on_batch)
            number += len(window)

    def check_tags(self, lines: Iterable[str], tag: str, name: str, remedy: str) -> None:
        """Raise `NmtError` with the `remedy` for a line of the file `name` that needs a tag, where `tag` is empty."""
        self._reader.check_tags(lines, tag, name, remedy)

    def count_tokens(self, lines: Sequence[str]) -> list[int]:
        """Return how many source tokens each line has, as `Settings.max_source_tokens` counts them."""
        return self._reader.count_tokens(lines)

    def log_probs(
        self,
        pairs: Iterable[tuple[str, str]],
        tokens_per_batch: int,
        tag: str = "",
        window: int = 4096,
        live: bool = False,
    ) -> Iterator[tuple[list[str], tuple[float, ...]]]:
        """Yield the pieces of each target, "</s>" last, and the natural log of their probabilities, in order.

        `tag` is as in `Settings`, `live` as in `windows`. Sources are read whole, however long they are.
        """
        first = 0
        windows = (live_windows if live else read_windows)(pairs, window, size=lambda pair: len(pair[0]) + len(pair[1]))
        for some in windows:
            sources, targets, unknown = self._reader.pairs(some, first, tag)
            answers: list[tuple[float, ...]] = [()] * len(some)
            order = sorted(range(len(some)), key=lambda i: (len(targets[i]), len(sources[i])), reverse=True)
            sizes = [max(len(source), len(target)) + 1 for source, target in zip(sources, targets, strict=True)]

            def score(
                rows: list[int], sources: list[list[int]] = sources, targets: list[list[int]] = targets
            ) -> list[tuple[float, ...]]:
                padded = [self._pad([side[i] for i in rows]) for side in (sources, targets)]
                return score_targets(self._model, *padded[0], *padded[1])

            def name(i: int, first: int = first) -> str:
                return f"pair {first + i + 1:,}"

            for batch in batches(order, sizes, tokens_per_batch):
                for rows, scores in halve_on_out_of_memory(batch, score, name, "shorten it"):
                    for i, values in zip(rows, scores, strict=True):
                        answers[i] = values
            vocabulary = self.vocabularies.target
            for ids, copied, answer in zip(targets, unknown, answers, strict=True):
                yield [*vocabulary.pieces(ids, copied), "</s>"], answer
            first += len(some)

    def _translate_window(self, lines: list[Line], settings: Settings, on_batch: OnBatch) -> Iterator[Translation]:
        """Translate the parts of all lines in batches of similar length and join them again."""
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
        missing = {line.number: len(line.slices) for line in lines}
        on_batch(sum(not line.slices for line in lines), 0)

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
            for rows, answers in halve_on_out_of_memory(
                batch, translate, lambda i: f"line {parts[i][0].number + 1:,}", BEAMS
            ):
                finished = 0
                for i, hypotheses in zip(rows, answers, strict=True):
                    line, index = parts[i]
                    found[line.number, index] = hypotheses
                    missing[line.number] -= 1
                    finished += not missing[line.number]
                on_batch(finished, sum(len(hypotheses[0].token_log_probs) for hypotheses in answers if hypotheses))
        wanted = settings.search.with_alignment
        for line in lines:
            of_parts = [found[line.number, index] for index in range(len(line.slices))]
            ranks = range(min(map(len, of_parts), default=0))
            joined = (
                self._joiner.join(line, [part[rank] for part in of_parts], wanted, settings.replace_unknown)
                for rank in ranks
            )
            targets = take(joined, settings.search.n_best, settings.is_distinct)
            yield Translation(line.number, line.source, tuple(line.pieces), targets or (EMPTY,), line.others)

    def _pad(self, ids: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return (B, S) ids with EOS, padded, and (B,) lengths, on the device."""
        table = np.full((len(ids), max(map(len, ids)) + 1), PAD, np.int64)
        for row, part in zip(table, ids, strict=True):
            row[: len(part)] = part
            row[len(part)] = EOS
        lengths = torch.tensor([len(part) + 1 for part in ids])
        return torch.from_numpy(table).to(self.device), lengths.to(self.device)
