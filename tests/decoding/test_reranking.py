"""n-best lists are reranked by other models: a backward model corrects what the forward model prefers wrongly."""

import json
import random
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from text_files import write_lines
from toy_translator import WORDS, make

from nmt.config.model_settings import Direction
from nmt.data.language_detection import Detected
from nmt.decoding.n_best_lists import check_sources, read_lists
from nmt.decoding.rerank_features import LOWEST, Feature, _detector, check_languages, features_of, matrices
from nmt.decoding.rerank_lines import RerankJob, ranking, rerank_lines
from nmt.decoding.rerank_weights import read_weights, weights_of
from nmt.errors import NmtError
from nmt.evaluation.metrics import Scoring, corpus_scores
from nmt.evaluation.rerank_tuning import tune


def loaded(translator, source="de", target="en", weights="a" * 64, folder="toy"):
    """Return a model as if it had been loaded from a run of this direction."""
    text = SimpleNamespace(directions=(Direction(source, target, ""),))
    settings = SimpleNamespace(name=folder, text=text)
    checkpoint = SimpleNamespace(settings=settings, name="step-1", run=SimpleNamespace(folder=folder))
    return SimpleNamespace(translator=translator, checkpoints=[checkpoint], weights=[weights])


@pytest.fixture
def job(bpe, tmp_path, monkeypatch):
    """Lists in which the forward model prefers a translation that has lost words; the backward model copies words."""
    monkeypatch.chdir(tmp_path)
    draw = random.Random(0)
    sources = [" ".join(draw.choices(WORDS, k=6)) + "." for _ in range(10)]
    lists = [
        {
            "id": number,
            "source": line,
            "hypotheses": [{"text": line[: len(line) // 2], "score": -0.1}, {"text": line, "score": -0.3}],
        }
        for number, line in enumerate(sources)
    ]
    write_lines(Path("lists"), [json.dumps(one, ensure_ascii=False) for one in lists])
    write_lines(Path("sources"), sources)
    return RerankJob(features_of(loaded(make(bpe)), []), Path("lists"))


def test_the_backward_model_corrects_what_the_forward_model_prefers(job):
    sources = Path("sources").read_text(encoding="utf-8").split("\n")[:-1]
    for values, best in (([1.0, 0.0, 0.0], [line[: len(line) // 2] for line in sources]), ([1.0, 1.0, 0.0], sources)):
        rerank_lines(job, weights_of(job.features, np.array(values), {}), Path("out"), "text")
        assert Path("out").read_text(encoding="utf-8").split("\n")[:-1] == best


def test_tuning_finds_it_and_bleu_on_its_lists_never_falls(job):
    found = tune(job, [Path("sources")], Scoring(), 1, Path("weights.json"))
    assert found.bleu == pytest.approx(100.0) and found.bleu > found.bleu_before
    halves = [line[: len(line) // 2] for line in Path("sources").read_text(encoding="utf-8").split("\n")[:-1]]
    (score,) = corpus_scores(halves, [Path("sources").read_text(encoding="utf-8").split("\n")[:-1]], ["bleu"])
    assert found.bleu_before == score.value
    weights = read_weights(Path("weights.json"))
    weights.check(job.features, Path("weights.json"))
    assert (weights.values == found.weights.values).all() and weights.features == found.weights.features
    write_lines(Path("halves"), halves)  # nothing can be gained
    found = tune(job, [Path("halves")], Scoring(), 1, Path("weights.json"))
    assert found.bleu >= found.bleu_before == pytest.approx(100.0)


def test_json_has_all_hypotheses_with_their_features_the_best_first(job):
    weights = weights_of(job.features, np.array([1.0, 1.0, 0.5]), {})
    rerank_lines(job, weights, Path("out"), "json")
    first = json.loads(Path("out").read_text(encoding="utf-8").split("\n")[0])
    whole = json.loads(Path("lists").read_text(encoding="utf-8").split("\n")[0])
    assert first["id"] == 0 and first["source"] == whole["source"]
    assert [one["text"] for one in first["hypotheses"]] == [one["text"] for one in whole["hypotheses"][::-1]]
    for one in first["hypotheses"]:
        values = one["features"]
        assert values["score"] == one["score"]
        assert one["rerank_score"] == pytest.approx(values["score"] + values["backward"] + values["length"] / 2)
    translator = job.features[1].loaded.translator
    (value,) = translator.log_prob([(whole["source"], whole["source"])])
    ((_, tokens),) = translator.token_log_probs([(whole["source"], whole["source"])], 100)
    assert first["hypotheses"][0]["features"]["backward"] == pytest.approx(value / len(tokens), abs=1e-5)


def test_ties_keep_the_order_of_the_list():
    assert ranking(np.array([[1.0], [2.0], [2.0], [0.0]]), np.array([1.0])) == [1, 2, 0, 3]
    assert ranking(np.array([[1.0], [2.0]]), np.array([0.0])) == [0, 1]


def test_what_a_model_cannot_generate_gets_a_finite_feature():
    impossible = SimpleNamespace(
        options=SimpleNamespace(tokens_per_batch=9),
        token_log_probs=lambda pairs, *_: ((["x"], (-np.inf, -1.0)) for _ in pairs),
    )
    (each,) = read_lists(['{"source": "a", "hypotheses": [{"text": "b", "score": 1}]}'], "x")
    (found,) = matrices([Feature("model 1", loaded(impossible))], [each], None)
    assert found.tolist() == [[LOWEST]]


GOOD = '{"source": "a", "hypotheses": [{"text": "b", "score": -1}]}'


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a ||| b", "not a JSON object"),
        ("[1]", "source line under 'source'"),
        ('{"hypotheses": []}', "source line under 'source'"),
        ('{"source": "a"}', "no list of translations under 'hypotheses'"),
        ('{"source": "a", "hypotheses": []}', "an empty list of translations"),
        ('{"source": "a", "hypotheses": [{"score": 1}]}', "hypothesis 1 has no 'text'"),
        ('{"source": "a", "hypotheses": [{"text": "b", "score": 1}, {"text": "c"}]}', "hypothesis 2 has no 'score'"),
        ('{"source": "a", "hypotheses": [{"text": "b", "score": null}]}', "hypothesis 1 has no 'score'"),
        ('{"source": "a", "hypotheses": [{"text": "b", "score": NaN}]}', "hypothesis 1 has no 'score'"),
    ],
)
def test_a_line_that_is_no_list_is_named(line, message):
    with pytest.raises(NmtError, match=f"file, line 2: .*{message}.*nmt translate --n-best N --format json"):
        list(read_lists([GOOD, line], "file"))


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        (["a", "b"], r"lists, line 2: the list is of 'a', but line 2 of sources is 'b'"),
        (["a"], r"lists has more lists than sources has lines \(1\)"),
        (["a", "a", "a"], "lists has 2 lists, but sources has more lines"),
    ],
)
def test_lists_of_other_sources_are_refused(sources, message):
    with pytest.raises(NmtError, match=message):
        list(check_sources(read_lists([GOOD, GOOD], "lists"), sources, "lists", "sources"))


@pytest.mark.parametrize(("count", "message"), [(9, "lists has more than 9 lists, but refs has 9 lines"),
                                               (11, "lists has 10 lists, but refs has 11 lines")])  # fmt: skip
def test_references_of_another_number_are_refused(job, count, message):
    write_lines(Path("refs"), ["a"] * count)
    with pytest.raises(NmtError, match=message):
        tune(job, [Path("refs")], Scoring(), 1, Path("weights.json"))
    assert not Path("weights.json").exists()


def test_models_of_the_wrong_direction_are_refused():
    backward, forward, other = (
        loaded(None, source, target, folder=f"{source}-{target}")
        for source, target in (("de", "en"), ("en", "de"), ("en", "fr"))
    )
    assert [each.name for each in features_of(backward, [forward])] == ["score", "backward", "model 1", "length"]
    with pytest.raises(NmtError, match=r"en-de translates from en to de, and de-en from de to en; give models of"):
        features_of(None, [backward, forward])
    with pytest.raises(
        NmtError, match=r"en-de translates from en to de, and en-de from en to de; give one that transl"
    ):
        features_of(forward, [forward])
    with pytest.raises(NmtError, match="en-fr"):
        features_of(backward, [forward, other])
    features_of(loaded(None, "src", "tgt"), [forward])  # names no languages


class Detector:
    """Knows German by its articles, and takes all else for the other language."""

    def __init__(self, codes):
        self.codes = codes

    def detect(self, text):
        is_german = " der " in text
        return [Detected(next(code for code in self.codes if (code == "de") is is_german), 99.0)]


def test_the_text_of_the_lists_shows_a_model_of_the_wrong_direction(monkeypatch):
    monkeypatch.setattr("nmt.data.language_detection.LanguageDetector", Detector)
    _detector.cache_clear()
    english = "the children are playing with their dog in the garden while a man reads a newspaper on the bench"
    german = "die Kinder spielen mit ihrem Hund im Garten, während ein Mann auf der Bank eine Zeitung liest"
    line = json.dumps({"source": english * 3, "hypotheses": [{"text": german * 3, "score": 0}]})
    lists = list(read_lists([line], "x"))
    check_languages(features_of(loaded(None, "de", "en"), []), lists)
    with pytest.raises(NmtError, match=r"wrong: the list has translations from en to de, .*--backward needs a model"):
        check_languages(features_of(loaded(None, "en", "de", folder="wrong"), []), lists)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[", "not a file of weights"),
        ('{"format": 2}', "has format 2, not 1"),
        ('{"format": 1, "features": [{"name": "score", "weight": "1"}]}', "the weight of score is not a finite number"),
        ('{"format": 1, "features": [{"name": "score", "weight": 1}]}', "has weights for score, but the options give"),
    ],
)
def test_a_file_that_has_no_weights_of_these_features_is_refused(tmp_path, text, message):
    path = tmp_path / "weights.json"
    path.write_text(text)
    with pytest.raises(NmtError, match=rf"weights\.json: .*{message}"):
        read_weights(path).check(features_of(None, []), path)


def test_weights_of_other_models_are_refused(tmp_path):
    path = tmp_path / "weights.json"
    weights_of(features_of(loaded(None), []), np.array([1.0, 1.0, 1.0]), {}).save(path)
    with pytest.raises(
        NmtError, match=r"backward was tuned with toy/step-1 \(aaaaaaaa\), but --backward other is other"
    ):
        read_weights(path).check(features_of(loaded(None, weights="b" * 64, folder="other"), []), path)
