"""The scripts that inject faults see what is wrong."""

import json
import random
import signal
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from architectures import parts_of

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))
import fault_combinations
import fault_doors
import fault_input
import fault_kill
import fault_load

from nmt import config
from nmt.errors import NmtError
from nmt.models.decoders import base

linux = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux")
TRACE = b"Traceback (most recent call last):\nValueError: x\n"


@pytest.mark.parametrize(
    ("status", "out", "err", "wrong"),
    [
        (0, b"a\nb\n", b"", ""),
        (0, b"a\n", b"", "1 lines out for 2"),
        (0, b"a\rc\nb\n", b"", "output holds"),
        (1, b"", b"model x\nnmt: error: x is missing\nthere are: y\n", ""),
        (1, b"", b"x is missing\n", "without a clear line"),
        (2, b"", b"Usage: nmt ...\n\nError: No such option: --x\n", ""),
        (2, b"", b"Usage: nmt ...\n", "without a clear line"),
        (1, b"", TRACE, "Traceback"),
        (70, b"", b"", "status 70"),
        (1, b"", b"nmt: error: out of memory: take smaller batches\n", "more memory"),
        (-signal.SIGSEGV, b"", b"", "SIGSEGV"),
    ],
)
def test_what_is_wrong_is_seen(status, out, err, wrong):
    case = fault_doors.Case([], check=lambda found: fault_doors.wrong_count(found, 2))
    found = fault_input.judge(case, status, out, err)
    assert bool(found) == bool(wrong) and all(wrong in line for line in found)


def test_a_damaged_file_must_be_refused():
    case = fault_doors.Case([], must_fail=True)
    assert fault_input.judge(case, 0, b"", b"") == ["a damaged file was taken for whole"]
    assert fault_input.judge(case, 1, b"", b"nmt: error: damaged\n") == []


def test_spoiled_bytes_differ_and_repeat():
    data = b"some bytes of a file\n" * 9
    assert fault_doors.spoiled(random.Random(1), data) == fault_doors.spoiled(random.Random(1), data)
    assert sum(fault_doors.spoiled(random.Random(seed), data) != data for seed in range(50)) > 45


@linux
def test_cases_run_in_processes_of_their_own(tmp_path):
    case = fault_doors.Case(["score", "--reference", "missing"], b"a\n")
    status, out, err = fault_input.run_case(case, tmp_path)
    assert (status, out, err) == (1, b"", b"nmt: error: missing: no such file\n")


def test_files_that_differ_are_named(tmp_path):
    for name, content in (("one", "a"), ("two", "a"), ("three", "b")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(content)
    (tmp_path / ".three.partial").write_text("")
    assert fault_kill.unlike(tmp_path, "one", "two") == []
    assert fault_kill.unlike(tmp_path, "one", "three") == ["left behind: .three.partial", "file: differs"]


@linux
@pytest.mark.parametrize(
    ("on_signal", "found"),
    [
        ("sys.exit(143)", []),
        ("sys.exit(1)", ["status 1"]),
        ("done(); sys.exit(0)", []),
        ("done(); sys.exit('Traceback')", ["status 1", "a traceback"]),
        ("sys.exit('Fatal Python error: init_import_site\\nTraceback\\nKeyboardInterrupt')", []),
    ],
)
def test_how_a_process_ends_after_a_signal_is_judged(tmp_path, monkeypatch, on_signal, found):
    """It waits for a signal, but when it is begun anew."""
    code = (
        "import os, signal, sys, time\n"
        "def done(): open('done', 'w').close()\n"
        f"def stop(*_): {on_signal}\n"
        "signal.signal(signal.SIGTERM, stop)\n"
        "if os.path.exists('begun'): sys.exit(0)\n"
        "open('begun', 'w').close()\n"
        "time.sleep(60)\n"
    )
    monkeypatch.setattr(fault_kill.console, "NMT", [sys.executable, "-c", code])
    victim = fault_kill.Victim(tmp_path, lambda name: [], lambda one, other: [])
    outcome = fault_kill.Outcome("kind")
    draw = SimpleNamespace(uniform=lambda low, high: 2.0)
    victim.kill("one", 2.0, outcome, 1, "TERM", draw)
    assert outcome.kills == 1 and 0 < outcome.slowest < 60
    assert [difference.removeprefix("kind, one: ").split(";")[0] for difference in outcome.differences] == found


def test_memory_that_grows_is_seen():
    assert fault_load.Watched("x", mebibytes=[100, 200, 200, 201, 199, 205]).is_flat
    assert not fault_load.Watched("x", mebibytes=[100, 200, 200, 240, 260, 280]).is_flat


@pytest.mark.parametrize("seed", range(24))
def test_whatever_network_the_schema_takes_unrolls_as_it_steps(seed):
    whole, values, _ = fault_combinations.draw_config(random.Random(seed))
    assert config.Config.model_validate(values) == whole
    assert fault_combinations.compare_unroll_and_step(whole.model) == []


def test_a_network_that_unrolls_otherwise_than_it_steps_is_seen(monkeypatch):
    update = base.Decoder.step_bottom_layer
    monkeypatch.setattr(base.Decoder, "step_bottom_layer", lambda *given: tuple(x + 1 for x in update(*given)))
    found = fault_combinations.compare_unroll_and_step(parts_of(context_to="output"))
    assert len(found) == 1 and found[0].startswith("unroll and step differ by")


@linux
def test_what_became_of_each_use_is_told(tmp_path, capsys, monkeypatch):
    refused = fault_doors.Case(["score", "--reference", "missing"], b"a\n")
    helped = fault_doors.Case(["--help"], check=lambda out: ["too helpful"])
    monkeypatch.setattr(fault_combinations, "cases_of", lambda *given: [refused, helped])
    given = SimpleNamespace(cases=2, seed=1, keep=tmp_path / "kept", json=tmp_path / "found.json")
    with pytest.raises(NmtError, match="2 went wrong"):
        fault_combinations.work(given, tmp_path)
    found = json.loads(given.json.read_text())
    assert found["wrong"] == ["case 0: --help: too helpful", "case 1: --help: too helpful"]
    assert found["late"] == {"score: nmt: error: missing: no such file": 2}
    assert "2 configurations, 4 commands, 2 wrong" in capsys.readouterr().out
    assert (given.keep / "1" / "train.source").is_file()


def test_what_uses_a_configuration_is_a_whole_run(tmp_path):
    whole, values, _ = fault_combinations.draw_config(random.Random(1))
    names = [case.arguments[0] for case in fault_combinations.cases_of(random.Random(1), values, tmp_path)]
    assert names[0] == "train" and names[-1] == "evaluate" and names.count("translate") == 3
    written = config.load(tmp_path / "config.yaml")
    assert (written.model, written.decoding) == (whole.model, whole.decoding)
