"""`nmt train` as a process: signals, exit status, what it says."""

import os
import signal
import subprocess
import sys
import time

import pytest
from click.testing import CliRunner

from nmt.cli.train import command
from nmt.training.trainer import Interrupted

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
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),  # not ignored, as under nohup
    )


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize(("signals", "status"), [(["INT"], 130), (["TERM"], 143), (["HUP", "HUP"], 129)])
def test_a_signal_saves_and_says_how_to_go_on(tmp_path, signals, status):
    (tmp_path / "c.yaml").write_text(CONFIG)
    for side in ("src", "tgt"):
        (tmp_path / f"train.{side}").write_text("ein haus\nzwei katzen\ndrei hunde und ein baum\n" * 20)
    running = start(tmp_path)
    log = tmp_path / "runs" / "run" / "log.jsonl"
    while running.poll() is None and '"train"' not in (log.read_text() if log.exists() else ""):
        time.sleep(0.05)
    for name in signals:
        running.send_signal(getattr(signal, f"SIG{name}"))
        time.sleep(0.05)
    out, err = running.communicate(timeout=60)
    assert (running.returncode, out) == (status, "")
    assert "go on with: nmt train --config c.yaml --resume" in err
    assert "Traceback" not in err

    step = int((tmp_path / "runs/run/checkpoints/last").read_text().strip().removeprefix("step-"))
    resumed = start(tmp_path, "--resume", "--set", f"training.max_steps={step + 3}")
    out, err = resumed.communicate(timeout=120)
    assert (resumed.returncode, out) == (0, "")
    assert f"going on from step {step:,}" in err
    assert "changed since the run began: training.max_steps 100000" in err
    assert "translate with: nmt translate --model runs/run" in err


@pytest.mark.parametrize("is_saved", [False, True])
def test_only_what_is_saved_can_be_resumed(tmp_path, monkeypatch, is_saved):
    def stop(config, *_):
        if is_saved:
            (config.run / "checkpoints").mkdir(parents=True)
            (config.run / "checkpoints" / "last").write_text("step-1\n")
        raise Interrupted(2)

    monkeypatch.setattr("nmt.training.session.train", stop)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.yaml").write_text(CONFIG)
    done = CliRunner().invoke(command, ["-c", "c.yaml", "--set", "seed=2"])
    assert (done.exit_code, done.stdout) == (130, "")
    again = "nmt train --config c.yaml --set seed=2"
    assert done.stderr == (
        f"go on with: {again} --resume\n" if is_saved else f"nothing is saved yet; start again with: {again}\n"
    )
