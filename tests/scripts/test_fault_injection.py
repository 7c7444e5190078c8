"""scripts/fault_injection: the scripts find what is wrong."""

import json
import random
import signal
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from architectures import parts_of

from nmt import config
from nmt.errors import NmtError
from nmt.models.decoders import base
from nmt.runtime.graph_files import Description, Graphs, read_description, read_file
from scripts.fault_injection import cases, input_cases, kill, random_configs
from scripts.fault_injection.cases import Case
from scripts.fault_injection.load import Watched

linux = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux")
TRACE = b"Traceback (most recent call last):\nValueError: x\n"


@pytest.mark.parametrize(
    ("status", "out", "err", "wrong"),
    [
        (0, b"a\nb\n", b"", ""),
        (0, b"a\n", b"", "1 lines, not 2"),
        (0, b"a\rc\nb\n", b"", "the output contains"),
        (1, b"", b"model x\nnmt: error: x is missing\nthere are: y\n", ""),
        (1, b"", b"x is missing\n", "without a clear error message"),
        (2, b"", b"Usage: nmt ...\n\nError: No such option: --x\n", ""),
        (2, b"", b"Usage: nmt ...\n", "without a clear error message"),
        (1, b"", TRACE, "Traceback"),
        (70, b"", b"", "status 70"),
        (1, b"", b"nmt: error: out of memory: take smaller batches\n", "more memory than is allowed"),
        (-signal.SIGSEGV, b"", b"", "SIGSEGV"),
    ],
)
def test_problems_of_a_command_are_found(status, out, err, wrong):
    case = Case([], check=lambda found: cases.output_problems(found, 2))
    found = cases.problems(case, status, out, err)
    assert bool(found) == bool(wrong) and all(wrong in line for line in found)


def test_an_accepted_damaged_file_is_a_problem():
    case = Case([], must_fail=True)
    assert cases.problems(case, 0, b"", b"") == ["accepted a damaged file"]
    assert cases.problems(case, 1, b"", b"nmt: error: damaged\n") == []


def test_graphs_that_are_not_made_again_are_a_problem():
    case = Case([], must_succeed=True)
    assert cases.problems(case, 0, b"", b"") == []
    assert cases.problems(case, 1, b"", b"nmt: error: damaged\n") == ["status 1: nmt: error: damaged"]


def test_an_exported_model_is_damaged_with_and_without_its_checksum(tmp_path):
    exported = tmp_path / "model" / "exported"
    exported.mkdir(parents=True)
    graphs = Graphs(
        b"encoder" * 9, b"decoder" * 9, Description("int8", "run", "step-1", "0" * 64, "0" * 64, {}, "0" * 64, 9, 9)
    )
    graphs.save(exported)
    for number, make in enumerate((input_cases.damaged_export, input_cases.hostile_export)):
        folder = tmp_path / str(number)
        folder.mkdir()
        case = make(random.Random(2), folder, tmp_path / "model")
        found = {path.name: path.read_bytes() for path in (folder / "exported").iterdir()}
        changed = [name for name, content in found.items() if content != (exported / name).read_bytes()]
        assert len(changed) == 1 + number and case.must_fail == (number == 0 and changed != ["graphs.json"])
        if number:
            description = read_description(folder / "exported", "")
            for name in description.files:
                read_file(folder / "exported", description, name, "")


def test_corruption_changes_bytes_and_is_reproducible():
    data = b"some bytes of a file\n" * 9
    assert input_cases.corrupted(random.Random(1), data) == input_cases.corrupted(random.Random(1), data)
    assert sum(input_cases.corrupted(random.Random(seed), data) != data for seed in range(50)) > 45


@linux
def test_a_case_runs_in_its_own_process(tmp_path):
    case = Case(["score", "--reference", "missing"], b"a\n")
    status, out, err = cases.run_case(case, tmp_path)
    assert (status, out, err) == (1, b"", b"nmt: error: missing: no such file\n")


def test_different_and_temporary_files_are_named(tmp_path):
    for name, content in (("one", "a"), ("two", "a"), ("three", "b")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(content)
    (tmp_path / ".three.partial").write_text("")
    assert kill.file_differences(tmp_path, "one", "two") == []
    assert kill.file_differences(tmp_path, "one", "three") == ["left behind: .three.partial", "file: differs"]


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
def test_the_end_of_a_process_after_a_signal_is_checked(tmp_path, monkeypatch, on_signal, found):
    """The process waits for a signal; when it is started again, it ends at once."""
    code = (
        "import os, signal, sys, time\n"
        "def done(): open('done', 'w').close()\n"
        f"def stop(*_): {on_signal}\n"
        "signal.signal(signal.SIGTERM, stop)\n"
        "if os.path.exists('started'): sys.exit(0)\n"
        "open('started', 'w').close()\n"
        "time.sleep(60)\n"
    )
    monkeypatch.setattr(kill.commands, "NMT", [sys.executable, "-c", code])
    target = kill.Target(tmp_path, lambda name: [], lambda one, other: [])
    outcome = kill.Outcome("kind")

    def wait_for_start(low, high):
        while not (tmp_path / "started").exists():
            time.sleep(0.01)
        return 0.0

    draw = SimpleNamespace(uniform=wait_for_start)
    target.kill_repeatedly("one", 2.0, outcome, 1, "TERM", draw)
    assert outcome.kills == 1 and 0 < outcome.slowest < 60
    assert [difference.removeprefix("kind, one: ").split(";")[0] for difference in outcome.differences] == found


def test_growing_memory_is_detected():
    assert Watched("x", mebibytes=[100, 200, 200, 201, 199, 205]).is_flat
    assert not Watched("x", mebibytes=[100, 200, 200, 240, 260, 280]).is_flat


@pytest.mark.parametrize("seed", range(24))
def test_unroll_equals_step_for_every_network_that_the_schema_accepts(seed):
    parsed, values, _ = random_configs.draw_config(random.Random(seed))
    assert config.Config.model_validate(values) == parsed
    assert random_configs.compare_unroll_and_step(parsed.model) == []


def test_a_difference_between_unroll_and_step_is_found(monkeypatch):
    step = base.Decoder.step_bottom_layer

    def wrong_step(self, embedded, state, other=None, given=None):
        h, *rest = step(self, embedded, state, other, given)
        return (h + (given is None), *rest)

    monkeypatch.setattr(base.Decoder, "step_bottom_layer", wrong_step)
    found = random_configs.compare_unroll_and_step(parts_of(context_to="output"))
    assert len(found) == 1 and found[0].startswith("unroll and step differ by")


@linux
def test_the_result_of_each_command_is_reported(tmp_path, capsys, monkeypatch):
    refused = Case(["score", "--reference", "missing"], b"a\n")
    failed = Case(["--help"], check=lambda out: ["bad output"])
    monkeypatch.setattr(random_configs, "make_cases", lambda *arguments: [refused, failed])
    options = SimpleNamespace(cases=2, seed=1, keep=tmp_path / "kept", json=tmp_path / "found.json")
    with pytest.raises(NmtError, match="2 problems"):
        random_configs.run(options, tmp_path)
    found = json.loads(options.json.read_text())
    assert found["wrong"] == ["case 0: --help: bad output", "case 1: --help: bad output"]
    assert found["refused_in_use"] == {"score: nmt: error: missing: no such file": 2}
    assert "2 configurations, 4 commands, 2 wrong" in capsys.readouterr().out
    assert (options.keep / "1" / "train.source").is_file()


def test_a_configuration_is_used_from_training_to_evaluation(tmp_path):
    parsed, values, _ = random_configs.draw_config(random.Random(1))
    names = [case.arguments[0] for case in random_configs.make_cases(random.Random(1), values, tmp_path)]
    assert names[0] == "train" and names[-1] == "evaluate" and names.count("translate") == 3
    written = config.load(tmp_path / "config.yaml")
    assert (written.model, written.decoding) == (parsed.model, parsed.decoding)
