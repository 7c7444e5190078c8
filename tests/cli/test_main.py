"""The command group: quick, complete, and clear about mistakes."""

import os
import subprocess
import sys

import pytest

from nmt.cli.main import COMMANDS, main


def nmt(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "nmt", *arguments], capture_output=True, text=True, env=environment or None, check=False
    )


def test_help_imports_no_heavy_library():
    code = (
        "import sys; from nmt.cli.main import cli\n"
        "cli.main(['--help'], standalone_mode=False)\n"
        "sys.exit(bool({'torch', 'sentencepiece', 'sacrebleu', 'matplotlib', 'pydantic', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert all(command in done.stdout for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command):
    done = nmt(command, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"Usage: nmt {command}")


def test_version():
    from nmt import __version__

    assert nmt("--version").stdout == f"nmt, version {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["trian"], 2, "No such command 'trian'"),
        (["train"], 2, "--config"),
        (["train", "--config", "none.yaml"], 1, "nmt: error: none.yaml: no such config file"),
        (["translate", "--model", "nowhere"], 1, "nmt: error: nowhere: no such run folder; train one with"),
    ],
)
def test_mistakes_are_one_clear_line(arguments, status, words):
    done = nmt(*arguments)
    assert (done.returncode, done.stdout) == (status, "")
    assert words in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(os.name != "posix", reason="closes streams")
@pytest.mark.parametrize(
    ("arguments", "closed", "status", "words"),
    [
        (["score", "-r", "k"], "<&-", 1, "nmt: error: standard input is closed; name a file to read\n"),
        (["score", "-r", "k", "k"], ">&-", 1, "nmt: error: standard output is closed, and results go there;"),
        (["config", "keys", "name"], ">&-", 1, "nmt: error: standard output is closed, and results go there;"),
    ],
)
def test_closed_streams_are_named(tmp_path, arguments, closed, status, words):
    (tmp_path / "k").write_text("a b c d\n", encoding="utf-8")
    done = subprocess.run(
        ["bash", "-c", f'exec "$@" {closed}', "bash", sys.executable, "-m", "nmt", *arguments],
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == status and done.stderr.startswith(words) and done.stderr.count("\n") == 1


def test_a_closed_stderr_may_be_written_to(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["nmt", "--version"])
    monkeypatch.setattr(sys, "stderr", None)
    main()
    with sys.stderr:
        assert not sys.stderr.isatty()


def test_completion_script():
    assert "_nmt_completion" in nmt(_NMT_COMPLETE="bash_source").stdout


@pytest.mark.parametrize(
    ("raised", "status", "said"),
    [
        ("KeyboardInterrupt()", 130, "nmt: interrupted"),
        ("MemoryError()", 1, "nmt: error: out of memory"),
        ("RuntimeError('CUDA out of memory. Tried to allocate')", 1, "nmt: error: out of memory"),
        ("ImportError('x.so: failed to map segment from shared object')", 1, "nmt: error: out of memory"),
        ("RuntimeError('could not create a primitive')", 1, "nmt: error: out of memory"),
        ("OSError(28, 'No space left on device')", 1, "nmt: error: output: No space left on device"),
    ],
)
def test_what_ends_a_command_is_one_clear_line(raised, status, said):
    code = (
        "import sys; import nmt.evaluation.metrics as metrics; from nmt.cli.main import main\n"
        f"def fail(*_): raise {raised}\n"
        "metrics.check_lengths = fail; sys.argv = ['nmt', 'score', '-r', '/dev/null', '/dev/null']; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (status, "")
    assert done.stderr.strip().startswith(said) and "Traceback" not in done.stderr


def test_an_interruption_while_it_loads_is_one_line_too():
    code = (
        "import sys\n"
        "class Interrupted:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'click': raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupted())\n"
        "from nmt.__main__ import main; main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "nmt: interrupted\n")
