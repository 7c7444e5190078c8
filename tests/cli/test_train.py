"""`nmt train` as a process: signals, exit status and messages."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from nmt.cli.main import cli

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals")
CONFIG = """
name: run
data:
  train: {source: train.src, target: train.tgt}
  valid: {source: train.src, target: train.tgt}
  workers: 1
subword: {vocab_size: 40, byte_fallback: false}
model:
  embedding: {size: 8}
  encoder: {size: 8}
  decoder: {size: 8}
training: {max_steps: 100000, sentences_per_batch: 8, log_every: 5, validate_every: 50000, save_every: 50000,
  threads: 1}
"""
CODE = """
import os, signal, sys
import torch, nmt.cli.train, nmt.training.session
from nmt.__main__ import main
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # under nohup it is ignored
for name in sys.argv[1:]:
    if (child := os.fork()) == 0:  # a process for each run, without the imports, which take seconds
        for descriptor, output in ((1, "out"), (2, "err")):
            os.dup2(os.open(f"{name}.{output}", os.O_WRONLY | os.O_CREAT), descriptor)
        sys.argv = ["nmt", "train", "--config", "c.yaml", "--set", f"name={name}"]
        status = 0
        try:
            main()
        except SystemExit as end:
            status = end.code
        if "torch._dynamo" in sys.modules:  # takes 2 seconds to import, and is not used
            status = 77
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)  # Python's own end copies and frees the memory of all imports, which takes a second
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.wait()[1]), flush=True)
"""
SIGNALS = {"int": ["SIGINT"], "term": ["SIGTERM"], "hup": ["SIGHUP", "SIGHUP"]}
"""The names of runs, and the signals that end them."""


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, tuple[int, int]]]:
    """Send the signals to each run after the first line of its log.

    Return the folder, and of each run the exit status and the step of the last checkpoint.
    """
    folder = tmp_path_factory.mktemp("stopped")
    (folder / "c.yaml").write_text(CONFIG)
    for side in ("src", "tgt"):
        (folder / f"train.{side}").write_text("ein haus\nzwei katzen\ndrei hunde und ein baum\n" * 20)
    statuses = {}
    with subprocess.Popen(
        [sys.executable, "-c", CODE, *SIGNALS], cwd=folder, stdout=subprocess.PIPE, text=True
    ) as all_:
        assert all_.stdout is not None
        for name, signals in SIGNALS.items():
            child, log = int(all_.stdout.readline()), folder / "runs" / name / "log.jsonl"
            end = time.monotonic() + 60
            while '"train"' not in (log.read_text() if log.exists() else ""):
                assert time.monotonic() < end, (folder / f"{name}.err").read_text()
                time.sleep(0.05)
            for each in signals:
                with contextlib.suppress(ProcessLookupError):  # the run may have ended after the first of two
                    os.kill(child, getattr(signal, each))
            statuses[name] = int(all_.stdout.readline()), last_step(folder / "runs" / name)
    return folder, statuses


@pytest.mark.parametrize(("name", "status"), [("int", 130), ("term", 143), ("hup", 129)])
def test_a_signal_saves_a_checkpoint_and_shows_how_to_resume(
    stopped: tuple[Path, dict[str, tuple[int, int]]], name: str, status: int
) -> None:
    folder, statuses = stopped
    found, step = statuses[name]
    assert (found, (folder / f"{name}.out").read_text()) == (status, "")
    err = (folder / f"{name}.err").read_text()
    assert f"resume with: nmt train --config c.yaml --set name={name} --resume" in err and "Traceback" not in err
    assert f"stopped; step {step:,} is saved" in err


def last_step(run: Path) -> int:
    return int((run / "checkpoints" / "last").read_text().strip().removeprefix("step-"))


def test_the_resumed_run_ends_with_a_report(
    stopped: tuple[Path, dict[str, tuple[int, int]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(stopped[0])
    step = last_step(Path("runs/int"))
    settings = ["--set", "name=int", "--set", f"training.max_steps={step + 3}"]
    done = CliRunner().invoke(cli, ["train", "--config", "c.yaml", "--resume", *settings], catch_exceptions=False)
    assert (done.exit_code, done.stdout) == (0, "")
    assert f"resuming at step {step:,}" in done.stderr
    assert "changed since the run began: training.max_steps 100000" in done.stderr
    assert "translate with: nmt translate --model runs/int" in done.stderr
    assert "<svg" in Path("runs/int/report.html").read_text(encoding="utf-8")
