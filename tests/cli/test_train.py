"""`nmt train` as a process: signals, exit status and messages."""

import os
import signal
import subprocess
import sys
import time

import pytest
from click.testing import CliRunner
from nmt.training.signals import Interrupted

from nmt.cli.train import command

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


def start(folder, *arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "nmt", "train", "--config", "c.yaml", *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),  # under nohup it is ignored
    )


def start_and_signal(folder, *names):
    """Train until the first line of the log, send the signals, and return exit status, stdout and stderr."""
    (folder / "c.yaml").write_text(CONFIG)
    for side in ("src", "tgt"):
        (folder / f"train.{side}").write_text("ein haus\nzwei katzen\ndrei hunde und ein baum\n" * 20)
    running = start(folder)
    log = folder / "runs" / "run" / "log.jsonl"
    while running.poll() is None and '"train"' not in (log.read_text() if log.exists() else ""):
        time.sleep(0.05)
    for name in names:
        running.send_signal(getattr(signal, name))
        time.sleep(0.05)
    out, err = running.communicate(timeout=60)
    return running.returncode, out, err


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize(("names", "status"), [(["SIGINT"], 130), (["SIGTERM"], 143), (["SIGHUP", "SIGHUP"], 129)])
def test_a_signal_saves_a_checkpoint_and_shows_how_to_resume(tmp_path, names, status):
    found, out, err = start_and_signal(tmp_path, *names)
    assert (found, out) == (status, "")
    assert "resume with: nmt train --config c.yaml --resume" in err and "Traceback" not in err
    step = int((tmp_path / "runs/run/checkpoints/last").read_text().strip().removeprefix("step-"))
    assert f"stopped; step {step:,} is saved" in err
    if names != ["SIGINT"]:
        return
    resumed = start(tmp_path, "--resume", "--set", f"training.max_steps={step + 3}")
    out, err = resumed.communicate(timeout=120)
    assert (resumed.returncode, out) == (0, "")
    assert f"resuming at step {step:,}" in err
    assert "changed since the run began: training.max_steps 100000" in err
    assert "translate with: nmt translate --model runs/run" in err
    assert "<svg" in (tmp_path / "runs" / "run" / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("is_saved", [False, True])
def test_resuming_is_recommended_only_if_a_checkpoint_is_saved(tmp_path, monkeypatch, is_saved):
    def interrupt(config, *_):
        if is_saved:
            (config.run / "checkpoints").mkdir(parents=True)
            (config.run / "checkpoints" / "last").write_text("step-1\n")
        raise Interrupted(2)

    monkeypatch.setattr("nmt.training.session.train", interrupt)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.yaml").write_text(CONFIG)
    result = CliRunner().invoke(command, ["-c", "c.yaml", "--set", "seed=2"])
    assert (result.exit_code, result.stdout) == (130, "")
    again = "nmt train --config c.yaml --set seed=2"
    remedy = f"resume with: {again} --resume" if is_saved else f"nothing is saved yet; start again with: {again}"
    assert result.stderr == f"{remedy}\n"
