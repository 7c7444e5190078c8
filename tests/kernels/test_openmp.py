"""OpenMP spinning is shortened while other programs use the cores, and lengthened again."""

import json
import os
import subprocess
import sys
import threading

import pytest
import torch

from nmt.kernels import openmp
from nmt.kernels.openmp import FREE, WAITING, SpinControl, loaded_library, share_cores

LIBRARY = loaded_library() if sys.platform.startswith("linux") else None
needs_openmp = pytest.mark.skipif(LIBRARY is None, reason="this torch has no GNU OpenMP")


COUNT_THREADS = """
import os, sys, time
from pathlib import Path
import torch
from nmt.kernels.openmp import ExtraTeam, loaded_library

def wait_for(count):
    for _ in range(500):
        if len(os.listdir("/proc/self/task")) == count:
            return True
        time.sleep(0.01)
    return False

before = len(os.listdir("/proc/self/task"))
team = ExtraTeam(loaded_library(), 3)
print(wait_for(before + 3))
team.close()
print(wait_for(before))
"""


@needs_openmp
def test_an_extra_team_starts_the_requested_threads_and_ends_them() -> None:
    done = subprocess.run([sys.executable, "-c", COUNT_THREADS], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "True"]


@needs_openmp
def test_spinning_is_short_while_threads_wait_for_cores() -> None:
    assert LIBRARY is not None
    control = SpinControl(LIBRARY, 2)
    states = []
    for share in (0.0, WAITING + 0.1, (FREE + WAITING) / 2, FREE / 2, (FREE + WAITING) / 2, WAITING + 0.1, 0.0):
        control.judge(share)
        states.append(control.is_short)
    assert states == [False, True, True, False, False, True, False]


@needs_openmp
def test_a_process_beside_busy_loops_shortens_spinning_and_computes_the_same_result() -> None:
    code = (
        "import json, os, subprocess, sys, time, torch\n"
        "from nmt.kernels import openmp\n"
        "torch.set_num_threads(2)\n"
        "openmp.INTERVAL = 0.1\n"
        "made = []\n"
        "class Team(openmp.ExtraTeam):\n"
        "    def __init__(self, *given):\n"
        "        super().__init__(*given); made.append(time.monotonic())\n"
        "openmp.ExtraTeam = Team\n"
        "x = torch.ones(400, 400)\n"
        "x @ x\n"
        "command = [sys.executable, '-c', 'while True: pass']\n"
        "loops = [subprocess.Popen(command) for _ in os.sched_getaffinity(0)]\n"
        "openmp.share_cores(2)\n"
        "end = time.monotonic() + 10\n"
        "try:\n"
        "    while time.monotonic() < end and not made:\n"
        "        total = float((x @ x).sum())\n"
        "finally:\n"
        "    for loop in loops:\n"
        "        loop.kill(), loop.wait()\n"
        "print(json.dumps([len(made) > 0, float((x @ x).sum())]))\n"
    )
    environment = {key: value for key, value in os.environ.items() if key not in openmp.CHOSEN_BY_USER}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert json.loads(done.stdout) == [True, 400.0**3]


@pytest.mark.parametrize("name", openmp.CHOSEN_BY_USER)
def test_spinning_set_by_the_user_is_not_changed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[SpinControl] = []
    monkeypatch.setattr(SpinControl, "start", lambda self: started.append(self))
    monkeypatch.setattr(openmp, "_started", threading.Lock())
    monkeypatch.setenv(name, "3000")
    share_cores(2)
    share_cores(1)
    assert not started


@needs_openmp
def test_a_process_starts_one_control(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[SpinControl] = []
    monkeypatch.setattr(SpinControl, "start", lambda self: started.append(self))
    monkeypatch.setattr(openmp, "_started", threading.Lock())
    for name in openmp.CHOSEN_BY_USER:
        monkeypatch.delenv(name, raising=False)
    share_cores(torch.get_num_threads() + 1)
    share_cores(torch.get_num_threads() + 1)
    assert len(started) == 1
