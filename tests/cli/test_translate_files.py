"""`nmt translate --output-folder` and `nmt shards`: many files, in parts, with every format."""

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from text_files import write_lines
from tiny_run import make_run

from nmt.cli import translate
from nmt.cli.main import cli
from nmt.errors import NmtError

posix = pytest.mark.skipif(os.name != "posix", reason="signals")
LINES = [" ".join(["a dog", "the cat", "here ."][: n % 4]) + f" {n}" * (n % 3) for n in range(23)]
MACHINE = ["--device", "cpu", "--precision", "fp32"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("files"))


@pytest.fixture(autouse=True)
def inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write the same lines to in/a, in/b.gz and, as JSON, to json/a."""
    monkeypatch.chdir(tmp_path)
    for name in ("in", "json"):
        Path(name).mkdir()
    write_lines("in/a", LINES)
    Path("in/b.gz").write_bytes(gzip.compress(Path("in/a").read_bytes()))
    objects = [{"id": n, "source": line, "prefix": "x" * (n % 2)} for n, line in enumerate(LINES)]
    write_lines("json/a", [json.dumps(each) for each in objects])


def call(run: Path, *arguments: str) -> Result:
    words = ["--model", str(run), *MACHINE, *arguments]
    return CliRunner().invoke(translate.command, words, catch_exceptions=False)


@pytest.mark.parametrize(
    "options",
    [
        ["--format", "moses", "--n-best", "2", "--alignments", "-"],
        ["--format", "json", "--split-sentences", "--prefix", "ein"],
        ["--sample", "--seed", "3", "--n-best", "2"],
    ],
)
def test_each_output_is_that_of_the_file_alone(run: Path, options: list[str]) -> None:
    """Line numbers and random draws do not depend on the parts either."""
    expected = call(run, "-i", "in/a", *options).stdout
    assert expected.count("\n") >= len(LINES) and options
    result = call(run, "-i", "in/*", "--output-folder", "out", "--part-lines", "9", *options)
    assert result.stdout == "" and "translated 46 lines" in result.stderr and "2 of 2 files" in result.stderr
    assert Path("out/a").read_text(encoding="utf-8") == expected
    assert gzip.decompress(Path("out/b.gz").read_bytes()).decode() == expected
    assert {path.name for path in Path("out").iterdir()} == {"a", "b.gz", "manifest.json"}


def test_json_input_keeps_other_keys_and_prefixes_and_an_error_names_file_and_line(run: Path) -> None:
    json_options = ["--input-format", "json", "--format", "json"]
    expected = call(run, "-i", "json/a", *json_options).stdout
    lines = Path("json/a").read_text(encoding="utf-8").split("\n")
    write_lines("json/bad", [*lines[:12], "not JSON", *lines[12:23]])
    arguments = ["-i", "json/*", "--output-folder", "out", "--part-lines", "5", *json_options]
    with pytest.raises(NmtError, match=r"1 file could not be translated.*\n  \S+json/bad, line 13: not JSON"):
        call(run, *arguments)
    assert Path("out/a").read_text(encoding="utf-8") == expected and not Path("out/bad").exists()
    shards = CliRunner().invoke(cli, ["shards", "out"])
    assert isinstance(shards.exception, NmtError) and "1 of 2 files are not complete" in str(shards.exception)
    assert ["bad", "24", "5", "2", "2-4", "failed"] in [row.split() for row in shards.stdout.split("\n")]
    assert "json/bad, line 13: not JSON" in shards.stderr
    write_lines("json/bad", lines[:23])
    assert call(run, *arguments).exit_code == 0 and Path("out/bad").read_text(encoding="utf-8") == expected


def test_shards_translate_their_parts_and_the_same_command_does_nothing_again(run: Path) -> None:
    def translate_shard(folder: str, *shard: str) -> str:
        arguments = ["-i", "in/a", "-i", "in/b.gz", "--output-folder", folder, "--part-lines", "4"]
        return call(run, *arguments, *shard).stderr

    assert "12 of 12 parts to translate, 46 lines" in translate_shard("whole")
    assert "shard 2 of 2: 6 of 6 parts to translate" in (log := translate_shard("out", "--shard", "2/2"))
    assert "0 of 2 files are complete in out" in log and "nmt shards out" in log
    assert "shard 2 of 2: 0 of 6 parts to translate" in translate_shard("out", "--shard", "2/2")
    assert "2 of 2 files are complete in out" in translate_shard("out", "--shard", "1/2")
    for name in ("a", "b.gz", "manifest.json"):
        assert Path("out", name).read_bytes() == Path("whole", name).read_bytes()
    shards = CliRunner().invoke(cli, ["shards", "out", "--check"])
    assert shards.exit_code == 0 and "2 of 2 complete" in shards.stdout
    assert "0 of 0 parts to translate" in translate_shard("out")


def test_warnings_count_the_lines_of_all_parts(run: Path) -> None:
    Path("in/a").write_bytes(b"a\n\xff\nb\nc\n\xfe\n")
    result = call(run, "-i", "in/a", "--output-folder", "out", "--part-lines", "2")
    assert "in/a: 2 of 5 lines are not valid UTF-8, the first is line 2" in result.stderr
    assert Path("out/a").read_bytes().count(b"\n") == 5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            "-i a -i b",
            "--input may be given once, and has the values 'a' and 'b'; choose one, or translate all of them",
        ),
        ("-i x/*.gz", "--input 'x/*.gz' is a pattern of files, which needs --output-folder FOLDER"),
        ("--shard 1/2", "--shard needs --output-folder"),
        ("-i a --part-lines 5", "--part-lines needs --output-folder"),
        ("--output-folder out", "--output-folder needs --input FILE, or a pattern in quotes"),
        ("-i a -i - --output-folder out", "needs files as --input, not standard input"),
        ("-i a -o b --output-folder out", "--output and --output-folder exclude each other"),
        ("-i a --resume --output-folder out", "needs no --resume: the same command goes on"),
        ("-i a --alignments b --output-folder out", "append alignments to the lines with --alignments -"),
        ("-i a --prefix-file b --output-folder out", "--prefix-file does not fit --output-folder; give prefixes"),
        ("-i a --output-folder out --shard 0/2", "0/2: shards are numbered from 1 to 2; with Slurm: --array=1-2"),
        ("-i a --output-folder out --shard 3/2", "3/2: shards are numbered from 1 to 2"),
        (
            "-i a --output-folder out --shard /",
            "is not a shard; write I/N, such as 2/8 for the second of eight; are SLURM",
        ),
        ("-i a --output-folder out --shard 1", "'1' is not a shard; write I/N, such as 2/8 for the second of eight\n"),
        ("-i a --output-folder out --part-lines 0", "0 is not in the range"),
    ],
)
def test_options_that_do_not_fit_are_usage_errors(run: Path, arguments: str, message: str) -> None:
    result = call(run, *arguments.split())
    assert result.exit_code == 2 and message in result.stderr


def test_errors_that_need_no_model_come_first(tmp_path: Path) -> None:
    with pytest.raises(NmtError, match=r"in: is a folder; give its files as a pattern"):
        call(tmp_path / "no-model", "-i", "in", "--output-folder", "out")
    assert not Path("out").exists()


INTERRUPTED = """
import os, signal, sys
from nmt.__main__ import main
from nmt.decoding.part_translation import PartTranslator
translate, parts = PartTranslator.translate, []
def translate_or_stop(self, part, on_batch):
    parts.append(part)
    return translate(self, part, on_batch if len(parts) < 4 else lambda *_: os.kill(os.getpid(), signal.SIGINT))
PartTranslator.translate = translate_or_stop
sys.argv[0] = "nmt"
main()
"""
"""`nmt`, with an interrupt in the fourth part."""


@posix
def test_ctrl_c_loses_at_most_one_part(run: Path) -> None:
    """SIGKILL: see scripts/fault_injection/translate_files.py."""
    write_lines("in/a", LINES * 40)
    Path("in/b.gz").unlink()
    command = [sys.executable, "-c", INTERRUPTED, "translate", "--model", str(run), *MACHINE, "--input", "in/*"]
    command += ["--output-folder", "out", "--part-lines", "100"]
    stopped = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (stopped.returncode, stopped.stdout) == (130, "") and "Traceback" not in stopped.stderr
    assert "stopped: 3 of 10 parts" in stopped.stderr
    assert sorted(path.name for path in Path("out/.parts/a").iterdir()) == [
        "000000", "000001", "000002", "plan.json",
    ]  # fmt: skip
    log = call(run, "-i", "in/*", "--output-folder", "out", "--part-lines", "100").stderr
    assert "7 of 10 parts to translate" in log and not Path("out/.parts").exists()
    assert Path("out/a").read_text(encoding="utf-8") == call(run, "-i", "in/a").stdout
