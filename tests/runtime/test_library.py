"""ONNX Runtime is imported without its telemetry."""

import os
import subprocess
import sys

import pytest

FORK = """
import os, sys
from nmt.runtime.onnx_engine import onnxruntime
assert "ORT_DISABLE_TELEMETRY" not in os.environ
if os.fork() == 0:
    sys.exit(3)
print(os.waitstatus_to_exitcode(os.wait()[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="fork")
def test_a_forked_process_ends() -> None:
    variables = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    command = [sys.executable, "-c", FORK]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "3\n"


def test_the_choice_of_the_user_stays() -> None:
    code = "import os; from nmt.runtime.library import onnxruntime; print(os.environ['ORT_DISABLE_TELEMETRY'])"
    variables = {**os.environ, "ORT_DISABLE_TELEMETRY": "0"}
    done = subprocess.run([sys.executable, "-c", code], env=variables, capture_output=True, text=True, check=True)
    assert done.stdout == "0\n"
