"""Preprocess the corpora of a configuration: clean, deduplicate, train subwords, encode, write prepared data.

Memory is bounded by the chunks and by `subword.training_sentences`; everything else is on disk. The folder is built
next to its final place and moved there at the end, so that an existing folder is complete.
"""

import errno
import logging
import shutil
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TypeAlias

import numpy as np

from nmt.config import Config
from nmt.data import manifest
from nmt.data.clean_corpora import clean_corpora, corpora, validation_sets
from nmt.data.corpus import INVALID_UTF8, corpus_paths, read_pairs, tsv_hints
from nmt.data.encoding import (
    CleanFile,
    EncodingTask,
    SubwordTask,
    encode_file,
    sample_lines,
    sample_tasks,
    train_subwords,
)
from nmt.data.lines import normalize
from nmt.data.prepared_data import Prepared, read_header, validation_folder
from nmt.data.store import StoreWriter, id_type
from nmt.data.subword import MAX_UNKNOWN_WORDS, Vocabularies
from nmt.data.text_slices import index_file
from nmt.data.workers import WorkerPool, Workers
from nmt.errors import NmtError
from nmt.storage import checksums
from nmt.storage.atomic_folder import build_folder
from nmt.storage.cores import available_cores
from nmt.storage.json_text import dump_json

logger = logging.getLogger(__name__)

OnProgress: TypeAlias = Callable[[str, int, int], object]
"""Receives what is being done, how much of it is done, and how much there is to do; for progress bars."""


def ignore_progress(action: str, done: int, total: int) -> None:
    """Do nothing: the default `OnProgress`."""


def preprocess(
    config: Config, force: bool = False, on_progress: OnProgress = ignore_progress, ray: str | None = None
) -> Prepared:
    """Make the prepared data of `config` unless it is up to date, and return it.

    `ray` is the address of a Ray cluster whose nodes do the work, see `nmt.cluster.connection.connected`, or None for
    worker processes of this machine; the result is the same.

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
                with open_workers(config, ray, partial) as workers:
                    _make(config, partial, workers, on_progress)
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


@contextmanager
def open_workers(config: Config, ray: str | None, folder: Path) -> Iterator[WorkerPool]:
    """Start the workers for the block: processes of this machine, or those of a Ray cluster that sees `folder`."""
    count = config.data.workers or available_cores()
    if ray is None:
        with Workers(count) as workers:
            yield workers
    else:
        from nmt.cluster.connection import connected
        from nmt.cluster.node_checks import check_nodes
        from nmt.cluster.tasks import RayTasks

        with connected(ray, count) as cluster:
            check_nodes(cluster, manifest.input_files(config), [folder])
            yield RayTasks(cluster)


def _make(config: Config, folder: Path, workers: WorkerPool, on_progress: OnProgress) -> None:
    """Make the prepared data in an empty folder."""
    began = time.monotonic()
    settings = manifest.preparation_settings(config)  # raises NmtError if subword models to reuse are missing
    check_symbols(config)
    work = folder / f"work-{uuid.uuid4().hex}"  # a lost node may still write to the folder of an earlier attempt
    work.mkdir()
    logger.info(f"preparing {config.name} with {workers.count} process{'es' * (workers.count > 1)}")
    indexed = {file.entry.path: file for file in workers.map(index_file, manifest.input_files(config))}
    inputs = [file.entry for file in indexed.values()]
    total = sum(indexed[str(corpus_paths(corpus)[0])].entry.lines for corpus in corpora(config).values())
    for corpus in corpora(config).values():
        for hint in tsv_hints(corpus, (config.data.source_language, config.data.target_language)):
            logger.info(hint)
    files, table = clean_corpora(config, indexed, total, work, workers, on_progress)
    manifest.check_unchanged(inputs)
    for line in table:
        logger.info(line)
    if not any(file.pairs for file in files if file.corpus >= 0):
        raise NmtError("\n".join(["no training pair is left, see data.filters:", *table]))
    vocabularies = _train_all_subwords(config, files, folder, work, workers, on_progress)
    _encode_all(config, files, folder, vocabularies, "extended" in settings, workers, on_progress)
    _write_valid_text(config, files, folder)
    del files  # its arrays are mapped from files in `work`, which Windows would not remove
    shutil.rmtree(work)
    damaged = table if INVALID_UTF8 in table[0] else None
    header = manifest.make_header(config, settings, inputs, vocabularies.fingerprint, damaged)
    header |= {"weights": _weights(config), "table": table}
    (folder / "prepared.json").write_text(dump_json(header, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    checksums.write(folder, workers.map)
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


def _train_all_subwords(
    config: Config, files: list[CleanFile], folder: Path, work: Path, workers: WorkerPool, on_progress: OnProgress
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
    began = time.monotonic()
    tasks = []
    for name, sides, vocab_size in models:
        tasks.append(SubwordTask(work / f"{name}.txt", work / f"{name}.model", subword, vocab_size))
        with tasks[-1].text.open("wb") as text:
            text.writelines(workers.map(sample_lines, sample_tasks(train, sides, subword.training_sentences)))
    on_progress("subwords", 0, len(tasks))
    list(workers.map(train_subwords, tasks))
    on_progress("subwords", len(tasks), len(tasks))
    for task in tasks:
        task.path.rename(folder / task.path.name)
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
    workers: WorkerPool,
    on_progress: OnProgress,
) -> None:
    """Write the store of every corpus; `is_extended` is as in `EncodingTask`."""
    is_text, validation = config.subword.sampling > 0, validation_sets(config)
    dtype = id_type(max(vocabularies.source.size, vocabularies.target.size) + MAX_UNKNOWN_WORDS)
    writers: dict[int, StoreWriter] = {}
    tokens, unknown, pairs = np.zeros(2, np.int64), np.zeros(2, np.int64), 0
    encoded_pairs, total = 0, sum(file.pairs for file in files)
    on_progress("encoding", 0, total)
    with ExitStack() as stack:
        for number in corpora(config):
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
    for number, (key, corpus) in validation_sets(config).items():
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
