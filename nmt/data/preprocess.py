"""Preprocess the corpora of a configuration into the folder of prepared data that training reads.

Clean (in chunks, by worker processes) -> mark duplicates -> learn subwords -> encode -> stores. Memory is bounded by
the chunks and by `subword.training_sentences`; everything else is on disk. The folder is made beside its place and
moved there at the end, so that a folder that exists is complete.
"""

import errno
import functools
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from nmt.config import Config
from nmt.data import manifest
from nmt.data.cleaning import CleanChunk, RawChunk, chunks, clean
from nmt.data.corpus import DAMAGED, active, describe, paths, read_pairs, tsv_hints
from nmt.data.deduplicate import Deduplicator
from nmt.data.encoding import CleanFile, Encoding, Learning, encode, learn
from nmt.data.lines import InvalidLines, normalize
from nmt.data.prepared_data import Prepared, read_header
from nmt.data.store import StoreWriter, id_type
from nmt.data.subword import MOST_UNKNOWN, Vocabularies
from nmt.data.workers import Workers, available_cores
from nmt.errors import NmtError
from nmt.storage import checksums
from nmt.storage.atomic_folder import build_folder
from nmt.storage.json_text import dump_json

Report = Callable[[str], None]
MOST_INVALID = 0.001
"""Share of the lines of a file that need not be valid UTF-8."""
_VALID = -1


def preprocess(config: Config, report: Report, force: bool = False) -> Prepared:
    """Make the prepared data of `config` unless it is there and up to date, and return it.

    `report` gets lines of information. `force` makes it anew in any case. Raises `NmtError` for anything in the
    corpora or the config that stands in the way, a full disk and a dead worker included.
    """
    folder = config.prepared
    if (warning := manifest.reuse_warning(config)) is not None:
        report(warning)
    try:
        if not force and (prepared := _up_to_date(config, report)):
            report(f"nothing to do: {folder} is up to date")
            return prepared
        # Another process may have made it while this one waited for its turn.
        with build_folder(folder, lambda: not force and _up_to_date(config, lambda _: None) is not None) as partial:
            if partial is not None:
                _check_replaceable(folder)
                _make(config, partial, report)
        return Prepared.open(folder, _weights(config))
    except OSError as error:
        hint = ""
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            hint = "; about twice the size of the uncompressed corpora is needed (data.prepared chooses another place)"
        raise NmtError(f"{error.filename or folder}: {error.strerror or error}{hint}") from None


def _make(config: Config, folder: Path, report: Report) -> None:
    began = time.monotonic()
    settings = manifest.settings(config)  # raises where subword models to reuse are missing
    check_symbols(config)
    work = folder / "work"
    work.mkdir()
    with Workers(config.data.workers or available_cores()) as workers:
        report(f"preparing {config.name} with {workers.count} process{'es' * (workers.count > 1)}")
        found = list(workers.map(manifest.inspect, manifest.files(config)))
        for corpus in map(functools.partial(_corpus, config), _corpora(config)):
            for hint in tsv_hints(corpus, (config.data.source_language, config.data.target_language)):
                report(hint)
        files, table = _clean_all(config, found, work, workers, report)
        manifest.check_still(found)
        for line in table:
            report(line)
        if not any(file.pairs for file in files if file.corpus != _VALID):
            raise NmtError("\n".join(["no training pair is left, see data.filters:", *table]))
        vocabularies = _learn_all(config, files, folder, workers, report)
        _encode_all(config, files, folder, vocabularies, "extended" in settings, workers, report)
    _write_valid_text(config, files, folder)
    shutil.rmtree(work)
    _write_header(config, settings, folder, found, vocabularies, table)
    checksums.write(folder)
    seconds = time.monotonic() - began
    raw = sum(_lines_of(found, config, corpus) for corpus in _corpora(config))
    report(f"prepared {raw:,} pairs in {seconds:.1f} s ({raw / seconds:,.0f} pairs/s), saved in {config.prepared}")


def check_symbols(config: Config) -> None:
    """Raise `NmtError` where the text cannot hold a symbol of its own, or subword models to be reused do not fit."""
    subword, data = config.subword, config.data
    for symbol in subword.user_symbols:
        if (normal := normalize(symbol, data)) != symbol:
            raise NmtError(
                f"subword.user_symbols: {symbol!r} cannot be a symbol: data.normalization and data.lowercase make "
                f"{normal!r} of it in all text; write it so"
            )
    if subword.reuse is None:  # what is learnt here holds all tags, see `Config`
        return
    source = Vocabularies.find(subword.reuse, subword.joint).source
    if subword.sampling and source.kind != subword.kind:
        raise NmtError(
            f"subword.sampling depends on the kind of subwords, and those in {subword.reuse} are of kind "
            f"{source.kind}: set subword.kind to that, not {subword.kind}"
        )
    for tag in sorted(data.tags):
        if not source.has_symbol(tag):
            raise NmtError(f"the tag {tag} of a corpus is not one token of the subword model in {subword.reuse}")


def _corpora(config: Config) -> list[int]:
    """Return the numbers of the training corpora, and `_VALID`."""
    return [*range(len(config.data.train)), _VALID]


def _corpus(config: Config, number: int) -> Any:
    return config.data.valid if number == _VALID else config.data.train[number]


def _clean_all(
    config: Config, found: list[manifest.Input], work: Path, workers: Workers, report: Report
) -> tuple[list[CleanFile], list[str]]:
    """Clean every corpus into files and find the duplicates; return the files in order and the table of what went.

    Raises `NmtError` where too many lines of a corpus are not valid UTF-8; fewer are reported.
    """
    total = sum(_lines_of(found, config, corpus) for corpus in _corpora(config))
    cleaned: list[CleanChunk] = []
    deduplicator = Deduplicator(work / "duplicates", total) if config.data.filters.duplicates else None
    with _progress("cleaning", total) as bar:
        for chunk in workers.map(clean, _raw_chunks(config, work, report)):
            if deduplicator is not None and chunk.corpus != _VALID:
                deduplicator.add(chunk.digests)
            cleaned.append(replace(chunk, digests=chunk.digests[:0].copy()))
            bar.update(chunk.raw)
    is_first = None if deduplicator is None else deduplicator.find()
    files = []
    at = 0
    for chunk in cleaned:
        is_kept = None
        if is_first is not None and chunk.corpus != _VALID:
            is_kept = is_first[at : at + chunk.pairs]
            at += chunk.pairs
        kept = chunk.pairs if is_kept is None else int(is_kept.sum())
        chunk.dropped["duplicates"] = chunk.pairs - kept
        files.append(CleanFile(chunk.corpus, chunk.path, is_kept, kept))
    _report_entities(config, cleaned, report)
    if not any(chunk.corpus == _VALID for chunk in cleaned):
        raise NmtError(f"{describe(config.data.valid)}: the validation corpus is empty; check data.valid")
    return files, _table(config, cleaned)


def _raw_chunks(config: Config, work: Path, report: Report) -> Iterator[RawChunk]:
    for corpus in _corpora(config):
        here = _corpus(config, corpus)
        invalid: list[InvalidLines] = []
        for i, pairs in enumerate(chunks(read_pairs(here, invalid))):
            path = work / f"clean-{corpus}-{i:06}.txt"
            yield RawChunk(corpus, pairs, config.data, path, corpus != _VALID, here.tag)
        for counts in invalid:
            if counts.invalid > MOST_INVALID * counts.lines:
                raise NmtError(f"{counts}; data in which more than {MOST_INVALID:.1%} of the lines are so is refused")
            if counts.invalid:
                report(f"{counts}; {'training pairs with such lines are dropped' if corpus != _VALID else 'kept'}")


def _report_entities(config: Config, cleaned: list[CleanChunk], report: Report) -> None:
    """Report how many lines of each corpus hold HTML entities that are taken for text."""
    if config.data.unescape_html:
        return
    for number in _corpora(config):
        entities = sum((chunk.entities for chunk in cleaned if chunk.corpus == number), Counter[str]())
        if entities:
            names = " ".join(entity for entity, _ in entities.most_common(3))
            count = entities.total()
            report(
                f"{describe(_corpus(config, number))}: {count:,} line{'s' * (count > 1)} with HTML entities ({names}); "
                "data.unescape_html: true replaces these with their characters"
            )


def _table(config: Config, cleaned: list[CleanChunk]) -> list[str]:
    """Return the lines of a table: what each training corpus had, what each filter dropped, what is left."""
    damaged = [DAMAGED] if any(chunk.dropped[DAMAGED] for chunk in cleaned) else []
    reasons = [*damaged, *active(config.data.filters)]
    rows = [["corpus", "pairs", *reasons, "kept"]]
    sums: list[Counter[str]] = []
    for number, corpus in enumerate(config.data.train):
        counts: Counter[str] = Counter()
        for chunk in cleaned:
            if chunk.corpus == number:
                counts.update(chunk.dropped)
                counts.update(pairs=chunk.raw, kept=chunk.raw - chunk.dropped.total())
        sums.append(counts)
        rows.append([describe(corpus), *(f"{counts[name]:,}" for name in rows[0][1:])])
    if len(sums) > 1:
        all_counts = sum(sums, Counter())
        rows.append(["together", *(f"{all_counts[name]:,}" for name in rows[0][1:])])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join([row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))])
        for row in rows
    ]


def _learn_all(config: Config, files: list[CleanFile], folder: Path, workers: Workers, report: Report) -> Vocabularies:
    """Learn the subword models into `folder`, or copy those that are to be reused."""
    subword = config.subword
    if subword.reuse is not None:
        vocabularies = Vocabularies.find(subword.reuse, subword.joint)
        vocabularies.copy_to(folder)
        report(f"vocabulary: that of {subword.reuse}")
        return vocabularies
    train = [file for file in files if file.corpus != _VALID]
    size = subword.vocab_size
    models: list[tuple[str, tuple[int, ...], int]] = [("joint", (0, 1), size)]
    if not subword.joint:
        source_size, target_size = subword.source_vocab_size or size, subword.target_vocab_size or size
        models = [("source", (0,), source_size), ("target", (1,), target_size)]
    tasks = [
        Learning(train, sides, subword.training_sentences, folder / f"{name}.model", subword, entries)
        for name, sides, entries in models
    ]
    began = time.monotonic()
    for _ in workers.map(learn, tasks):
        pass
    vocabularies = Vocabularies.load(folder)
    sizes = ", ".join(
        f"{name} {model.size:,}"
        for (name, *_), model in zip(models, (vocabularies.source, vocabularies.target), strict=False)
    )
    report(f"vocabulary ({subword.kind}): {sizes} entries, learnt in {time.monotonic() - began:.1f} s")
    return vocabularies


def _encode_all(
    config: Config,
    files: list[CleanFile],
    folder: Path,
    vocabularies: Vocabularies,
    is_extended: bool,
    workers: Workers,
    report: Report,
) -> None:
    """Write the store of every corpus; `is_extended` is as in `Encoding`."""
    is_text = config.subword.sampling > 0
    dtype = id_type(max(vocabularies.source.size, vocabularies.target.size) + MOST_UNKNOWN)
    writers: dict[int, StoreWriter] = {}
    tokens, unknown, pairs = np.zeros(2, np.int64), np.zeros(2, np.int64), 0
    try:
        for corpus in _corpora(config):
            as_text = is_text and corpus != _VALID
            place = folder / ("valid" if corpus == _VALID else f"train-{corpus}")
            writers[corpus] = StoreWriter(place, "uint8" if as_text else dtype, as_text)
        tasks = (Encoding(file, folder, is_text and file.corpus != _VALID, is_extended) for file in files)
        with _progress("encoding", sum(file.pairs for file in files)) as bar:
            for encoded in workers.map(encode, tasks):
                writers[encoded.corpus].append(*encoded.columns)
                bar.update(len(encoded.columns[0].sizes))
                if encoded.corpus != _VALID:
                    tokens += [int(column.lengths.sum()) for column in encoded.columns]
                    unknown += encoded.unknown
                    pairs += len(encoded.columns[0].sizes)
        for writer in writers.values():
            writer.close()
    finally:
        for writer in writers.values():
            writer.abandon()
    for side in range(2):
        language = (config.data.source_language, config.data.target_language)[side]
        report(
            f"train {language}: {tokens[side]:,} tokens, {tokens[side] / pairs:.1f} a sentence, "
            f"{unknown[side] / max(1, tokens[side]):.2%} unknown"
        )


def _write_valid_text(config: Config, files: list[CleanFile], folder: Path) -> None:
    before = f"{config.data.valid.tag} " if config.data.valid.tag else ""
    sources = (
        line.removeprefix(before)
        for file in files
        if file.corpus == _VALID
        for line in file.path.read_bytes().decode("utf-8").split("\n")[:-1:2]
    )
    _write_text(folder / "valid" / "source.txt", sources)
    _write_text(folder / "valid" / "target.txt", (target for _, target in read_pairs(config.data.valid, [])))


def _write_text(path: Path, lines: Iterable[str]) -> None:
    with path.open("wb") as file:
        file.writelines(f"{line}\n".encode("utf-8", errors="replace") for line in lines)


def _write_header(
    config: Config,
    settings: dict[str, Any],
    folder: Path,
    found: list[manifest.Input],
    vocabularies: Vocabularies,
    table: list[str],
) -> None:
    header = manifest.header(config, settings, found, vocabularies.fingerprint, table if DAMAGED in table[0] else None)
    header |= {"weights": _weights(config), "table": table}
    (folder / "prepared.json").write_text(dump_json(header, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _weights(config: Config) -> list[float]:
    return [corpus.weight for corpus in config.data.train]


def _up_to_date(config: Config, report: Report) -> Prepared | None:
    """Return what is prepared already, nothing where it must be made anew, after telling why."""
    folder = config.prepared
    if not (folder / "prepared.json").exists():
        return None
    try:
        header = read_header(folder)
        if header["settings"] != manifest.settings(config):
            report(f"{folder} was made with other settings; making it anew")
            return None
        prepared = Prepared.open(folder, _weights(config))
    except NmtError as error:
        report(f"{error}; making it anew")
        return None
    if (other := next(manifest.differing(header, config), None)) is not None:
        report(f"{folder} was made from other text ({other[0]}: {other[1]}); making it anew")
        return None
    return prepared


def _check_replaceable(folder: Path) -> None:
    """Refuse to replace a folder that is not ours."""
    if folder.exists() and not (folder / "prepared.json").exists() and any(folder.iterdir()):
        raise NmtError(f"{folder}: holds something else than prepared data; choose another data.prepared")


def _lines_of(found: list[manifest.Input], config: Config, corpus: int) -> int:
    """Return the number of lines of the first file of a corpus."""
    first = str(paths(_corpus(config, corpus))[0])
    return next(entry.lines for entry in found if entry.path == first)


def _progress(what: str, pairs: int) -> "tqdm[Any]":
    return tqdm(total=pairs, desc=what, unit=" pairs", unit_scale=True, disable=None, leave=False)
