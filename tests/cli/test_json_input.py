"""Translation of JSON lines: one line out for each object."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from test_translate import make_run as make_tagged_run
from tiny_run import SOURCE, make_run

from nmt.cli.translate import command
from nmt.errors import NmtError


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("json"))


def translate(run: Path, text: str, *arguments: object) -> list[str]:
    words = ["--model", run, "--device", "cpu", "--precision", "fp32", *arguments]
    result = CliRunner().invoke(command, [str(word) for word in words], input=text.encode(), catch_exceptions=False)
    assert result.stdout.endswith("\n")
    return result.stdout[:-1].split("\n")


def lines(objects: list[dict[str, Any]]) -> str:
    return "".join(f"{json.dumps(one, ensure_ascii=False)}\n" for one in objects)


def test_an_object_is_translated_like_its_text(run: Path) -> None:
    plain = translate(run, "".join(f"{line}\n" for line in SOURCE))
    objects = lines([{"id": number, "source": line} for number, line in enumerate(SOURCE)])
    as_json = ["--input-format", "json"]
    assert translate(run, objects, *as_json) == plain
    assert translate(run, objects, *as_json, "-n", 2, "--format", "moses")[0].startswith(f"0 ||| {plain[0]} ||| F0= ")


def test_other_keys_are_printed_with_the_translation(run: Path) -> None:
    given = [
        {"id": "a/1", "source": "a dog", "meta": {"x": [1, None, "ü\u2028"]}, "hypotheses": "old"},
        {"source": "", "tags": []},
        {"source": "two\nlines\r\u0085here", "id": 2},
    ]
    text = lines(given) + '{"source": "a dog", "odd": "\\ud800"}\n'
    found = [json.loads(line) for line in translate(run, text, "--input-format", "json", "--format", "json")]
    assert [list(one) for one in found[:3]] == [
        ["id", "source", "meta", "hypotheses"],
        ["source", "tags", "hypotheses"],
        ["source", "id", "hypotheses"],
    ]
    assert found[0]["meta"] == given[0]["meta"] and found[0]["hypotheses"][0]["text"] and found[1]["tags"] == []
    assert found[1]["hypotheses"][0]["text"] == "" and found[2]["source"] == "two lines  here"
    assert found[3]["odd"] == "\ud800"
    output = "".join(f"{json.dumps(one)}\n" for one in found)
    assert [json.loads(line) for line in translate(run, output, "--input-format", "json", "--format", "json")] == found


def test_each_object_can_have_its_own_prefix(run: Path) -> None:
    objects = lines([{"source": "a dog", "prefix": "zwei"}, {"source": "a dog"}, {"source": "a dog", "prefix": ""}])
    alone = [translate(run, "a dog\n", "--prefix", word)[0] for word in ("zwei", "ein")]
    plain = translate(run, "a dog\n")[0]
    assert translate(run, objects, "--input-format", "json") == [alone[0], plain, plain]
    assert translate(run, objects, "--input-format", "json", "--prefix", "ein") == [alone[0], alone[1], alone[1]]
    with pytest.raises(NmtError, match="line 2: a line with a prefix needs shortlist 0"):
        translate(run, lines([{"source": "a dog"}]) + objects, "--input-format", "json", "--shortlist", 4)


def test_each_object_can_have_its_own_tag(tmp_path: Path) -> None:
    run = make_tagged_run(tmp_path / "tagged", seed=5, tags=("<2de>", "<2fr>"))
    tags = ["<2de>", "<2fr>", "<2de>"]
    objects = lines([{"source": "the cat sat", "tag": tag} for tag in tags] + [{"source": "<2fr> the cat sat"}])
    alone = {tag: translate(run, "the cat sat\n", "--tag", tag)[0] for tag in tags}
    expected = [alone[tag] for tag in [*tags, "<2fr>"]]
    assert len(set(expected)) == 2
    assert translate(run, objects, "--input-format", "json") == expected
    assert translate(run, objects, "--input-format", "json", "--tag", "<2fr>") == expected
    with pytest.raises(NmtError, match=r"line 2: tag <2xx>: this model was not trained with it; its tags are: <2de>"):
        translate(
            run, lines([{"source": "a", "tag": "<2de>"}, {"source": "a", "tag": "<2xx>"}]), "--input-format", "json"
        )
    with pytest.raises(NmtError, match=r"line 1: .*several translation directions"):
        translate(run, lines([{"source": "a"}]), "--input-format", "json")


def test_an_error_names_the_line_that_is_not_an_object(run: Path, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text('{"source": "a"}\n{"text": "b"}\n', encoding="utf-8")
    with pytest.raises(NmtError, match=r"in.jsonl, line 2: not an object with the text to translate under 'source'"):
        translate(run, "", "-i", tmp_path / "in.jsonl", "--input-format", "json")
    with pytest.raises(NmtError, match="standard input, line 1: not JSON"):
        translate(run, "a dog\n", "--input-format", "json")
