"""`nmt augment`: models of both directions, their translations as corpora, and a final model; it resumes."""

import gzip
import json
import random
import shutil
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from tiny_training import WORDS, Killed, changed, tiny, write_corpus

from nmt import config
from nmt.cli.main import cli
from nmt.config import load_run_config
from nmt.data.subword import Vocabularies
from nmt.decoding.output_formats import parse_scored
from nmt.errors import NmtError
from nmt.storage.run_folder import Run
from nmt.training.augmentation.state import State

OPTIONS = ("--n-best", "2", "--monolingual-target", "mono.gz", "--diversify", "--tag", "<bt>", "--weight", "0.5")
FOLDER = Path("data/tiny-augmented")
NAMES = ["forward-1.train-1", "forward-1.train-2", "backward-1.train-1", "backward-1.train-2",
         "backward-1.monolingual-target-1"]  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory):
    """A folder with two corpora, one of them a compressed table, monolingual text, and a configuration."""
    found = tmp_path_factory.mktemp("augment")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(found)
        write_corpus(pairs=60)
        draw = random.Random(1)
        lines = [" ".join(draw.choice(WORDS) for _ in range(3)) for _ in range(30)]
        rows = ["id\ttarget\tsource", *(f"{n}\t{line.upper()}\t{line}" for n, line in enumerate(lines))]
        for name, text in (("table.gz", rows), ("mono.gz", [*(line.upper() for line in lines), "", "A"])):
            Path(name).write_bytes(gzip.compress("".join(f"{line}\n" for line in text).encode()))
        train = [
            {"source": "train.src", "target": "train.tgt"},
            {"tsv": "table.gz", "source_column": 3, "target_column": 2, "header": True, "weight": 3.0},
        ]
        settings = tiny("tiny", max_steps=2, validation_bleu=False, metric="loss", precision="fp32")
        data = {"train": train, "prepared": None, "source_language": "en", "target_language": "de"}
        Path("c.yaml").write_text(config.dump(changed(settings, data=data)))
        yield found


def run(*options):
    """Run the command and return what it prints on stdout."""
    return CliRunner().invoke(cli, ["augment", *options], catch_exceptions=False, standalone_mode=False).stdout


@pytest.fixture(scope="module")
def printed(folder):
    """The output of a whole augmentation."""
    return run("--config", "c.yaml", *OPTIONS, "--final-set", "training.max_steps=3")


def content(folder=FOLDER, names=("text", "hypotheses", "corpora", "subword")):
    """Return the bytes of the files that an augmentation makes."""
    return {path.relative_to(folder): path.read_bytes() for name in names for path in (folder / name).rglob("*")}


def test_the_final_model_trains_on_the_translations(printed):
    final, forward, backward = (
        load_run_config(Run(Path("runs") / name)) for name in ("tiny-augmented", "tiny-seed1", "tiny-backward-seed1")
    )
    assert (final.training.max_steps, forward.training.max_steps) == (3, 2)
    assert backward.data.train[1].source_column == 2 and backward.data.source_language == "de"
    assert [corpus.weight for corpus in final.data.train] == [1.0, 3.0, 0.5, 1.5, 0.5, 1.5, 0.5]
    assert [corpus.tag for corpus in final.data.train] == [None] * 4 + ["<bt>"] * 3
    files = [corpus.source for corpus in final.data.train[2:]]
    assert files == [FOLDER / "corpora" / f"{name}.source" for name in NAMES]
    vocabularies = [Vocabularies.load(Run(Path("runs") / name).subword) for name in ("tiny-augmented", "tiny-seed1")]
    assert vocabularies[0].fingerprint == vocabularies[1].fingerprint and vocabularies[0].source.has_symbol("<bt>")
    assert config.load(FOLDER / "tiny-augmented.yaml") == final
    table = [line.split() for line in printed.split("\n")[:-1]]
    kept = [len(Path(f"{FOLDER}/corpora/{name}.source").read_text().split("\n")) - 1 for name in NAMES]
    assert [row[0] for row in table] == ["corpus", *NAMES, "all"]
    assert [int(row[-1]) for row in table[1:]] == [*kept, sum(kept)] and [row[1] for row in table[1:-1]] == [
        "60", "30", "60", "30", "31",
    ]  # fmt: skip


def test_each_pair_is_a_line_of_the_text_with_one_of_its_hypotheses(printed):
    for name in NAMES:
        synthetic, original = ("target", "source") if name.startswith("forward") else ("source", "target")
        lines = Path(f"{FOLDER}/text/{name.split('.')[1]}.{original}").read_text().split("\n")[:-1]
        scored = [parse_scored(line) for line in Path(f"{FOLDER}/hypotheses/{name}.jsonl").read_text().split("\n")[:-1]]
        assert len(lines) == len(scored) and all(score <= 0 for line in scored for _, score in line)
        possible = {(line, text) for line, found in zip(lines, scored, strict=True) for text, _ in found}
        possible = {(line, " ".join(text.split())) for line, text in possible}  # as it is normalised
        sides = [Path(f"{FOLDER}/corpora/{name}.{side}").read_text().split("\n")[:-1] for side in (original, synthetic)]
        pairs = set(zip(*sides, strict=True))
        assert pairs <= possible and len(pairs) == len(sides[0])
        assert {pair for pair in possible if pair[1] and pair[0] != pair[1]} >= pairs


def test_a_second_call_repeats_nothing_and_other_options_are_an_error(printed, messages):
    files = [path for path in FOLDER.rglob("*") if path.is_file() and path.name not in (".lock", "manifest.json")]
    before = [path.stat().st_mtime_ns for path in files]
    assert run("-c", "c.yaml", *OPTIONS, "--final-set", "training.max_steps=3") == printed
    assert not [line for line in messages if line.startswith("step ")]
    assert [path.stat().st_mtime_ns for path in files] == before
    plan = run("-c", "c.yaml", *OPTIONS, "--final-set", "training.max_steps=3", "--dry-run").split("\n")[1:-1]
    assert len(plan) == 11 and all(" finished " in line for line in plan)
    with pytest.raises(NmtError, match=r"manifest.json was made with --n-best 2, not 3: .*another --name"):
        run("-c", "c.yaml", "--n-best", "3", *OPTIONS[2:], "--final-set", "training.max_steps=3")
    with pytest.raises(NmtError, match=r"max_steps 2, not 5: "):
        run("-c", "c.yaml", *OPTIONS, "--final-set", "training.max_steps=3", "--set", "training.max_steps=5")


def test_interrupted_after_every_step_it_makes_the_same_files(printed, monkeypatch):
    """Each step is executed twice, as if the process was killed before it could record the result."""
    options = ["-c", "c.yaml", *OPTIONS, "--name", "again", "--forward", "runs/tiny-seed1", "--no-train"]
    options += ["--backward", "runs/tiny-backward-seed1"]
    save, calls = State._save, []

    def killed(self):
        calls.append(len(self.results))
        if calls.count(len(self.results)) == 1 and self.results:
            raise Killed
        save(self)

    monkeypatch.setattr(State, "_save", killed)
    interruptions = 0
    while True:
        try:
            run(*options)
            break
        except Killed:
            interruptions += 1
    assert interruptions == 10
    names = ("text", "hypotheses", "corpora")
    assert content(Path("data/again"), names) == content(names=names)
    written = yaml.safe_load(Path("data/again/again.yaml").read_text())
    assert "reuse" not in written["subword"] or written["subword"]["reuse"] is None  # models of the user
    assert written["subword"]["user_symbols"] == ["<bt>"] and not Path("runs/again").exists()


def test_changed_text_and_changed_models_are_errors(printed, tmp_path, monkeypatch):
    shutil.copytree(".", tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    options = ["-c", "c.yaml", *OPTIONS, "--final-set", "training.max_steps=3"]
    manifest = json.loads((FOLDER / "manifest.json").read_text())
    for name in ("translate forward-1.train-2", "pairs", "config", "final"):
        del manifest["results"][name]
    (FOLDER / "hypotheses" / "forward-1.train-2.jsonl").unlink()
    manifest["results"]["model forward-1"]["weights"] = {"runs/tiny-seed1/checkpoints/step-2": "0"}
    (FOLDER / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(NmtError, match=r"runs/tiny-seed1: other weights than when the first text was translated"):
        run(*options)
    Path("train.src").write_text(Path("train.src").read_text().upper())
    with pytest.raises(NmtError, match=r"was made with other text in train.src: "):
        run(*options)
    (FOLDER / "manifest.json").write_text("{")
    with pytest.raises(NmtError, match=r"manifest.json: damaged; remove data/tiny-augmented to start over"):
        run(*options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--forward", "runs/tiny-backward-seed1"], "--forward runs/tiny-backward-seed1: translates from de to en"),
        (["--forward", "runs/tiny-seed1", "--monolingual-target", "mono.gz"], "--forward: no text is translated in"),
        (["--monolingual-target", "none.txt"], "none.txt: no such file"),
        (["--monolingual-source", "train.src", "--tag", "<bt>"], "--tag: no source is synthetic"),
        (["--n-best", "9"], "n_best 9 needs beam_size of at least 9"),
        (["--name", "tiny-seed1"], "this is the run of a model that translates"),
        (["--name", "a b"], "a name consists of"),
        (["--model-seed", "2", "--model-seed", "2"], "give each seed once"),
        (
            ["--model-seed", "2", "--forward", "runs/tiny-seed1", "--backward", "runs/tiny-backward-seed1"],
            "leave it out",
        ),
        (["--final-set", "training.max_step=2"], "unknown key 'max_step'; did you mean 'max_steps'"),
        (["--final-set", "name=x"], "name the final run with --name"),
        (["--backward", "runs/tiny-backward-seed1", "--n-best", "6"], "n_best 6 needs beam_size of at least 6"),
    ],
)
def test_errors_before_anything_is_written(printed, options, message):
    before = sorted(Path("data").iterdir())
    with pytest.raises(NmtError, match=message):
        run("-c", "c.yaml", *options)
    assert sorted(Path("data").iterdir()) == before


def test_a_plan_writes_nothing(printed):
    options = ["-c", "c.yaml", "--name", "planned", "--monolingual-source", "train.src", "--forward", "runs/tiny-seed1"]
    lines = run(*options, "--dry-run").split("\n")[1:-1]
    assert [line.split(maxsplit=3)[1:] for line in lines] == [
        ["to", "do", "copy the text to translate"],
        ["to", "do", "take runs/tiny-seed1"],
        ["to", "do", "translate data/planned/text/monolingual-source-1.source with runs/tiny-seed1"],
        ["to", "do", "write the pairs to data/planned/corpora"],
        ["to", "do", "write data/planned/planned.yaml"],
        ["to", "do", "train runs/planned"],
    ]
    assert not Path("data/planned").exists()
