"""The `nmt` command: its help, and how errors become one line on stderr and an exit status."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from nmt import __version__
from nmt.__main__ import main
from nmt.cli.main import COMMANDS, cli


class Nmt:
    """Runs the command line in this process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch, self._capfd = monkeypatch, capfd

    def __call__(self, *arguments: str) -> tuple[Any, str, str]:
        """Return exit status, stdout and stderr of `nmt` with these arguments."""
        self._monkeypatch.setattr(sys, "argv", ["nmt", *arguments])
        status: Any = 0
        try:
            main()
        except SystemExit as error:
            status = error.code
        return (status, *self._capfd.readouterr())


@pytest.fixture
def nmt(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Nmt:
    monkeypatch.chdir(tmp_path)
    return Nmt(monkeypatch, capfd)


def test_help_imports_no_large_library() -> None:
    code = (
        "import sys; from nmt.cli.main import cli\n"
        "cli.main(['--help'], standalone_mode=False)\n"
        "sys.exit(bool({'torch', 'sentencepiece', 'sacrebleu', 'matplotlib', 'pydantic', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert all(command in done.stdout for command in COMMANDS)


def test_python_runs_the_package_as_a_command() -> None:
    done = subprocess.run([sys.executable, "-m", "nmt", "--version"], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == (f"nmt, version {__version__}\n", "")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str) -> None:
    done = CliRunner().invoke(cli, [command, "--help"], prog_name="nmt")
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.startswith(f"Usage: nmt {command}")


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        ("trian", 2, "No such command 'trian'"),
        ("train", 2, "--config"),
        ("train --config none.yaml", 1, "nmt: error: none.yaml: no such config file"),
        ("translate --model none", 1, "nmt: error: none: no such run folder; train one with"),
    ],
)
def test_a_mistake_of_the_user_is_reported_without_a_traceback(
    nmt: Nmt, arguments: str, status: int, message: str
) -> None:
    found, out, err = nmt(*arguments.split())
    assert (found, out) == (status, "")
    assert message in err and "Traceback" not in err


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (KeyboardInterrupt(), 130, "interrupted"),
        (MemoryError(), 1, "error: out of memory: use smaller batches"),
        (RuntimeError("CUDA out of memory. Tried to allocate"), 1, "error: out of memory"),
        (ImportError("x.so: failed to map segment from shared object"), 1, "error: out of memory"),
        (RuntimeError("could not create a primitive"), 1, "error: out of memory"),
        (OSError(28, "No space left on device"), 1, "error: output: No space left on device"),
        (FileNotFoundError(2, "No such file or directory", "a.txt"), 1, "error: a.txt: No such file or directory"),
        (BrokenPipeError(32, "Broken pipe"), 1, ""),
    ],
)
def test_an_error_of_the_system_is_one_line(
    nmt: Nmt, monkeypatch: pytest.MonkeyPatch, error: BaseException, status: int, message: str
) -> None:
    def fail(*arguments: object) -> None:
        raise error

    monkeypatch.setattr("nmt.evaluation.scored_files.read_texts", fail)
    found, out, err = nmt("score", "-r", "none")
    assert (found, out) == (status, "")
    assert err.strip().startswith(f"nmt: {message}") and err.strip().count("\n") == 0 if message else err == ""


def test_other_errors_keep_their_traceback(nmt: Nmt, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nmt.evaluation.scored_files.read_texts", None)
    with pytest.raises(TypeError):
        nmt("score", "-r", "none")


def test_an_interrupt_during_imports_is_one_line(nmt: Nmt, monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupt:
        def find_spec(self, name: str, *rest: object) -> None:
            raise KeyboardInterrupt

    monkeypatch.delitem(sys.modules, "nmt.cli.main")
    monkeypatch.setattr(sys, "meta_path", [Interrupt()])
    assert nmt("--version") == (130, "", "nmt: interrupted\n")


@pytest.mark.parametrize(
    ("stream", "arguments", "message"),
    [
        ("stdin", "score -r k", "nmt: error: standard input is closed; name a file to read\n"),
        ("stdout", "score -r k k", "nmt: error: standard output is closed"),
        ("stdout", "config keys name", "nmt: error: standard output is closed"),
    ],
)
def test_a_closed_stream_is_named(
    nmt: Nmt, monkeypatch: pytest.MonkeyPatch, stream: str, arguments: str, message: str
) -> None:
    Path("k").write_text("a b c d\n", encoding="utf-8")
    monkeypatch.setattr(sys, stream, None)
    status, _, err = nmt(*arguments.split())
    assert status == 1 and err.startswith(message) and err.count("\n") == 1


def test_messages_are_dropped_if_stderr_is_closed(nmt: Nmt, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    assert nmt("score")[0] == 2
    with sys.stderr:
        assert not sys.stderr.isatty()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full")
@pytest.mark.parametrize(
    ("stream", "status", "err"), [("2", 0, ""), ("1", 1, "nmt: error: output: No space left on device\n")]
)
def test_only_lost_results_are_an_error_if_a_stream_is_full(tmp_path: Path, stream: str, status: int, err: str) -> None:
    (tmp_path / "k").write_text("a b c .\n" * 200, encoding="utf-8")  # a warning: the text looks tokenised
    code = f'"{sys.executable}" -m nmt score -r k k {stream}>/dev/full'
    done = subprocess.run(["sh", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == status
    assert (done.stderr.split("--tokenize none\n")[-1] == err) and bool(done.stdout) == (status == 0)


def test_completion_script(nmt: Nmt, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_NMT_COMPLETE", "bash_source")
    assert "_nmt_completion" in nmt()[1]
