"""`nmt export`: write what translating with a checkpoint needs to a folder of its own, and check such a folder.

FOLDER/encoder.onnx, decoder.onnx   the graphs of the network, with its weights
       graphs.json                  format, precision, run, checkpoint, fingerprints; size and SHA-256 of every file
       config.yaml                  resolved configuration of the run
       subword/                     subword model(s)
       lexicon.safetensors          for `--shortlist`, if the run has it
       lengths.json, words.json     lengths and words of the training sources, if the run has them
       README.md
"""

import logging
import shutil
from pathlib import Path
from typing import Literal

from nmt.config.model_settings import ModelSettings
from nmt.data.subword import Vocabularies
from nmt.errors import NmtError
from nmt.runtime.checkpoint_graphs import make_graphs
from nmt.runtime.graph_files import EXPORT_REMEDY, NAME, Description, load_graphs, read_description, verify_files
from nmt.storage import checksums
from nmt.storage.atomic_files import convert_write_errors
from nmt.storage.atomic_folder import build_folder
from nmt.storage.checkpoint_meta import load_meta
from nmt.storage.portability import sync_tree
from nmt.storage.run_folder import Run, find_run

logger = logging.getLogger(__name__)
CONFIG, README = "config.yaml", "README.md"
OPTIONAL = ("lexicon.safetensors", "lengths.json", "words.json")
JOINT, SEPARATE = ("subword/joint.model",), ("subword/source.model", "subword/target.model")
WRITE_REMEDY = "free disk space, or choose another folder with --output"
MAX_RETRIES = 10
"""How often a checkpoint that a training run removes or replaces is looked up again."""
README_TEXT = """# {name}

A translation model from {source} to {target}, exported with `nmt export` {version} in {precision} precision from
checkpoint {checkpoint} of the run {name}. It translates with ONNX Runtime on the CPU and does not need torch.

On the command line, from a file or standard input, one sentence per line:

    nmt translate --model FOLDER < input.txt

In Python:

    import nmt
    translator = nmt.load("FOLDER")
    print(translator.translate("{example}").text)

To install what it needs, and nothing else, run this in a copy of the repository of nmt:

    pip install --no-deps -r requirements/runtime.txt .

`graphs.json` has the size and the checksum of each file. nmt checks them and refuses a damaged folder. The owner of the
model decides on its licence; the licence of nmt does not apply to it.
"""


def export(model: Path | None, which: str | None, precision: Literal["int8", "fp32"], output: Path, force: bool) -> Run:
    """Write the checkpoint of a run, found as `find_run` and `Run.checkpoint` do, to the folder `output`.

    The folder is written completely or not at all. Raise `NmtError` if the run cannot be exported, or if the folder
    exists and is something else than an export of the same weights; `force` replaces exports of other weights too.
    """
    run, name, reason = find_run(model)
    run.check_not_exported("export it again")
    vocabularies = Vocabularies.load(run.subword)
    checkpoint = run.checkpoint(which or name)
    logger.info(f"model {run.folder} ({reason}), checkpoint {checkpoint.name}")
    _check_output(output, None, force)
    for retries_left in range(MAX_RETRIES, -1, -1):
        try:
            if load_meta(checkpoint).get("vocabularies") != vocabularies.fingerprint:
                raise NmtError(f"{run.subword} is not the subword model that {checkpoint} was trained with")
            graphs = make_graphs(run, checkpoint, vocabularies, precision)
            break
        except (NmtError, OSError):
            previous, checkpoint = checkpoint, run.checkpoint(which or name)
            if checkpoint == previous or not retries_left:
                raise
    with convert_write_errors(output, WRITE_REMEDY):
        output.parent.mkdir(parents=True, exist_ok=True)
        with build_folder(output, lambda: False) as partial:
            assert partial is not None
            _check_output(output, graphs.description, force)
            _write_others(run, vocabularies, graphs.description, partial)
            graphs.save(partial)
            check_exported(Run(partial))
            load_graphs(partial, EXPORT_REMEDY)
            sync_tree(partial)
    return Run(output)


def check_exported(run: Run) -> None:
    """Raise `NmtError` if a file of an exported folder is missing or damaged; the graphs are checked when loaded."""
    description = read_description(run.folder, EXPORT_REMEDY)
    needed, unused = (JOINT, SEPARATE) if JOINT[0] in description.files else (SEPARATE, JOINT)
    verify_files(run.folder, description, (CONFIG, *needed), (*OPTIONAL, *unused), EXPORT_REMEDY)


def _check_output(output: Path, new: Description | None, force: bool) -> None:
    """Raise `NmtError` if `output` may not be replaced by an export; with `new` None, do not compare the weights."""
    other = "choose another folder with --output"
    if output.is_symlink() or (output.exists() and not output.is_dir()):
        raise NmtError(f"{output}: is not a folder; {other}")
    if not output.exists() or not any(output.iterdir()):
        return
    if not Run(output).is_exported:
        raise NmtError(f"{output}: has files, and is not an exported model; {other}")
    old = read_description(output, f"remove the folder, or {other}")
    files = {path.relative_to(output).as_posix() for path in output.rglob("*") if not path.is_dir()}
    unknown = files - old.files.keys() - {NAME}
    if README in old.files and README in files and checksums.digest(output / README) != old.files[README].sha256:
        unknown.add(README)  # the owner may have added a licence
    if unknown:
        raise NmtError(
            f"{output}: has a file that 'nmt export' did not write: {min(unknown)}; move it away, or {other}"
        )
    if new is not None and not force and (old.weights, old.precision) != (new.weights, new.precision):
        raise NmtError(
            f"{output}: has another exported model ({old.run}, {old.checkpoint}, {old.precision}); {other}, or replace "
            "it with --force"
        )


def _write_others(run: Run, vocabularies: Vocabularies, made: Description, folder: Path) -> None:
    """Write the files of an exported folder other than the graphs."""
    import nmt

    vocabularies.copy_to(folder / "subword")
    shutil.copyfile(run.config_file, folder / CONFIG)
    for path in (run.lexicon, run.lengths, run.words):
        if path.is_file():
            shutil.copyfile(path, folder / path.name)
    text = ModelSettings.from_json(made.settings).text
    languages = {"source": text.source_language, "target": text.target_language}
    facts = {"name": made.run, "precision": made.precision, "checkpoint": made.checkpoint, **languages}
    readme = README_TEXT.format(version=nmt.__version__, example="A sentence.", **facts)
    (folder / README).write_text(readme, encoding="utf-8")
