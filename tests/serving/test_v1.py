"""/v1/translate gives the results of the Python API."""

import pytest
from decoding_toys import ToyModel
from toy_service import ToyServer, toy_model


@pytest.fixture(scope="module")
def model(bpe):
    return toy_model(bpe, engine=ToyModel(bpe.size, end=2.0))


@pytest.fixture(scope="module")
def server(bpe, model):
    several = toy_model(bpe, ("en", "fr", "<2fr>"), ("de", "fr", "<2fr>"), ("fr", "en", "<2en>"), name="several")
    with ToyServer([model, several]) as found:
        yield found


LINES = ["the cat sat. on a mat", "", "a mat"]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"beam_size": 3, "n_best": 3},
        {"method": "greedy", "alignments": True},
        {"method": "sample", "n_best": 2, "seed": 7, "temperature": 0.7, "top_k": 5},
        {"split_sentences": True, "beam_size": 2, "alignments": True, "length_penalty": "gnmt", "alpha": 0.6},
        {"prefixes": ["on", "", "the"], "no_repeat_ngram": 2, "forbid_unknown": True, "min_length": 3},
    ],
)
def test_results_are_those_of_the_python_api(server, model, options):
    answer = server.post("/v1/translate", {"source": LINES, **options}).json()
    assert (answer["model"], answer["source_language"], answer["target_language"]) == ("toy", "en", "de")
    expected = list(model.translator.translate(LINES, **options))
    assert len(answer["translations"]) == len(LINES)
    for found, translation in zip(answer["translations"], expected, strict=True):
        assert (found["source"], found["text"]) == (translation.source, translation.text)
        assert found["score"] == pytest.approx(translation.score, abs=1e-6)
        assert found["log_prob"] == pytest.approx(translation.log_prob, abs=1e-6)
        assert [each["text"] for each in found["targets"]] == [each.text for each in translation.targets]
        if options.get("alignments"):
            assert found["alignment"] == [list(pair) for pair in translation.alignment]
        if options.get("split_sentences"):
            assert [each["text"] for each in found["sentences"]] == [each.text for each in translation.sentences]
        assert "attention" not in found and ("sentences" in found) == bool(options.get("split_sentences"))


def test_attention_has_a_row_for_each_target_piece(server):
    body = {"source": "the cat sat. on a mat", "attention": True}
    [line] = server.post("/v1/translate", body).json()["translations"]
    assert len(line["attention"]) == len(line["pieces"]) > 0
    assert {len(row) for row in line["attention"]} == {len(line["source_pieces"]) + 1}
    [line] = server.post("/v1/translate", {**body, "split_sentences": True}).json()["translations"]
    assert "attention" not in line
    assert all(len(each["attention"]) == len(each["pieces"]) for each in line["sentences"])
    assert [each["source"] for each in line["sentences"]] == ["the cat sat.", "on a mat"]


def test_model_and_direction_are_chosen(server):
    def chosen(**fields):
        answer = server.post("/v1/translate", {"source": "the cat", **fields}).json()
        return answer["model"], answer["source_language"], answer["target_language"]

    assert chosen(model="several") == ("several", "en", "fr")
    assert chosen(target_language="en") == ("several", "fr", "en")
    assert chosen(source_language="de") == ("several", "de", "fr")
    assert chosen(source_language="en", target_language="fr") == ("several", "en", "fr")
    assert chosen(model="several", tag="<2en>") == ("several", "en", "fr")
    models = server.send("GET", "/v1/models").json()["models"]
    assert [each["name"] for each in models] == ["toy", "several"]
    assert models[1]["directions"][2] == {"source": "fr", "target": "en", "tag": "<2en>"}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "missing source parameter"),
        ({"source": 7}, "source: input should be a valid string"),
        ({"source": "a", "beam": 3}, "there is no parameter beam"),
        ({"source": "a", "beam_size": "3"}, "beam_size: input should be a valid integer"),
        ({"source": "a", "beam_size": True}, "beam_size: input should be a valid integer"),
        ({"source": "a", "beam_size": 17}, "beam_size must be at most 16"),
        ({"source": "a", "method": "sample", "n_best": 17}, "n_best must be at most 16"),
        ({"source": "a", "alpha": 11}, "alpha: input should be less than or equal to 10"),
        ({"source": "a", "method": "fast"}, "method: input should be 'beam', 'greedy' or 'sample'"),
        ({"source": "a", "min_length": 251}, "min_length must be at most 250"),
        ({"source": "a", "tag": "<2xx>"}, "line 1: tag <2xx>: this model was not trained with it"),
        ({"source": "a", "model": "none"}, "there is no model none; the models are: toy, several"),
        ({"source": "a", "model": "toy", "target_language": "fr"}, "no model translates from any to fr"),
        ({"source": ["a", "b"], "prefixes": ["a"]}, "there are 2 lines in source and 1 prefixes"),
        ({"source": "a", "prefixes": ["a" * 1001]}, "a prefix has at most 1000 characters"),
        ({"source": ["a"] * 1001}, "request (1001) exceeds text limit (1000)"),
        ({"source": "a", "window": 5}, "there is no parameter window"),
    ],
)
def test_invalid_requests(server, body, message):
    response = server.post("/v1/translate", body)
    assert (response.status_code, list(response.json())) == (400, ["error"])
    assert message in response.json()["error"]


def test_a_model_without_attention_has_no_alignments(bpe):
    model = toy_model(bpe)
    model.translator.has_attention = model.translator.lines.has_attention = False
    with ToyServer([model]) as server:
        assert server.translate("the cat", alignments=True) == {"translatedText": "the cat", "alignments": []}
        response = server.post("/v1/translate", {"source": "a", "alignments": True})
        assert response.status_code == 400 and "without attention" in response.json()["error"]
