"""scripts/corpora/download_multi30k.py with a local web server and local folders, on tiny invented files."""

import gzip
import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from scripts.corpora import download_multi30k as script

RAW, TOK = "train.en.gz", "tok/train.lc.norm.tok.en.gz"
TEXTS = {RAW: b"A man sleeps .\nTwo dogs.\n", TOK: b"a man sleeps .\ntwo dogs .\n"}


KNOWN = {name: script.Known(hashlib.sha256(text).hexdigest(), 2) for name, text in TEXTS.items()}


class Server:
    """A web server with a queue of answers for each path: bytes, an HTTP status, or "cut" for a broken body."""

    def __init__(self, answers: dict[str, list[bytes | int | str]]) -> None:
        self.requests: list[str] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.requests.append(self.path)
                queue = answers.get(self.path, [404])
                answer = queue.pop(0) if len(queue) > 1 else queue[0]
                if isinstance(answer, int):
                    self.send_error(answer)
                    return
                body = b"half" if isinstance(answer, str) else answer
                self.send_response(200)
                self.send_header("Content-Length", str(len(body) * (2 if answer == "cut" else 1)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.http = HTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.http.server_port}"

    def close(self) -> None:
        self.http.shutdown()
        self.thread.join()
        self.http.server_close()


@pytest.fixture
def serve() -> Iterator[type[Server]]:
    servers: list[Server] = []

    class Tracked(Server):
        def __init__(self, answers: dict[str, list[bytes | int | str]]) -> None:
            super().__init__(answers)
            servers.append(self)

    yield Tracked
    for server in servers:
        server.close()


def fetch(source: str, output: Path) -> tuple[int, int]:
    result: tuple[int, int] = script.fetch(source, output, ["en"], KNOWN, attempts=3, pause=0.0)
    return result


def assert_complete(output: Path) -> None:
    assert {p.relative_to(output).as_posix() for p in output.rglob("*") if p.is_file()} == set(TEXTS)
    assert {name: gzip.decompress((output / name).read_bytes()) for name in TEXTS} == TEXTS


REPOSITORY: dict[str, list[bytes | int | str]] = {
    "/raw/train.en.gz": [gzip.compress(TEXTS[RAW])],
    "/tok/train.lc.norm.tok.en": [TEXTS[TOK]],
}
OURS: dict[str, list[bytes | int | str]] = {f"/{name}": [gzip.compress(text)] for name, text in TEXTS.items()}


@pytest.mark.parametrize("layout", [REPOSITORY, OURS], ids=["repository", "ours"])
def test_both_layouts_over_http_give_the_same_folder(
    serve: type[Server], tmp_path: Path, layout: dict[str, list[bytes | int | str]]
) -> None:
    server = serve({path: list(queue) for path, queue in layout.items()})
    assert fetch(server.url + "/", tmp_path / "out") == (2, 0)
    assert_complete(tmp_path / "out")


def test_a_second_run_sends_no_request_and_a_damaged_file_is_downloaded_again(
    serve: type[Server], tmp_path: Path
) -> None:
    server = serve(REPOSITORY)
    fetch(server.url, tmp_path)
    server.requests.clear()
    assert fetch(server.url, tmp_path) == (0, 2)
    assert server.requests == []
    (tmp_path / RAW).write_bytes((tmp_path / RAW).read_bytes()[:-9])
    assert fetch(server.url, tmp_path) == (1, 1)
    assert_complete(tmp_path)


@pytest.mark.parametrize("failure", [500, 503, 429, "cut"])
def test_temporary_failures_are_retried(serve: type[Server], tmp_path: Path, failure: int | str) -> None:
    server = serve({**REPOSITORY, "/raw/train.en.gz": [failure, failure, gzip.compress(TEXTS[RAW])]})
    assert fetch(server.url, tmp_path) == (2, 0)
    assert_complete(tmp_path)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (gzip.compress(b"A man sleeps !\nTwo dogs.\n"), "train.en.gz: wrong checksum"),
        (gzip.compress(b"A man sleeps .\n"), "train.en.gz: has 1 lines, not 2"),
        (gzip.compress(TEXTS[RAW])[:-9], "train.en.gz: broken gzip file"),
        (500, "train.en.gz: HTTP status 500 .*3 attempts.*--from"),
        (403, "train.en.gz: HTTP status 403"),
        (404, "has no train.en.gz .tried raw/train.en.gz, raw/train.en, "),
    ],
    ids=["other text", "too few lines", "cut short", "500", "403", "404"],
)
def test_the_error_names_the_file_and_nothing_is_written(
    serve: type[Server], tmp_path: Path, answer: bytes | int, message: str
) -> None:
    server = serve({**REPOSITORY, "/raw/train.en.gz": [answer]})
    with pytest.raises(script.DownloadError, match=message):
        fetch(server.url, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_unreachable_server_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(script.DownloadError, match=r"train\.en\.gz: .*3 attempts"):
        fetch("http://127.0.0.1:9", tmp_path)


@pytest.mark.parametrize("compressed", [True, False])
def test_a_local_folder_is_a_source(tmp_path: Path, compressed: bool) -> None:
    for name, text in TEXTS.items():
        path = tmp_path / "in" / (name if compressed else name.removesuffix(".gz"))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(text) if compressed else text)
    assert fetch(str(tmp_path / "in"), tmp_path / "out") == (2, 0)
    assert_complete(tmp_path / "out")


def test_written_bytes_depend_only_on_the_text(tmp_path: Path) -> None:
    for name in ("one", "two"):
        script.write(tmp_path / name / "x.gz", b"text\n")
    assert (tmp_path / "one" / "x.gz").read_bytes() == (tmp_path / "two" / "x.gz").read_bytes()


def test_command_line_errors_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert script.main(["--from", str(tmp_path / "nowhere"), "--output", str(tmp_path / "out")]) == 1
    error = capsys.readouterr().err
    assert "neither a folder nor an http(s) URL" in error
    assert error.count("\n") == 1


def test_checksums_cover_every_language_split_and_tokenisation() -> None:
    names = {name.removeprefix("tok/").replace(".lc.norm.tok", "").removesuffix(".gz") for name in script.FILES}
    assert names == {f"{s}.{lang}" for s in ("train", "val", "test_2016_flickr") for lang in script.LANGUAGES}
    assert len(script.FILES) == 2 * len(names)
