"""`nmt attention` on a whole run folder."""

from pathlib import Path

import pytest
from click.testing import CliRunner
from tiny_run import make_run

from nmt.cli.attention import command, place
from nmt.errors import NmtError


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("attention"))


def invoke(run: Path, text: str, *arguments: str) -> list[str]:
    options = ["--model", str(run), "--device", "cpu", "--precision", "fp32", *arguments]
    result = CliRunner().invoke(command, options, input=text, catch_exceptions=False, standalone_mode=False)
    return result.stdout.split("\n")[:-1]


@pytest.mark.parametrize("level", ["word", "piece"])
def test_one_sentence_one_svg_with_its_words(run: Path, tmp_path: Path, level: str) -> None:
    path = tmp_path / "a.svg"
    assert invoke(run, "a dog runs\n", "-o", str(path), "--level", level) == [str(path)]
    svg = path.read_text(encoding="utf-8")
    assert (">dog</text>" in svg) == (level == "word")
    assert (">d</text>" in svg) == (level == "piece")
    assert "&lt;/s&gt;" in svg


def test_several_sentences_make_several_files_and_empty_ones_none(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "a dog\n\nthe cat\n"
    assert invoke(run, text, "-o", str(tmp_path / "maps")) == [str(tmp_path / "maps" / f"{n}.png") for n in (1, 3)]
    assert invoke(run, text, "-o", str(tmp_path / "a.svg")) == [str(tmp_path / f"a-{n}.svg") for n in (1, 3)]


def test_chinese_in_svg_is_text_even_without_a_font(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = make_run(tmp_path, more="中文")
    monkeypatch.setattr("matplotlib.font_manager.findSystemFonts", list)
    invoke(run, "中文 a\n", "-o", str(tmp_path / "a.svg"))
    svg = (tmp_path / "a.svg").read_text(encoding="utf-8")
    assert ">中</text>" in svg
    assert ">文</text>" in svg
    with pytest.raises(NmtError, match="apt install fonts-wqy-zenhei"):
        invoke(run, "中文 a\n", "-o", str(tmp_path / "a.png"))


@pytest.mark.parametrize(
    ("output", "number", "count", "expected"),
    [
        ("maps", 1, 1, "maps/1.png"),
        ("maps", 2, 10, "maps/02.png"),
        ("x.svg", 1, 1, "x.svg"),
        ("d/x.svg", 3, 4, "d/x-3.svg"),
        ("x.PNG", 7, 100, "x-007.PNG"),
    ],
)
def test_where_pictures_go(output: str, number: int, count: int, expected: str) -> None:
    assert place(Path(output), number, count) == Path(expected)


def test_mistakes(run: Path, tmp_path: Path) -> None:
    with pytest.raises(NmtError, match=r"a\.gif: the name of a picture ends in \.png"):
        invoke(run, "a\n", "-o", str(tmp_path / "a.gif"))
    with pytest.raises(NmtError, match="nothing to draw: give sentences"):
        invoke(run, "", "-o", str(tmp_path / "a.png"))
    (tmp_path / "no.ttf").touch()
    with pytest.raises(NmtError, match=r"no\.ttf: not a font"):
        invoke(run, "a\n", "--font", str(tmp_path / "no.ttf"))
