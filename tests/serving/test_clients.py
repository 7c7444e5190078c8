"""Existing clients of LibreTranslate work with `nmt serve`: libretranslatepy (PyPI) and libretranslate (npm)."""

import json
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest
from libretranslatepy import LibreTranslateAPI
from serving.server_process import Server, serve

import nmt

TEXTS = ["a dog runs", "the cat sleeps here", "two women see the dog"]
CALL = """
const { translate } = require(process.argv[1]);
translate(JSON.parse(process.argv[2])).then(
    (text) => console.log(JSON.stringify({ text: text === undefined ? null : text })),
    (error) => console.log(JSON.stringify({ error: error.message })),
);
"""


@pytest.fixture(scope="module")
def expected(served_run: Path) -> dict[str, str]:
    """The translation of each of `TEXTS` with the Python API."""
    found = nmt.load(served_run).translate(TEXTS)
    return {text: translation.text for text, translation in zip(TEXTS, found, strict=True)}


@pytest.fixture
def client(running_server: Server) -> LibreTranslateAPI:
    return LibreTranslateAPI(running_server.url)


@pytest.mark.parametrize("source", ["en", "auto"])
def test_python_client_translates(client: LibreTranslateAPI, expected: dict[str, str], source: str) -> None:
    assert {text: client.translate(text, source, "de") for text in TEXTS} == expected


def test_python_client_keeps_white_space(client: LibreTranslateAPI, expected: dict[str, str]) -> None:
    text = f"  {TEXTS[0]}\n\n{TEXTS[1]}\n"
    assert client.translate(text, "en", "de") == f"  {expected[TEXTS[0]]}\n\n{expected[TEXTS[1]]}\n"


def test_python_client_detects(client: LibreTranslateAPI) -> None:
    assert client.detect("the dog runs") == [{"confidence": 100.0, "language": "en"}]


def test_python_client_lists_languages(client: LibreTranslateAPI) -> None:
    """Clients look up source and target in the list, so that it also has languages that are targets only."""
    found = {language["code"]: language for language in client.languages()}
    assert found.keys() == {"en", "de"}
    assert found["en"]["name"] == "English" and "de" in found["en"]["targets"]
    assert found["de"]["name"] == "German" and "en" not in found["de"]["targets"]


def test_python_client_gets_the_message_of_an_error(client: LibreTranslateAPI) -> None:
    with pytest.raises(HTTPError) as caught:
        client.translate("a dog", "en", "zz")
    with caught.value as error:
        assert (error.code, json.load(error)) == (400, {"error": "zz is not supported"})


@pytest.fixture(scope="module")
def server_with_keys(served_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that asks for an API key."""
    folder = tmp_path_factory.mktemp("keys")
    (folder / "keys").write_text("first-key\nsecond-key\n", encoding="utf-8")
    with serve(folder, served_run, options=("--api-keys", str(folder / "keys"))) as server:
        yield server


def test_python_client_sends_its_key(server_with_keys: Server, expected: dict[str, str]) -> None:
    client = LibreTranslateAPI(server_with_keys.url, "second-key")
    assert client.translate(TEXTS[0], "en", "de") == expected[TEXTS[0]]
    assert client.detect(TEXTS[0])[0]["language"] == "en"
    assert len(client.languages()) == 2


@pytest.mark.parametrize("key", [None, "", "third-key", "first-key\nsecond-key", "ключ"])
def test_python_client_without_a_valid_key_is_refused(server_with_keys: Server, key: str | None) -> None:
    client = LibreTranslateAPI(server_with_keys.url, key)
    for call in (lambda: client.translate(TEXTS[0], "en", "de"), lambda: client.detect(TEXTS[0])):
        with pytest.raises(HTTPError) as caught:
            call()
        with caught.value as error:
            assert error.code == 403 and json.load(error)["error"]
    assert len(client.languages()) == 2, "the list of languages needs no key"


@pytest.fixture(scope="module")
def npm_client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The module of npm's package libretranslate, which is AGPL and therefore not in the repository."""
    folder = tmp_path_factory.mktemp("npm")
    if not (npm := shutil.which("npm")) or not shutil.which("node"):
        pytest.skip("npm and node are not installed")
    command = [npm, "pack", "libretranslate@1.0.1", "--silent", "--fetch-retries=0", "--cache", str(folder / "cache")]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"npm cannot download libretranslate: {done.stderr.strip()[:200] or 'no message'}")
    (archive,) = folder.glob("*.tgz")
    with tarfile.open(archive) as file:
        content = file.extractfile("package/dist/translate.js")
        assert content is not None
        (folder / "translate.js").write_bytes(content.read())
    return folder / "translate.js"


def call_npm_client(module: Path, server: Server, **arguments: Any) -> dict[str, Any]:
    """Return the text or the error that the client gives."""
    values = json.dumps({"apiurl": server.url, **arguments})
    done = subprocess.run(["node", "-e", CALL, str(module), values], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


@pytest.mark.parametrize("source", [{"source": "en"}, {}, {"source": "auto"}])
def test_npm_client_translates(
    npm_client: Path, running_server: Server, expected: dict[str, str], source: dict[str, str]
) -> None:
    found = call_npm_client(npm_client, running_server, query=TEXTS[0], target="de", **source)
    assert found == {"text": expected[TEXTS[0]]}


def test_npm_client_translates_a_list(npm_client: Path, running_server: Server, expected: dict[str, str]) -> None:
    found = call_npm_client(npm_client, running_server, query=TEXTS, source="en", target="de")
    assert found == {"text": list(expected.values())}


def test_npm_client_refuses_unknown_languages(npm_client: Path, running_server: Server) -> None:
    found = call_npm_client(npm_client, running_server, query=TEXTS[0], source="en", target="zz")
    assert found == {"error": "This language was not found/does not exist."}


def test_npm_client_gets_no_text_for_html(npm_client: Path, running_server: Server) -> None:
    found = call_npm_client(npm_client, running_server, query=TEXTS[0], source="en", target="de", format="html")
    assert found == {"text": None}
