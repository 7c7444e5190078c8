"""Keys, rates, limits, headers, log and metrics of the application."""

import json
import logging
import threading

import httpx
import pytest
from decoding_toys import EchoModel
from toy_service import ToyServer, toy_model

from nmt.errors import NmtError
from nmt.serving import access
from nmt.serving.access import ApiKeys, RateLimit
from nmt.serving.limits import ApiError, Limits
from nmt.serving.server_log import _Formatter

BODY = {"q": "the cat", "source": "en", "target": "de"}


@pytest.fixture
def keys(tmp_path):
    path = tmp_path / "keys"
    path.write_text("# the page\nfirst-secret-key\n\nsecond-secret-key\n", encoding="utf-8")
    return ApiKeys(path)


def test_a_key_is_needed_in_body_or_header(bpe, keys):
    with ToyServer([toy_model(bpe)], keys=keys, with_metrics=True) as server:
        bearer = {"authorization": "Bearer second-secret-key"}
        right = {**BODY, "api_key": "first-secret-key"}
        assert server.post("/translate", right).status_code == 200
        assert server.send("POST", "/translate", data=right).status_code == 200
        assert server.post("/translate", BODY, headers=bearer).status_code == 200
        assert server.post("/v1/translate", {"source": "a"}, headers=bearer).status_code == 200
        assert server.post("/v1/translate", {"source": "a", "api_key": "first-secret-key"}).status_code == 200
        for path, body in (("/translate", BODY), ("/detect", BODY), ("/v1/translate", {"source": "a"})):
            response = server.post(path, body)
            assert response.status_code == 403
            assert response.json() == {"error": "Please contact the server operator to get an API key"}
            response = server.post(path, {**body, "api_key": "first-secret-ke"})
            assert (response.status_code, response.json()) == (403, {"error": "Invalid API key"})
        assert server.post("/translate", {**BODY, "api_key": ["x"]}).status_code == 403
        assert server.send("GET", "/metrics").status_code == 403
        assert server.send("GET", "/metrics", headers=bearer).status_code == 200
        for path in ("/languages", "/health", "/frontend/settings", "/openapi.json", "/docs", "/v1/models"):
            assert server.send("GET", path).status_code == 200
        assert server.send("GET", "/frontend/settings").json()["keyRequired"]


def test_all_keys_are_compared(keys, monkeypatch):
    compared = []
    monkeypatch.setattr(access.hmac, "compare_digest", lambda a, b: compared.append(a) or a == b)
    assert keys.check("first-secret-key") == "key of line 2"
    assert len(compared) == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [("# none\n", "has no API key"), ("short\n", "line 1: a key has at least 8"), ("two words here\n", "line 1")],
)
def test_files_without_usable_keys_are_refused(tmp_path, keys, text, message):
    path = tmp_path / "other"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(NmtError, match=message):
        ApiKeys(path)
    (tmp_path / "keys").write_text(text, encoding="utf-8")
    with pytest.raises(NmtError):
        keys.reload()
    assert keys.check("first-secret-key")


def test_the_rate_is_limited_for_each_client(bpe):
    with ToyServer([toy_model(bpe)], Limits(rate=3)) as server:
        statuses = [server.post("/translate", BODY).status_code for _ in range(4)]
        assert statuses == [200, 200, 200, 429]
        response = server.post("/translate", BODY)
        assert response.json() == {"error": "Slowdown: 3 per 1 minute"}
        assert 1 <= int(response.headers["retry-after"]) <= 20
        assert server.send("GET", "/languages").status_code == 200


def test_a_bucket_fills_with_time(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(access.time, "monotonic", lambda: now[0])
    limit = RateLimit(60)

    def allowed(client):
        count = 0
        while True:
            try:
                limit.check(client)
            except ApiError:
                return count
            count += 1

    assert allowed("a") == 60 and allowed("b") == 60
    now[0] = 2.5
    assert allowed("a") == 2
    now[0] = 1000.0
    assert allowed("a") == 60
    monkeypatch.setattr(access, "MAX_CLIENTS", 10)
    for client in range(100):
        limit.check(str(client))
    assert len(limit._clients) == 10


def test_a_translation_that_takes_too_long_is_given_up(bpe):
    gate = threading.Event()

    class Slow(EchoModel):
        batches_at_once, batch_tokens, rounds_rows = 1, 100, False

        def encode(self, source, lengths):
            assert gate.wait(30)
            return super().encode(source, lengths)

    with ToyServer([toy_model(bpe, engine=Slow(bpe.size))], Limits(timeout=0.2)) as server:
        response = server.post("/translate", {**BODY, "q": "the cat\n" * 300})
        assert response.status_code == 503
        assert response.json() == {"error": "The translation took longer than 0.2 seconds; send less text"}
        assert response.headers["retry-after"]
        assert server.service._scheduler.waiting == 0
        gate.set()
        response = server.post("/translate", BODY)
        while response.status_code == 503:  # the batch that had begun goes on
            response = server.post("/translate", BODY)
        assert response.json() == {"translatedText": "the cat"}


def test_headers(bpe):
    with ToyServer([toy_model(bpe)]) as server:
        for method, path, status in (
            ("GET", "/languages", 200),
            ("POST", "/translate", 400),
            ("GET", "/nothing", 404),
            ("PUT", "/translate", 405),
            ("OPTIONS", "/translate", 204),
            ("HEAD", "/health", 200),
        ):
            response = server.send(method, path)
            assert response.status_code == status
            assert response.headers["access-control-allow-origin"] == "*"
            assert response.headers["x-content-type-options"] == "nosniff"
            assert "default-src 'none'" in response.headers["content-security-policy"]
        assert server.send("OPTIONS", "/translate").headers["access-control-allow-methods"] == "GET, POST, OPTIONS"
        assert server.send("GET", "/nothing").json() == {"error": "Not Found"}
        for path in ("/page/../v1.py", "/page/%2e%2e/v1.py", "/docs-files/..%2fv1.py", "/swagger/../__init__.py"):
            assert server.send("GET", path).status_code == 404


def test_a_bug_is_status_500_and_logged(bpe, monkeypatch, caplog):
    with ToyServer([toy_model(bpe)]) as server:
        monkeypatch.setattr(server.service, "check_size", lambda texts: 1 // 0)
        logging.getLogger("nmt").setLevel(logging.INFO)
        response = server.post("/translate", BODY)
        assert response.status_code == 500
        assert list(response.json()) == ["error"]
        assert any(record.exc_info for record in caplog.records)


def test_the_log_has_figures_and_no_text(bpe, caplog):
    caplog.set_level(logging.INFO, "nmt")
    with ToyServer([toy_model(bpe)]) as server:
        server.post("/translate", {**BODY, "q": "the cat. a mat\n"})
        server.send("GET", "/download_file/secret/a.txt")
    fields = [record.fields for record in caplog.records if hasattr(record, "fields")]
    assert fields[0] | {"ms": 0, "queue_ms": 0, "tokens": 0} == {
        "method": "POST", "path": "/translate", "status": 200, "ms": 0, "client": "192.0.2.7", "characters": 15,
        "model": "toy", "lines": 1, "sentences": 2, "tokens": 0, "queue_ms": 0,
    }  # fmt: skip
    assert "secret" not in json.dumps(fields[1])
    with ToyServer([toy_model(bpe)], log_text=True) as server:
        server.translate("the cat")
    assert [record.fields.get("text") for record in caplog.records if hasattr(record, "fields")][-1] == ["the cat"]


def test_log_lines(caplog):
    logger = logging.getLogger("nmt.test")
    caplog.set_level(logging.INFO, "nmt")
    logger.info("request", extra={"fields": {"path": "/a b\u2028\x1b", "status": 200}})
    line = _Formatter("json").format(caplog.records[-1])
    assert "\n" not in line and line.isascii()
    values = json.loads(line)
    assert values["level"] == "info" and values["path"] == "/a b\u2028\x1b" and values["status"] == 200
    line = _Formatter("text").format(caplog.records[-1])
    assert line.endswith('info: request path="/a b\\u2028\\u001b" status=200')


def test_metrics_count_requests_and_batches(bpe):
    with ToyServer([toy_model(bpe)], with_metrics=True) as server:
        server.translate("the cat. a mat")
        server.send("GET", "/nothing/at/all")
        text = server.send("GET", "/metrics").text
    assert 'nmt_requests_total{route="/translate",status="200"} 1.0' in text
    assert 'nmt_requests_total{route="other",status="404"} 1.0' in text
    assert "nmt_sentences_total 2.0" in text and "nmt_queue_sentences 0.0" in text
    with ToyServer([toy_model(bpe)]) as server:
        assert server.send("GET", "/metrics").status_code == 404


def test_reloading_takes_new_models_and_keeps_the_old_ones_if_it_fails(bpe):
    with ToyServer([toy_model(bpe)]) as server:
        server.service._loader = type("Loader", (), {"load": lambda self: (_ for _ in ()).throw(NmtError("damaged"))})()
        server.service.reload()
        assert server.translate("the cat") == {"translatedText": "the cat"}
        server.service._loader = type("Loader", (), {"load": lambda self: loaded})()
        loaded = type(server.service.models)((toy_model(bpe, ("en", "fr", "")),))
        server.service.reload()
        assert server.send("GET", "/languages").json()[0]["targets"] == ["fr"]


def test_the_documentation_needs_nothing_from_outside(bpe):
    with ToyServer([toy_model(bpe)]) as server:
        page = server.send("GET", "/docs")
        assert "http" not in page.text.replace("openapi.json", "")
        for part in ("swagger/swagger-ui.css", "swagger/swagger-ui-bundle.js", "docs-files/start.js"):
            assert part in page.text and server.send("GET", f"/{part}").status_code == 200
        document = server.send("GET", "/openapi.json").json()
    assert {"/translate", "/detect", "/languages", "/translate_file", "/v1/translate", "/v1/models", "/health"} <= set(
        document["paths"]
    )
    body = document["paths"]["/v1/translate"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert {"source", "beam_size", "n_best", "split_sentences"} <= set(body["properties"])


def test_many_requests_at_once_get_their_own_answers(bpe):
    texts = [f"the cat sat on {'a mat ' * (i % 7)}{i}." for i in range(150)]
    with ToyServer([toy_model(bpe)]) as server:
        found = server.send_all([("POST", "/translate", {"json": {**BODY, "q": text}}) for text in texts])
    assert all(isinstance(each, httpx.Response) for each in found)
    assert [each.json()["translatedText"].split() for each in found] == [text.split() for text in texts]
