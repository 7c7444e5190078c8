"""`nmt train` as a process: signals, exit status and messages."""

import os
import signal
import subprocess
import sys
import time

import pytest

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
