"""Preprocess the corpora of a configuration: clean, deduplicate, train subwords, encode, write prepared data.

Memory is bounded by the chunks and by `subword.training_sentences`; everything else is on disk. The folder is built
next to its final place and moved there at the end, so that an existing folder is complete.
"""

import errno
import logging
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import numpy as np

from nmt.config import Config, Corpus
from nmt.data import manifest
from nmt.data.cleaning import CleanChunk, RawChunk, clean_chunk, split_into_chunks
from nmt.data.corpus import INVALID_UTF8, active_filters, corpus_name, corpus_paths, read_pairs, tsv_hints
from nmt.data.deduplicate import Deduplicator
from nmt.data.encoding import CleanFile, EncodingTask, SubwordTask, encode_file, train_subwords
from nmt.data.lines import InvalidLines, normalize
from nmt.data.prepared_data import Prepared, read_header, validation_folder
from nmt.data.store import StoreWriter, id_type
from nmt.data.subword import MAX_UNKNOWN_WORDS, Vocabularies
from nmt.data.workers import Workers
from nmt.errors import NmtError
from nmt.storage import checksums
from nmt.storage.atomic_folder import build_folder
from nmt.storage.cores import available_cores
from nmt.storage.json_text import dump_json

MAX_INVALID_SHARE = 0.001
"""The share of the lines of a file that may be invalid UTF-8."""

logger = logging.getLogger(__name__)

OnProgress: TypeAlias = Callable[[str, int, int], object]
"""Receives what is being done, how much of it is done, and how much there is to do; for progress bars."""


def ignore_progress(action: str, done: int, total: int) -> None:
    """Do nothing: the default `OnProgress`."""


def preprocess(config: Config, force: bool = False, on_progress: OnProgress = ignore_progress) -> Prepared:
    """Make the prepared data of `config` unless it is up to date, and return it.

    `force` makes it in any case. `on_progress` gets "cleaning" and "encoding" with numbers of sentence pairs, and
    "subwords" with the numbers of subword models that are trained (while they are, nothing is reported). Raise
    NmtError for mistakes in the corpora and the config, for a full disk and if a worker process died.
    """
    folder = config.prepared
    if (warning := manifest.reuse_warning(config)) is not None:
        logger.warning(warning)
    try:
        if not force and (folder / "prepared.json").exists():
            prepared, reason = _open_if_current(config)
            if prepared is not None:
                logger.info(f"nothing to do: {folder} is up to date")
                return prepared
            logger.info(f"{reason}; preparing it again")
        if folder.name in ("", ".."):
            raise NmtError(f"data.prepared: {folder}: give it a folder of its own")
        folder.parent.mkdir(parents=True, exist_ok=True)
        # While this process waits for the lock of the folder, another process may make the data.
        with build_folder(folder, lambda: not force and _open_if_current(config)[0] is not None) as partial:
            if partial is not None:
                if folder.exists() and not (folder / "prepared.json").exists() and any(folder.iterdir()):
                    raise NmtError(f"{folder}: holds files other than prepared data; choose another data.prepared")
                _make(config, partial, on_progress)
        return Prepared.open(folder, _weights(config))
    except OSError as error:
        hint = ""
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            hint = "; about twice the size of the uncompressed corpora is needed (data.prepared chooses another place)"
        raise NmtError(f"{error.filename or folder}: {error.strerror or error}{hint}") from None


def _open_if_current(config: Config) -> tuple[Prepared | None, str]:
    """Return the prepared data if it is up to date; otherwise None and why it is not."""
    folder = config.prepared
    try:
        header = read_header(folder)
        if header["settings"] != manifest.preparation_settings(config):
            return None, f"{folder} was made with other settings"
        prepared = Prepared.open(folder, _weights(config))
    except NmtError as error:
        return None, str(error)
    if (changed := next(manifest.changed_files(header, config), None)) is not None:
        return None, f"{folder} was made from other text ({changed[0]}: {changed[1]})"
    return prepared, ""


def _make(config: Config, folder: Path, on_progress: OnProgress) -> None:
    """Make the prepared data in an empty folder."""
    began = time.monotonic()
    settings = manifest.preparation_settings(config)  # raises NmtError if subword models to reuse are missing
    check_symbols(config)
    work = folder / "work"
    work.mkdir()
    with Workers(config.data.workers or available_cores()) as workers:
        logger.info(f"preparing {config.name} with {workers.count} process{'es' * (workers.count > 1)}")
        inputs = list(workers.map(manifest.inspect_file, manifest.input_files(config)))
        lines_of = {entry.path: entry.lines for entry in inputs}
        total = sum(lines_of[str(corpus_paths(corpus)[0])] for corpus in _corpora(config).values())
        for corpus in _corpora(config).values():
            for hint in tsv_hints(corpus, (config.data.source_language, config.data.target_language)):
                logger.info(hint)
        files, table = _clean_all(config, total, work, workers, on_progress)
        manifest.check_unchanged(inputs)
        for line in table:
            logger.info(line)
        if not any(file.pairs for file in files if file.corpus >= 0):
            raise NmtError("\n".join(["no training pair is left, see data.filters:", *table]))
        vocabularies = _train_all_subwords(config, files, folder, workers, on_progress)
        _encode_all(config, files, folder, vocabularies, "extended" in settings, workers, on_progress)
    _write_valid_text(config, files, folder)
    del files  # its arrays are mapped from files in `work`, which Windows would not remove
    shutil.rmtree(work)
    damaged = table if INVALID_UTF8 in table[0] else None
    header = manifest.make_header(config, settings, inputs, vocabularies.fingerprint, damaged)
    header |= {"weights": _weights(config), "table": table}
    (folder / "prepared.json").write_text(dump_json(header, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    checksums.write(folder)
    seconds = time.monotonic() - began
    logger.info(
        f"prepared {total:,} pairs in {seconds:.1f} s ({total / seconds:,.0f} pairs/s), saved in {config.prepared}"
    )


def check_symbols(config: Config) -> None:
    """Raise NmtError if normalisation changes a user symbol, or if the reused subword models do not fit the config."""
    subword, data = config.subword, config.data
    for symbol in subword.user_symbols:
        if (normal := normalize(symbol, data)) != symbol:
            raise NmtError(
                f"subword.user_symbols: {symbol!r} cannot be a symbol: data.normalization and data.lowercase make "
                f"{normal!r} of it in all text; write it so"
            )
    if subword.reuse is None:  # a new model has all tags, see `Config`
        return
    source = Vocabularies.find(subword.reuse, subword.joint).source
    if subword.sampling and source.kind != subword.kind:
        raise NmtError(
            f"subword.sampling depends on the kind of subwords, and those in {subword.reuse} are of kind "
            f"{source.kind}: set subword.kind to that, not {subword.kind}"
        )
    for tag in sorted(data.tags):
        if not source.has_symbol(tag):
            raise NmtError(
                f"the tag {tag} of a corpus is not a symbol of the subword model in {subword.reuse}; use a tag of that "
                "model, or remove subword.reuse to learn a new model"
            )


def _corpora(config: Config) -> dict[int, Corpus]:
    """Return the corpora by number: training corpora from 0 up, and then validation sets from -1 down."""
    return {**dict(enumerate(config.data.train)), **{n: one for n, (_, one) in _validation_sets(config).items()}}


def _validation_sets(config: Config) -> dict[int, tuple[str, Corpus]]:
    """Return the key and the corpus of each validation set by number."""
    return {-1 - i: found for i, found in enumerate(config.data.validation.items())}


def _clean_all(
    config: Config, total: int, work: Path, workers: Workers, on_progress: OnProgress
) -> tuple[list[CleanFile], list[str]]:
    """Clean the `total` pairs of all corpora into files and find the duplicates.

    Return the files in order and the table of dropped pairs. Raise NmtError if too many lines of a corpus are not valid
    UTF-8.
    """
    cleaned: list[CleanChunk] = []
    deduplicator = Deduplicator(work / "duplicates", total) if config.data.filters.duplicates else None
    seen = 0
    on_progress("cleaning", seen, total)
    for chunk in workers.map(clean_chunk, _raw_chunks(config, work)):
        if deduplicator is not None and chunk.corpus >= 0:
            deduplicator.add(chunk.digests)
        cleaned.append(replace(chunk, digests=chunk.digests[:0].copy()))
        seen += chunk.raw
        on_progress("cleaning", seen, total)
    is_first = None if deduplicator is None else deduplicator.find_first()
    files = []
    start = 0
    for chunk in cleaned:
        is_kept = None
        if is_first is not None and chunk.corpus >= 0:
            is_kept = is_first[start : start + chunk.pairs]
            start += chunk.pairs
        kept = chunk.pairs if is_kept is None else int(is_kept.sum())
        chunk.dropped["duplicates"] = chunk.pairs - kept
        files.append(CleanFile(chunk.corpus, chunk.path, is_kept, kept))
    if not config.data.unescape_html:
        _log_entities(config, cleaned)
    for number, (key, corpus) in _validation_sets(config).items():
        if not any(chunk.corpus == number for chunk in cleaned):
            raise NmtError(f"{corpus_name(corpus)}: the validation corpus is empty; check data.{key}")
    return files, _table(config, cleaned)


def _raw_chunks(config: Config, work: Path) -> Iterator[RawChunk]:
    for number, corpus in _corpora(config).items():
        invalid: list[InvalidLines] = []
        for i, pairs in enumerate(split_into_chunks(read_pairs(corpus, invalid))):
            path = work / f"clean-{number}-{i:06}.txt"
            yield RawChunk(number, pairs, config.data, path, number >= 0, corpus.tag)
        for counts in invalid:
            if counts.invalid > MAX_INVALID_SHARE * counts.lines:
                raise NmtError(f"{counts}; at most {MAX_INVALID_SHARE:.1%} of the lines may be invalid")
            if counts.invalid:
                logger.info(f"{counts}; {'training pairs with such lines are dropped' if number >= 0 else 'kept'}")


def _log_entities(config: Config, cleaned: list[CleanChunk]) -> None:
    """Log how many lines of each corpus have HTML entities, which are not replaced."""
    for number, corpus in _corpora(config).items():
        entities = sum((chunk.entities for chunk in cleaned if chunk.corpus == number), Counter[str]())
        if count := entities.total():
            names = " ".join(entity for entity, _ in entities.most_common(3))
            logger.info(
                f"{corpus_name(corpus)}: {count:,} line{'s' * (count > 1)} with HTML entities ({names}); "
                "data.unescape_html: true replaces these with their characters"
            )


def _table(config: Config, cleaned: list[CleanChunk]) -> list[str]:
    """Return the lines of a table: the pairs of each training corpus, those that each filter dropped, those kept."""
    invalid = [INVALID_UTF8] if any(chunk.dropped[INVALID_UTF8] for chunk in cleaned) else []
    rows = [["corpus", "pairs", *invalid, *active_filters(config.data.filters), "kept"]]
    counts = [Counter[str]() for _ in config.data.train]
    for chunk in cleaned:
        if chunk.corpus >= 0:
            counts[chunk.corpus].update(chunk.dropped)
            counts[chunk.corpus].update(pairs=chunk.raw, kept=chunk.raw - chunk.dropped.total())
    names = [corpus_name(corpus) for corpus in config.data.train]
    if len(counts) > 1:
        names, counts = [*names, "together"], [*counts, sum(counts, Counter[str]())]
    for name, count in zip(names, counts, strict=True):
        rows.append([name, *(f"{count[column]:,}" for column in rows[0][1:])])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join([row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))])
        for row in rows
    ]


def _train_all_subwords(
    config: Config, files: list[CleanFile], folder: Path, workers: Workers, on_progress: OnProgress
) -> Vocabularies:
    """Train the subword models and write them to `folder`, or copy the models that are reused."""
    subword = config.subword
    if subword.reuse is not None:
        vocabularies = Vocabularies.find(subword.reuse, subword.joint)
        vocabularies.copy_to(folder)
        logger.info(f"vocabulary: that of {subword.reuse}")
        return vocabularies
    train = [file for file in files if file.corpus >= 0]
    size = subword.vocab_size
    models: list[tuple[str, tuple[int, ...], int]] = [("joint", (0, 1), size)]
    if not subword.joint:
        source_size, target_size = subword.source_vocab_size or size, subword.target_vocab_size or size
        models = [("source", (0,), source_size), ("target", (1,), target_size)]
    tasks = [
        SubwordTask(train, sides, subword.training_sentences, folder / f"{name}.model", subword, vocab_size)
        for name, sides, vocab_size in models
    ]
    began = time.monotonic()
    on_progress("subwords", 0, len(tasks))
    list(workers.map(train_subwords, tasks))
    on_progress("subwords", len(tasks), len(tasks))
    vocabularies = Vocabularies.load(folder)
    sizes = ", ".join(
        f"{name} {model.size:,}"
        for (name, *_), model in zip(models, (vocabularies.source, vocabularies.target), strict=False)
    )
    logger.info(f"vocabulary ({subword.kind}): {sizes} entries, trained in {time.monotonic() - began:.1f} s")
    return vocabularies


def _encode_all(
    config: Config,
    files: list[CleanFile],
    folder: Path,
    vocabularies: Vocabularies,
    is_extended: bool,
    workers: Workers,
    on_progress: OnProgress,
) -> None:
    """Write the store of every corpus; `is_extended` is as in `EncodingTask`."""
    is_text, validation = config.subword.sampling > 0, _validation_sets(config)
    dtype = id_type(max(vocabularies.source.size, vocabularies.target.size) + MAX_UNKNOWN_WORDS)
    writers: dict[int, StoreWriter] = {}
    tokens, unknown, pairs = np.zeros(2, np.int64), np.zeros(2, np.int64), 0
    encoded_pairs, total = 0, sum(file.pairs for file in files)
    on_progress("encoding", 0, total)
    with ExitStack() as stack:
        for number in _corpora(config):
            as_text = is_text and number >= 0
            place = folder / (f"train-{number}" if number >= 0 else validation_folder(validation[number][0]))
            writers[number] = stack.enter_context(StoreWriter(place, "uint8" if as_text else dtype, as_text))
        tasks = (EncodingTask(file, folder, is_text and file.corpus >= 0, is_extended) for file in files)
        for encoded in workers.map(encode_file, tasks):
            writers[encoded.corpus].append(*encoded.columns)
            encoded_pairs += len(encoded.columns[0].sizes)
            on_progress("encoding", encoded_pairs, total)
            if encoded.corpus >= 0:
                tokens += [int(column.lengths.sum()) for column in encoded.columns]
                unknown += encoded.unknown
                pairs += len(encoded.columns[0].sizes)
    for side, language in enumerate((config.data.source_language, config.data.target_language)):
        logger.info(
            f"train {language}: {tokens[side]:,} tokens, {tokens[side] / pairs:.1f} a sentence, "
            f"{unknown[side] / max(1, tokens[side]):.2%} unknown"
        )


def _write_valid_text(config: Config, files: list[CleanFile], folder: Path) -> None:
    """Write the text of the validation sets: source lines normalised, without the tag, and target lines unchanged."""
    for number, (key, corpus) in _validation_sets(config).items():
        tag = f"{corpus.tag} " if corpus.tag else ""
        paths = [file.path for file in files if file.corpus == number]
        lines = (line for path in paths for line in path.read_bytes().decode("utf-8").split("\n")[:-1:2])
        place = folder / validation_folder(key)
        _write_text(place / "source.txt", (line.removeprefix(tag) for line in lines))
        _write_text(place / "target.txt", (target for _, target in read_pairs(corpus, [])))


def _write_text(path: Path, lines: Iterable[str]) -> None:
    with path.open("wb") as file:
        file.writelines(f"{line}\n".encode("utf-8", errors="replace") for line in lines)


def _weights(config: Config) -> list[float]:
    return [corpus.weight for corpus in config.data.train]
