"""`nmt attention` on a whole run folder."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tiny_run import make_run

from nmt.cli.attention import command, output_file
from nmt.errors import NmtError


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("attention"))


def outcome(run: Path, text: str, *arguments: str) -> Result:
    options = ["--model", str(run), "--device", "cpu", "--precision", "fp32", *arguments]
    return CliRunner().invoke(command, options, input=text, standalone_mode=False)


def invoke(run: Path, text: str, *arguments: str) -> list[str]:
    result = outcome(run, text, *arguments)
    if result.exception is not None:
        raise result.exception
    return result.stdout.split("\n")[:-1]


@pytest.mark.parametrize("level", ["word", "piece"])
def test_one_sentence_one_svg_with_its_words(run: Path, tmp_path: Path, level: str) -> None:
    path = tmp_path / "a.svg"
    assert invoke(run, "a dog runs\n", "-o", str(path), "--level", level) == [str(path)]
    svg = path.read_text(encoding="utf-8")
    assert (">dog</text>" in svg) == (level == "word")
    assert (">d</text>" in svg) == (level == "piece")
    assert "&lt;/s&gt;" in svg


def test_several_sentences_make_several_files_and_empty_ones_none(run: Path, tmp_path: Path) -> None:
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
    lacking = outcome(run, "中文 a\n", "-o", str(tmp_path / "a.png"))
    assert isinstance(lacking.exception, NmtError) and "no line could be drawn" in str(lacking.exception)
    assert "line 1: no installed font has the characters 中文" in lacking.stderr
    assert "apt install fonts-wqy-zenhei" in lacking.stderr


def test_a_line_that_cannot_be_drawn_ends_nothing(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nmt.reports.attention_maps.MAX_TOKENS", 12)
    text = "a dog\na dog reads a book\n\nthe cat\n"
    result = outcome(run, text, "-o", str(tmp_path / "maps"), "--level", "piece")
    assert result.exit_code == 0
    assert result.stdout.split("\n")[:-1] == [str(tmp_path / "maps" / f"{n}.png") for n in (1, 4)]
    told = [line for line in result.stderr.split("\n") if line.startswith("line ")]
    assert "do not fit in one figure" in told[0] and "nothing to draw" in told[1]
    assert [line.split(":")[0] for line in told] == ["line 2", "line 3"]


def test_no_picture_at_all_is_a_mistake(run: Path, tmp_path: Path) -> None:
    with pytest.raises(NmtError, match="no line could be drawn"):
        invoke(run, "\n", "-o", str(tmp_path / "x.png"))
    assert not list(tmp_path.iterdir())


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
def test_names_of_output_files(output: str, number: int, count: int, expected: str) -> None:
    assert output_file(Path(output), number, count) == Path(expected)


def test_mistakes(run: Path, tmp_path: Path) -> None:
    with pytest.raises(NmtError, match=r"a\.gif: the file extension must be one of \.png"):
        invoke(run, "a\n", "-o", str(tmp_path / "a.gif"))
    with pytest.raises(NmtError, match="nothing to draw: give sentences"):
        invoke(run, "", "-o", str(tmp_path / "a.png"))
    (tmp_path / "no.ttf").touch()
    with pytest.raises(NmtError, match=r"no\.ttf: not a readable font"):
        invoke(run, "a\n", "--font", str(tmp_path / "no.ttf"))
