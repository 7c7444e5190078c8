"""`nmt distill`: a student learns the translations of teachers of any architecture, and is compared with them."""

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from tiny_training import changed, tiny, with_model, write_corpus

from nmt import config
from nmt.cli.main import cli
from nmt.config import load_run_config
from nmt.corpora.synthetic_pairs import Hypothesis
from nmt.data.subword import Vocabularies
from nmt.decoding.output_formats import parse_scored
from nmt.errors import NmtError
from nmt.storage.run_folder import Run
from nmt.training.augmentation.distill import closest_by_bleu
from nmt.training.session import train

FOLDER = Path("data/tiny-distilled")
TEACHERS = ("--teacher", "runs/recurrent", "--teacher", "runs/transformer")
OPTIONS = ("-c", "student.yaml", *TEACHERS, "--interpolate", "--keep-original", "0.5")


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory):
    """A folder with two teachers that share their vocabulary, and the configuration of a student."""
    found = tmp_path_factory.mktemp("distill")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(found)
        write_corpus(pairs=60)
        plain = tiny("recurrent", max_steps=2, validation_bleu=False, metric="loss", precision="fp32")
        languages = {"source_language": "en", "target_language": "de"}
        recurrent = changed(plain, data=languages)
        train(recurrent)
        blocks = {"kind": "transformer", "layers": 1, "heads": 2, "size": 12}
        transformer = with_model(changed(recurrent, data={}), encoder=blocks, decoder=blocks, attention={})
        train(transformer.model_copy(update={"name": "transformer"}))
        student = changed(recurrent, data={"prepared": None, "train": {"tsv": "pairs.tsv", "weight": 2.0}})
        lines = [Path(f"train.{side}").read_text().split("\n")[:40] for side in ("src", "tgt")]
        Path("pairs.tsv").write_text("".join(f"{one}\t{other}\n" for one, other in zip(*lines, strict=True)))
        values = student.model_dump(mode="json") | {"name": "tiny"}
        values["subword"]["vocab_size"] = 60
        Path("student.yaml").write_text(config.dump(config.parse(values, "test")))
        yield found


def run(*options):
    """Run the command and return what it prints on stdout."""
    return CliRunner().invoke(cli, ["distill", *options], catch_exceptions=False, standalone_mode=False).stdout


@pytest.fixture(scope="module")
def printed(folder):
    return run(*OPTIONS)


def test_the_student_trains_on_the_hypotheses_closest_to_the_references(printed):
    student = load_run_config(Run(Path("runs/tiny-distilled")))
    files = {side: FOLDER / "corpora" / f"teachers.train-1.{side}" for side in ("source", "target")}
    corpora = student.data.train
    assert [corpus.weight for corpus in corpora] == [2.0, 1.0] and corpora[1].tsv == Path("pairs.tsv")
    assert (corpora[0].source, corpora[0].target) == (files["source"], files["target"])
    scored = Path(FOLDER / "hypotheses" / "teachers.train-1.jsonl").read_text().split("\n")[:-1]
    hypotheses = [[Hypothesis(*one) for one in parse_scored(line)] for line in scored]
    assert max(map(len, hypotheses)) == 5  # the beam
    choose = closest_by_bleu("de")
    references = Path("train.tgt").read_text().split("\n")
    chosen = [choose(found, reference)[0].text for found, reference in zip(hypotheses, references, strict=False)]
    expected = [text for text in (" ".join(text.split()) for text in chosen) if text]
    assert files["target"].read_text().split("\n")[:-1] == expected


def test_interpolation_chooses_by_sentence_bleu_of_the_orders_that_occur():
    choose = closest_by_bleu("de")
    hypotheses = [Hypothesis("x y", -0.1), Hypothesis("a c", -0.2), Hypothesis("a b", -0.3), Hypothesis("b a", -0.4)]
    assert choose(hypotheses, "a b") == [hypotheses[2]] and choose(hypotheses[:1], "a b") == hypotheses[:1]


def test_the_student_has_its_own_vocabulary_and_the_table_compares_all(printed):
    sizes = [
        Vocabularies.load(Run(Path("runs") / name).subword).source.size for name in ("tiny-distilled", "recurrent")
    ]
    assert sizes == [60, 70]
    table = printed.split("\n\n")[1].split("\n")
    assert table[0].split() == ["model", "parameters", "seconds", "BLEU", "valid"]
    names = [line.split("  ")[0] for line in table[1:]]
    assert names == [
        "runs/recurrent", "runs/transformer", "all teachers, as an ensemble", "runs/tiny-distilled (student)",
    ]  # fmt: skip
    parameters = [int(line.replace(",", "").split()[-3]) for line in table[1:]]
    assert parameters[2] == parameters[0] + parameters[1] and parameters[3] < parameters[0]
    assert run(*OPTIONS) == printed


def test_the_vocabulary_of_the_teachers(printed):
    run("-c", "student.yaml", *TEACHERS[:2], "--reuse-subword", "--no-train", "--name", "reused", "--greedy")
    written = config.load(Path("data/reused/reused.yaml"))
    vocabularies = [Vocabularies.find(path, True) for path in (written.subword.reuse, Path("runs/recurrent"))]
    assert vocabularies[0].fingerprint == vocabularies[1].fingerprint
    assert len(written.data.train) == 1 and not Path("runs/reused").exists()


def test_teachers_that_do_not_fit_are_named(printed, tmp_path):
    with pytest.raises(NmtError, match="runs/recurrent and runs/tiny-distilled have different subword models"):
        run("-c", "student.yaml", *TEACHERS[:2], "--teacher", "runs/tiny-distilled", "--name", "new")
    shutil.rmtree("data/new")
    other = tmp_path / "fr"
    shutil.copytree("runs/recurrent", other, ignore=shutil.ignore_patterns("graphs-*"))
    text = (other / "config.yaml").read_text().replace("target_language: de", "target_language: fr")
    (other / "config.yaml").write_text(text)
    with pytest.raises(NmtError, match=f"--teacher {other}: translates from en to fr; a model from en to de is needed"):
        run("-c", "student.yaml", "--teacher", str(other), "--name", "new")
    with pytest.raises(NmtError, match="--interpolate chooses among several hypotheses"):
        run("-c", "student.yaml", *TEACHERS, "--interpolate", "--greedy", "--name", "new")
    with pytest.raises(NmtError, match="this is the run of a teacher"):
        run("-c", "student.yaml", *TEACHERS, "--name", "recurrent")
    assert not Path("data/new").exists()
