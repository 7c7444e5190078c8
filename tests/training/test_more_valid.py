"""Further validation sets: prepared, validated and logged like `data.valid`, but they choose no checkpoint."""

import re
from pathlib import Path

import pytest
from tiny_training import changed, interrupted, tiny, untimed, write_corpus

from nmt.config import parse
from nmt.errors import NmtError
from nmt.reports.learning_curves import draw
from nmt.storage.history import read_history
from nmt.storage.run_folder import read_log
from nmt.training.events import Validated
from nmt.training.session import train

OTHER = {"source": "other.src", "target": "other.tgt"}
KEYS = {"max_steps": 4, "validate_every": 2, "precision": "fp32"}


def settings(name="run", more=None, **training):
    data = {"more_valid": {"other.domain": OTHER} if more is None else more}
    return changed(tiny(name, **{**KEYS, **training}), data=data)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    found = tmp_path_factory.mktemp("more_valid")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(found)
        write_corpus(pairs=60)
        for side in ("src", "tgt"):
            Path(f"other.{side}").write_text("".join(Path(f"train.{side}").read_text().splitlines(True)[:7]))
        yield found


@pytest.fixture(scope="module")
def run(folder):
    events = []
    run = train(settings(), on_event=events.append)
    return run, [event for event in events if isinstance(event, Validated)]


def test_each_validation_has_the_scores_of_each_set(run):
    run, events = run
    entries = [entry for entry in read_log(run.log) if entry["event"] == "valid"]
    assert [entry["more"] for entry in entries] == [
        {"other.domain": {"loss": event.more["other.domain"].loss, "bleu": event.more["other.domain"].bleu}}
        for event in events
    ]
    assert re.search(r"so far; other\.domain: loss \d\.\d{3}, BLEU \d\.\d\d; 0:00", str(events[-1]))
    history = read_history(run.folder)
    assert history.more_valid == ["other.domain"]
    assert history.series("valid", "loss", "other.domain") == ([2, 4], [e.more["other.domain"].loss for e in events])
    assert history.series("valid", "loss", "nothing") == ([], [])


def test_the_scores_are_those_of_the_same_text_as_data_valid(run):
    """And neither the weights nor the scores on `valid` depend on the further set."""
    run, events = run
    alone = train(changed(settings("alone", more={}), data={"valid": OTHER, "prepared": "prepared-alone"}))
    [*_, last] = [entry for entry in read_log(alone.log) if entry["event"] == "valid"]
    assert events[-1].more["other.domain"].loss == pytest.approx(last["loss"], rel=1e-6)
    assert events[-1].more["other.domain"].bleu == last["bleu"]


def test_a_resumed_run_has_the_same_log(run, monkeypatch):
    first = interrupted(monkeypatch, settings("resumed"), 3)
    assert untimed(train(settings("resumed"), resume=True).log) == untimed(run[0].log) and first.can_resume
    with pytest.raises(NmtError, match=r"'data\.more_valid\.other\.domain\.source' differs: valid\.src does not hold"):
        train(settings("resumed", {"other.domain": {"source": "valid.src", "target": "valid.tgt"}}), resume=True)


def test_the_curves_name_the_sets(run):
    _, valid, bleu, _ = draw([read_history(run[0].folder)]).axes
    for axes in (valid, bleu):
        assert [text.get_text() for text in axes.texts] == ["other.domain"]
        assert len(axes.get_lines()[1].get_xdata()) == 2


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"a": {"source": "no.src", "target": "no.tgt"}}, r"data\.more_valid\.a\.source: no such file: no\.src"),
        ({"a": {"source": "train.src", "target": "other.tgt"}}, r"data\.more_valid\.a: .*60 lines but .* has 7"),
        ({"a": {"source": "empty", "target": "empty"}}, r"corpus is empty; check data\.more_valid\.a"),
    ],
)
def test_mistakes_name_the_key(folder, more, message):
    Path("empty").write_text("")
    with pytest.raises(NmtError, match=message):
        train(changed(settings("bad", more=more), data={"prepared": "prepared-bad"}))


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"all": OTHER}, "name of a test or validation set"),
        ({"a": {**OTHER, "weight": 2.0}}, r"'more_valid\.a\.weight': only corpora of 'train'"),
        ({"a": {**OTHER, "tag": "<x>"}}, r"the tag <x> of a corpus is missing"),
    ],
)
def test_settings(more, message):
    corpus = {"source": "a", "target": "b"}
    with pytest.raises(NmtError, match=message):
        parse({"name": "x", "data": {"train": corpus, "valid": corpus, "more_valid": more}}, "test")
