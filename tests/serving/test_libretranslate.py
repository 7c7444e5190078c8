"""LibreTranslate's interface: fields, answers, and the texts of errors."""

import json
from urllib.parse import unquote

import pytest
from decoding_toys import ToyModel
from toy_service import ToyServer, toy_model

from nmt.serving.limits import Limits


@pytest.fixture(scope="module")
def server(bpe):
    models = [
        toy_model(bpe),
        toy_model(bpe, ("en", "fr", "<2fr>"), ("de", "fr", "<2fr>"), ("fr", "en", "<2en>"), name="several"),
        toy_model(bpe, ("en", "cs", ""), name="unlike", engine=ToyModel(bpe.size, end=3.0)),
    ]
    with ToyServer(models, Limits(max_characters=200, max_lines=5, timeout=20)) as found:
        yield found


def test_languages(server):
    assert server.send("GET", "/languages").json() == [
        {"code": "en", "name": "English", "targets": ["de", "fr", "cs"]},
        {"code": "de", "name": "German", "targets": ["fr"]},
        {"code": "fr", "name": "French", "targets": ["en"]},
        {"code": "cs", "name": "Czech", "targets": []},
    ]
    settings = server.send("GET", "/frontend/settings").json()
    assert settings["charLimit"] == 200 and not settings["keyRequired"]
    assert settings["language"]["source"]["code"] == "en"


TEXTS = [
    "the cat sat.",
    "the cat sat.  a mat!\tthe mat",
    "  the cat\n\n  sat on a mat. the mat.  \n",
    "the cat\r\nsat\r\n",
    "\n",
    " ",
]


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_keeps_its_white_space(server, text):
    assert server.translate(text) == {"translatedText": text}


def test_json_forms_and_multipart_are_the_same(server):
    fields = {"q": "the cat sat.", "source": "en", "target": "de", "alternatives": "1", "score": "true"}
    as_json = server.post("/translate", {**fields, "alternatives": 1, "score": True}).json()
    assert as_json == server.send("POST", "/translate", data=fields).json()
    files = {name: (None, value) for name, value in fields.items()}
    assert as_json == server.send("POST", "/translate", files=files).json()
    assert as_json == server.send("POST", "/translate", params=fields).json()


def test_a_list_of_texts_has_lists_of_answers(server):
    found = server.translate(["the cat.", "", "a mat"], alternatives=1, alignments=True, score=True)
    assert found["translatedText"] == ["the cat.", "", "a mat"]
    assert found["alignments"] == [[[0, 0], [1, 1]], [], [[0, 0], [1, 1]]]
    assert len(found["score"]) == len(found["alternatives"]) == 3
    assert server.translate(["the cat."]) == {"translatedText": ["the cat."]}


def test_alternatives_are_different_texts(server):
    body = {"q": "the cat sat. on a mat.\nthe mat", "source": "en", "target": "cs"}
    found = server.post("/translate", {**body, "alternatives": 3}).json()
    texts = [found["translatedText"], *found["alternatives"]]
    assert len(texts) == len(set(texts)) > 1
    assert server.post("/translate", {**body, "n_best": 4}).json() == found
    assert server.post("/translate", body).json() == {"translatedText": found["translatedText"]}
    assert all(text.count("\n") == 1 for text in texts)


def test_alignments_number_the_words_of_the_whole_text(server):
    text = " the cat sat.  a mat\n\nthe mat! on a mat"
    found = server.translate(text, alignments=True)
    assert found["alignments"] == [[word, word] for word in range(len(text.split()))]


def test_the_direction_chooses_model_and_tag(server):
    """The toy model copies its source with the tag."""
    found = server.post("/translate", {"q": "the cat. a mat.", "source": "de", "target": "fr"}).json()
    assert "2fr" in found["translatedText"] or found["translatedText"] == "the cat. a mat."
    again = server.post("/translate", {"q": "the cat", "source": "DE-at", "target": "FR"})
    assert again.status_code == 200


def test_the_same_language_is_returned_unchanged(server):
    assert server.post("/translate", {"q": "le chat", "source": "fr", "target": "fr"}).json() == {
        "translatedText": "le chat"
    }


def test_detected_languages_are_returned(server):
    french = "Le chat dort sur le canapé pendant que les enfants jouent dans le jardin."
    found = server.post("/translate", {"q": french, "source": "auto", "target": "en"}).json()
    assert found["detectedLanguage"]["language"] == "fr" and found["detectedLanguage"]["confidence"] > 50
    found = server.post("/translate", {"q": [french, "!"], "source": "auto", "target": "en"}).json()
    assert [each["language"] for each in found["detectedLanguage"]] == ["fr", "fr"]
    assert found["detectedLanguage"][1]["confidence"] == 0
    [best, *_] = server.post("/detect", {"q": french}).json()
    assert best["language"] == "fr"
    assert server.post("/detect", {"q": "123"}).json() == []


ERRORS = [
    ({}, "Invalid request: missing q parameter"),
    ({"q": ""}, "Invalid request: missing q parameter"),
    ({"q": []}, "Invalid request: missing q parameter"),
    ({"q": "a"}, "Invalid request: missing source parameter"),
    ({"q": "a", "source": "en"}, "Invalid request: missing target parameter"),
    ({"q": "a", "source": "zz", "target": "de"}, "zz is not supported"),
    ({"q": "a", "source": "en", "target": "zz"}, "zz is not supported"),
    ({"q": "a", "source": "cs", "target": "en"}, "en is not available as a target language from cs"),
    ({"q": "a", "source": "en", "target": "de", "format": "html"}, "html format is not supported"),
    ({"q": "a" * 201, "source": "en", "target": "de"}, "Invalid request: request (201) exceeds text limit (200)"),
    ({"q": ["a" * 101] * 2, "source": "en", "target": "de"}, "Invalid request: request (202) exceeds text limit (200)"),
    ({"q": "a\n" * 5, "source": "en", "target": "de"}, "Invalid request: request (6) exceeds text limit (5)"),
    ({"q": 7, "source": "en", "target": "de"}, "Invalid request: q: input should be a valid string"),
    ({"q": ["a", None], "source": "en", "target": "de"}, "Invalid request: q: input should be a valid string"),
    ({"q": "a", "source": ["en"], "target": "de"}, "Invalid request: source: input should be a valid string"),
    ({"q": "a", "source": "en", "target": "de", "alternatives": "x"}, "Invalid request: alternatives: input should be"),
    ({"q": "a", "source": "en", "target": "de", "alternatives": -1}, "Invalid request: alternatives: input should be"),
    ({"q": "a", "source": "en", "target": "de", "alternatives": 5}, "Invalid request: n_best 6 needs beam_size of at"),
    ({"q": "a", "source": "en", "target": "de", "beam_size": 17}, "Invalid request: beam_size must be at most 16"),
    ({"q": "a", "source": "en", "target": "de", "beam_size": 0}, "Invalid request: beam_size: input should be"),
]


@pytest.mark.parametrize(("body", "message"), ERRORS)
def test_invalid_requests(server, body, message):
    response = server.post("/translate", body)
    assert response.status_code == 400
    assert list(response.json()) == ["error"]
    assert response.json()["error"].startswith(message)


BODIES = [
    (b"{", "application/json", "the body is not JSON"),
    (b"[1]", "application/json", "the body must be a JSON object"),
    (b'{"q": NaN}', "application/json", "the body is not JSON: NaN is not JSON"),
    (b'{"q": "\xff"}', "application/json", "the body is not UTF-8 (byte 7)"),
    (b"[" * 100_000, "application/json", "the body has more than"),
    (b"[" * 50_000, "application/json", "the JSON of the body is nested too deeply"),
    (b"q=%ff", "application/x-www-form-urlencoded", "the body is not a form of UTF-8 text"),
    (b"&".join(b"a%d=1" % i for i in range(101)), "application/x-www-form-urlencoded", "the body is not a form"),
    (b"--x\r\nbroken", "multipart/form-data; boundary=x", "missing q parameter"),
    (b"no boundary", "multipart/form-data; boundary=x", "the body is not a multipart form"),
    (b"", "multipart/form-data", "the body is not a multipart form"),
    (b"<q/>", "application/xml", "the content type application/xml is not supported"),
]


@pytest.mark.parametrize(("body", "kind", "message"), BODIES)
def test_bodies_that_cannot_be_read(server, body, kind, message):
    response = server.send("POST", "/translate", content=body, headers={"content-type": kind})
    assert response.status_code == (413 if "more than" in message else 400)
    assert message in response.json()["error"]


def test_hostile_texts_are_translated(server):
    for text in ["\ud800", "a\u2028b", "nul\0nul", "\ufeff", "<script>alert(1)</script>", "a\x85b"]:
        body = json.dumps({"q": text, "source": "en", "target": "de"}).encode()
        response = server.send("POST", "/translate", content=body, headers={"content-type": "application/json"})
        assert response.status_code == 200
        assert isinstance(response.json()["translatedText"], str)
        assert response.headers["content-type"] == "application/json"


def test_files_are_translated_and_downloaded(server):
    content = "\ufeffthe cat.\n\na mat\n".encode()
    fields = {"source": "en", "target": "de"}
    names = {"notes.txt": "notes_de.txt", "../../etc/passwd.txt": "passwd_de.txt", "..\\a/<>é.TXT": "é_de.txt"}
    for name, expected in names.items():
        response = server.send("POST", "/translate_file", data=fields, files={"file": (name, content, "text/plain")})
        assert response.status_code == 200, response.text
        found = server.send("GET", response.json()["translatedFileUrl"])
        assert found.text == "the cat.\n\na mat\n"
        assert found.headers["content-type"] == "text/plain; charset=utf-8"
        assert found.headers["content-disposition"].startswith("attachment; ")
        assert unquote(found.headers["content-disposition"]).endswith(f"''{expected}")
    for path in ("/download_file/nothing/a.txt", "/download_file/../../etc/passwd", "/download_file/%2e%2e/x"):
        assert server.send("GET", path).status_code == 404


@pytest.mark.parametrize(
    ("name", "content", "fields", "message"),
    [
        ("a.docx", b"x", {"source": "en", "target": "de"}, "Invalid request: file format not supported"),
        ("a.txt", b"\xff", {"source": "en", "target": "de"}, "Invalid request: the file is not UTF-8 (byte 0)"),
        ("a.txt", b"x", {"target": "de"}, "Invalid request: missing source parameter"),
        ("a.txt", b"x" * 201, {"source": "en", "target": "de"}, "Invalid request: request (201) exceeds text limit"),
        (None, b"x", {"source": "en", "target": "de"}, "Invalid request: missing file parameter"),
    ],
)
def test_files_that_cannot_be_translated(server, name, content, fields, message):
    files = {"file": (name, content)} if name else {"other": (None, "x")}
    response = server.send("POST", "/translate_file", data=fields, files=files)
    assert response.status_code == 400
    assert response.json()["error"].startswith(message)
