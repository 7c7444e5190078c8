"""`nmt tune`: from a trained run and new text to a run adapted to it, and the scores before and after."""

import json
import random
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from tiny_training import WORDS, changed, interrupted, logged, same_state, tiny, write_corpus

from nmt.cli.tune import command
from nmt.config import load_run_config
from nmt.data.corpus import read_pairs
from nmt.data.subword import Vocabularies
from nmt.data.token_ids import UNK
from nmt.errors import NmtError
from nmt.storage.run_folder import Run
from nmt.training import tuning
from nmt.training.session import train
from nmt.training.tuning import (
    FAR_PASSES,
    LEARNING_RATE_FACTOR,
    PASSES,
    TuningRequest,
    config_to_resume,
    tuned_config,
)

BASE = Path("runs/base")
NEW = (Path("new.tsv"),)
QUICKSTART = Path(__file__).parents[2] / "data" / "quickstart"


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory):
    """A folder with a finished run `base`, and text of another domain: other words, with a new letter."""
    found = tmp_path_factory.mktemp("tuning")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(found)
        write_corpus(pairs=120)
        test = {"test": {"source": "valid.src", "target": "valid.tgt"}}
        train(changed(tiny("base", max_steps=3, precision="fp32"), data={"test": test, "prepared": None}))
        draw = random.Random(1)
        words = [word.replace("a", "ä") for word in WORDS]
        lines = {" ".join(draw.choice(words) for _ in range(draw.randint(2, 6))) for _ in range(90)}
        NEW[0].write_text("".join(f"{line}\t{' '.join(reversed(line.split())).upper()}\n" for line in sorted(lines)))
        yield found


def tune(*options, base=BASE, pairs=NEW):
    """Run the command and return what it prints on stdout."""
    arguments = [str(base), *map(str, pairs), *options]
    return CliRunner().invoke(command, arguments, catch_exceptions=False, standalone_mode=False).stdout


@pytest.fixture(scope="module")
def printed(folder):
    return tune("--steps", "4", "--mix", "0.4", "--set", "training.precision=fp32")


def test_the_configuration_replays_old_text_and_validates_both_domains(printed):
    config, base = (load_run_config(Run(Path(f"runs/{name}"))) for name in ("base-tuned", "base"))
    data, training = config.data, config.training
    sizes = [len(list(read_pairs(corpus))) for corpus in data.train]
    shares = [size * corpus.weight for size, corpus in zip(sizes, data.train, strict=True)]
    assert shares[1] / sum(shares) == pytest.approx(0.4, rel=1e-3) and data.train[1].weight == 1
    assert (data.train[0].source, data.more_valid, data.valid.source) == (
        base.data.train[0].source, {"base": base.data.valid}, Path("runs/base-tuned/text/valid.src")
    )  # fmt: skip
    assert list(data.test) == ["test", "base"] and data.test["base"] == base.data.test["test"]
    assert training.learning_rate == pytest.approx(LEARNING_RATE_FACTOR * base.training.learning_rate)
    assert (training.max_steps, training.init_from, training.patience) == (4, BASE, 5)
    assert config.model == base.model


def test_the_vocabulary_has_the_new_letters(printed):
    old, new = (Vocabularies.load(Path(f"runs/{name}/subword")) for name in ("base", "base-tuned"))
    assert new.is_extension_of(old)
    added = [new.target.pieces([i])[0] for i in range(old.target.size, new.target.size)]
    assert added[:2] == ["Ä", "ä"] and len(added) > 2, "the text is far from the old one, so subwords are added"
    assert UNK in old.source.encode(["bä"])[0] and UNK not in new.source.encode(["bä"])[0]


def test_text_far_from_that_of_the_model_gets_more_passes_and_subwords(messages, monkeypatch):
    monkeypatch.setattr(tuning, "MIN_STEPS", 1)
    draw = random.Random(2)
    lines = sorted({" ".join(draw.choice(WORDS) for _ in range(draw.randint(2, 6))) for _ in range(90)})
    Path("near.tsv").write_text("".join(f"{line}\t{' '.join(reversed(line.split())).upper()}\n" for line in lines))
    old = Vocabularies.load(Path("runs/base/subword"))
    configs, added, said = {}, {}, {}
    for name, text in (("near", Path("near.tsv")), ("far", *NEW)):
        messages.clear()
        configs[name] = tuned_config(TuningRequest(BASE, (text,), name, mix=1.0, overrides=("training.patience=1",)))
        added[name] = Vocabularies.load(Path(f"runs/{name}/subword")).target.size - old.target.size
        said[name] = [message for message in messages if "words of the new text are new to the model" in message]
        shutil.rmtree(f"runs/{name}")
    assert added["near"] == 0 and said["near"] == []
    near, far = (configs[name].training.max_steps for name in ("near", "far"))
    assert near > 5 and far == pytest.approx(near * FAR_PASSES / PASSES, abs=3)
    assert added["far"] > 2 and said["far"][0].endswith(
        f": up to 2,000 new subwords and {FAR_PASSES} passes over the new text"
    )
    config = tuned_config(TuningRequest(BASE, NEW, "far", mix=1.0, steps=5, extends=False))
    assert config.training.max_steps == 5 and Vocabularies.load(Path("runs/far/subword")).target.size == old.target.size
    shutil.rmtree("runs/far")


def test_the_log_and_the_table_have_both_domains(printed):
    run = Run(Path("runs/base-tuned"))
    assert [set(more) for more in logged(run, "valid", "more")] == [{"base"}] * 5
    rows = [line.split() for line in printed.split("\n")[1:5]]
    names = [[row[0], row[2]] for row in rows]
    assert names == [[name, metric] for name in ("test", "base") for metric in ("BLEU", "chrF2")]
    saved = json.loads((run.folder / "tuning.json").read_text())
    assert [f"{one['after']:.2f}" for one in saved] == [row[4] for row in rows]
    before = json.loads(next(Path("runs/base-tuned/evaluations/before").glob("base-*.json")).read_text())
    assert f"{before['scores'][0]['score']:.2f}" == rows[2][3]
    assert before["models"] == ["base/step-3"]
    page = (run.folder / "report.html").read_text()
    assert all(f'<td class="n">{one["after"]:.2f}</td>' in page for one in saved)


def test_a_resumed_run_ends_with_the_same_weights(printed, monkeypatch):
    request = TuningRequest(BASE, NEW, "resumed", 0.4, 4, overrides=("training.precision=fp32",))
    with pytest.raises(NmtError, match="nothing to resume"):
        config_to_resume(request)
    interrupted(monkeypatch, tuned_config(request), 3)
    with pytest.raises(NmtError, match=r"holds a run already; add --resume"):
        tuned_config(request)
    for path in BASE.glob("subword/*"):  # the new run has its own vocabulary
        path.rename(path.with_suffix(".moved"))
    assert train(config_to_resume(request), resume=True).is_finished
    for path in BASE.glob("subword/*"):
        path.rename(path.with_suffix(".model"))
    assert same_state(Run(Path("runs/resumed")), Run(Path("runs/base-tuned")))


def test_without_the_old_text_the_new_text_is_used_alone(messages, monkeypatch):
    for side in ("src", "tgt"):
        monkeypatch.setattr("sys.argv", [])
        Path(f"train.{side}").rename(f"moved.{side}")
    config = tuned_config(TuningRequest(BASE, NEW, "alone", extends=False))
    for side in ("src", "tgt"):
        Path(f"moved.{side}").rename(f"train.{side}")
    assert [corpus.source for corpus in config.data.train] == [Path("runs/alone/text/train.src")]
    assert any(m.startswith("warning: train.src: no such file in") for m in messages)
    assert any("likely to forget the old domain" in m for m in messages)
    old, new = (Vocabularies.load(Path(f"runs/{name}/subword")) for name in ("base", "alone"))
    assert new.fingerprint == old.fingerprint
    only_new = tuned_config(TuningRequest(BASE, NEW, "only-new", mix=1.0))
    assert len(only_new.data.train) == 1 and list(only_new.data.more_valid) == ["base"]


def copy(name, **replaced):
    """Copy the base run, with changed text of its configuration, and return its folder."""
    target = Path("runs") / name
    if not target.exists():
        shutil.copytree(BASE, target)
    text = (target / "config.yaml").read_text()
    for old, new in replaced.items():
        assert f"{old}: src" in text or f"{old}: tgt" in text
        text = text.replace(f"{old}: src", f"{old}: {new}").replace(f"{old}: tgt", f"{old}: {new}")
    (target / "config.yaml").write_text(text)
    return target


def test_a_run_that_has_not_ended_needs_the_name_of_a_checkpoint():
    unfinished = copy("unfinished")
    (unfinished / "finished.json").unlink()
    with pytest.raises(NmtError, match=r"has not ended; finish it .* runs/unfinished/checkpoints/step-3$"):
        tuned_config(TuningRequest(unfinished, NEW))
    config = tuned_config(TuningRequest(unfinished / "checkpoints" / "step-3", NEW))
    assert config.name == "unfinished-tuned" and config.training.init_from == unfinished / "checkpoints" / "step-3"


def test_the_languages_of_the_text_are_those_of_the_model():
    """Swapped files are recognised; text in another language is an error."""
    english, german = Path("short.en"), Path("short.de")
    for path in (english, german):
        lines = (QUICKSTART / f"valid{path.suffix}").read_text(encoding="utf-8").splitlines(True)
        path.write_text("".join(lines[:80]), encoding="utf-8")
    config = tuned_config(TuningRequest(copy("german", source_language="de", target_language="en"), (english, german)))
    assert " ist " in f"{config.data.train[1].source.read_text()}" and config.data.source_language == "de"
    with pytest.raises(NmtError, match=r"the source is German \(de\), but runs/fr translates from fr to en"):
        tuned_config(TuningRequest(copy("fr", source_language="fr", target_language="en"), (german, english)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pairs": (Path("no.tsv"),)}, r"no\.tsv: no such file"),
        ({"name": "../elsewhere"}, r"--name \.\./elsewhere: a name consists of letters"),
        ({"model": Path("runs/none")}, r"runs/none: no such run folder"),
        ({"tag": "<2de>"}, r"--tag <2de>: this model was not trained with it; its tags are: none"),
        ({"valid": (Path("no.tsv"),)}, r"no\.tsv: no such file"),
        ({"overrides": ("training.max_stepps=3",)}, r"--set training\.max_stepps=3: training: unknown key"),
        ({"new_subwords": 5, "model": Path("runs/words")}, r"kind word: leave out --new-subwords"),
    ],
)
def test_mistakes(options, message, monkeypatch):
    if options.get("model") == Path("runs/words"):
        copy("words")
        monkeypatch.setattr("nmt.data.subword.sentencepiece_proto.model_kind", lambda model: "word")
    with pytest.raises(NmtError, match=message):
        tuned_config(TuningRequest(**{"model": BASE, "pairs": NEW, "name": "bad", **options}))


def test_a_model_with_several_directions_needs_a_tag(monkeypatch):
    run = copy("tagged")
    text = (run / "config.yaml").read_text()
    corpus = "  - source: train.src\n    target: train.tgt\n"
    one, other = (f"{corpus}    tag: <2{code}>\n    target_language: {code}\n" for code in ("la", "fr"))
    start, end = text.index("  train:\n") + 9, text.index("  valid:\n")
    symbols = text.replace("user_symbols: []", "user_symbols: [<2la>, <2fr>]")
    (run / "config.yaml").write_text(symbols[:start] + one + other + symbols[end:])
    with pytest.raises(NmtError, match=r"several translation directions: choose one with --tag \(<2la>, <2fr>\)"):
        tuned_config(TuningRequest(run, NEW))
    monkeypatch.setattr("nmt.training.tuning._check_languages", lambda *arguments: None)
    data = tuned_config(TuningRequest(run, NEW, tag="<2la>")).data
    assert (data.train[-1].tag, data.train[-1].target_language, data.valid.tag) == ("<2la>", "la", "<2la>")
    assert data.directions == data.directions[:2]


def test_exported_models_are_rejected():
    folder = Path("exported")
    folder.mkdir()
    shutil.copy(BASE / "config.yaml", folder)
    (folder / "graphs.json").write_text("{}")
    with pytest.raises(NmtError, match=r"exported: is an exported model, .*; to adapt the model, give the run"):
        tuned_config(TuningRequest(folder, NEW))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--resume", "--mix", "0.3"], "--mix: decided when the run began"),
        (["--mix", "0"], "0.0 is not in the range"),
        (["more.tsv", "third.tsv"], "PAIRS: give one table, or two aligned files; not 3 files"),
        (["--keep-vocabulary", "--new-subwords", "9"], "exclude each other"),
    ],
)
def test_usage(options, message):
    done = CliRunner().invoke(command, [str(BASE), *map(str, NEW), *options])
    assert done.exit_code == 2 and message in done.output
