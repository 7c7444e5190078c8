"""Several processes train one model: the same result as one, the same decisions on all of them, and no deadlock."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file
from tiny_training import changed, logged, same_state, tiny, untimed, with_model, write_corpus

import nmt.__main__
from nmt.data.batching import Batch
from nmt.errors import NmtError
from nmt.storage.run_folder import Run
from nmt.training.microbatches import share_out
from nmt.training.ranks import interleave, joined
from nmt.training.session import train

WORKER = Path(__file__).with_name("rank_worker.py")
TIMEOUT = 60


class Pool:
    """Processes that train as ranks of one run, and are started once for all tests."""

    def __init__(self):
        environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
        self._server = socket.create_server(("127.0.0.1", 0))
        command = [sys.executable, str(WORKER)]
        self._original = subprocess.Popen(command, env=environment, text=True, stdin=subprocess.PIPE)
        self._ranks = []

    def start(self, count):
        """Have `count` processes that are alive."""
        while len(self._ranks) < count:
            self._original.stdin.write(f"{self._server.getsockname()[1]}\n")
            self._original.stdin.flush()
            connection, _ = self._server.accept()
            with connection:
                self._ranks.append(connection.makefile("rw"))

    def close(self):
        for each in self._ranks:
            each.close()
        self._original.stdin.close()
        self._original.wait()
        self._server.close()

    def train(self, settings, size, faults=None, resume=False, **environment):
        """Train `settings` on `size` ranks, some with `faults` (by rank), and return the answer of each."""
        self.start(size)
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        configs = settings if isinstance(settings, list) else [settings] * size
        ranks = self._ranks[:size]
        for rank, lines in enumerate(ranks):
            values = {"RANK": str(rank), "WORLD_SIZE": str(size), "LOCAL_RANK": str(rank)}
            values |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "NMT_RANK_TIMEOUT": str(TIMEOUT)}
            request = {
                "environment": values | environment,
                "folder": str(Path.cwd()),
                "config": configs[rank].model_dump(mode="json"),
                "fault": (faults or {}).get(rank),
                "resume": resume,
            }
            lines.write(json.dumps(request) + "\n")
            lines.flush()
        answers = [json.loads(lines.readline() or "null") for lines in ranks]
        for lines in [lines for lines, answer in zip(ranks, answers, strict=True) if answer is None]:
            self._ranks.remove(lines)  # the process has ended
            lines.close()
        return answers


@pytest.fixture(scope="module")
def pool():
    pool = Pool()
    yield pool
    pool.close()


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ranks")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_corpus()
        yield folder


@pytest.fixture(autouse=True)
def in_corpus_folder(corpus, monkeypatch):
    monkeypatch.chdir(corpus)


CASES = {
    "plain": {},
    "accumulate-and-average": {"accumulate": 2, "ema_decay": 0.9, "average_last": 2},
    "empty-shares": {"sentences_per_batch": 2},  # with three ranks, one of them has nothing to compute
    "tokens": {"sentences_per_batch": None, "tokens_per_batch": 150, "r_drop": 1.0},
}
FIFTY_STEPS = {"max_steps": 50, "validate_every": 25, "save_every": 25}
ALMOST_NONE = dict.fromkeys(("embedding", "layer", "output"), 1e-9)
"""Dropout that drops nothing. R-Drop needs some."""


def settings(name, **training):
    """Return a configuration without dropout, in fp32, whose result must not depend on the number of ranks."""
    values = {"precision": "fp32", "max_steps": 6, "validate_every": 3, "save_every": 2, "log_every": 1, **training}
    return with_model(tiny(name, **values), dropout=ALMOST_NONE)


def run_of(config):
    return Run(Path("runs") / config.name)


def check_same_result(one, several):
    """Check that two runs have the same losses, validations and weights up to rounding."""
    for key in ("loss", "smoothed_loss", "accuracy", "gradient_norm"):
        np.testing.assert_allclose(logged(one, "train", key), logged(several, "train", key), rtol=1e-5)
    assert logged(one, "train", "tokens") == logged(several, "train", "tokens")
    np.testing.assert_allclose(logged(one, "valid", "loss"), logged(several, "valid", "loss"), rtol=1e-5)
    assert logged(one, "valid", "samples") == logged(several, "valid", "samples")
    weights = [load_file(run.checkpoint("last") / "model.safetensors") for run in (one, several)]
    for name, weight in weights[0].items():
        np.testing.assert_allclose(weight, weights[1][name], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("size", [2, 3])
def test_the_result_does_not_depend_on_the_number_of_ranks(pool, case, size):
    one = settings(f"{case}-1", **FIFTY_STEPS, **CASES[case])
    if not run_of(one).finished.exists():
        train(one)
    several = settings(f"{case}-{size}", **FIFTY_STEPS, **CASES[case])
    answers = pool.train(several, size)
    assert answers == [{"step": 50, "is_finished": True, "reason": "max_steps reached"}] * size
    check_same_result(run_of(one), run_of(several))


def test_several_corpora_sampled_subwords_and_further_validation_sets_are_shared(pool):
    corpora = [{"source": "train.src", "target": "train.tgt", "weight": weight} for weight in (1.0, 0.3)]
    more = {"train": corpora, "more_valid": {"other": {"source": "valid.src", "target": "valid.tgt"}}}
    one, several = (
        changed(settings(name, **FIFTY_STEPS), data={**more, "prepared": "prepared-sampled"}, subword={"sampling": 0.1})
        for name in ("sampled-1", "sampled-2")
    )
    train(one)
    assert all(answer["is_finished"] for answer in pool.train(several, 2))
    check_same_result(run_of(one), run_of(several))
    assert [entry["more"].keys() for entry in untimed(run_of(several).log) if entry["event"] == "valid"]


def test_a_stop_on_one_rank_stops_all_and_another_number_of_ranks_resumes(pool):
    whole, stopped = settings("stop-whole"), settings("stop")
    pool.train(whole, 3)
    assert pool.train(stopped, 3, {1: "stop_in_step"}) == [{"step": 3, "is_finished": False, "reason": "stopped"}] * 3
    assert pool.train(stopped, 3, {2: "stop_in_validation"}, resume=True)[0]["step"] == 3
    assert all(answer["is_finished"] for answer in pool.train(stopped, 3, resume=True))
    assert same_state(run_of(whole), run_of(stopped))
    again = settings("stop", max_steps=9)
    assert [answer["step"] for answer in pool.train(again, 2, resume=True)] == [9] * 2


@pytest.mark.parametrize("fault", ["out_of_memory_forward", "out_of_memory_backward"])
def test_if_memory_runs_out_on_one_rank_all_repeat_the_step_in_smaller_parts(pool, fault):
    one, several = settings(f"{fault}-1"), settings(f"{fault}-2")
    train(one)
    assert all(answer["is_finished"] for answer in pool.train(several, 2, {1: fault}))
    check_same_result(run_of(one), run_of(several))


def test_if_memory_never_suffices_all_ranks_end_and_the_last_step_is_saved(pool):
    config = settings("no-memory")
    answers = pool.train(config, 2, {1: "never_enough_memory"})
    assert sorted(answer["kind"] for answer in answers) == ["OutOfMemory", "Reported"]
    assert "out of memory for one pair at a time" in answers[0]["error"]
    assert run_of(config).names()[-1] == "step-2"


def test_a_gradient_that_is_not_finite_on_one_rank_is_skipped_by_all(pool):
    config = settings("nan")
    assert all(answer["is_finished"] for answer in pool.train(config, 3, {2: "not_a_number"}))
    entries = [entry for entry in untimed(run_of(config).log) if entry["event"] == "train"]
    assert [entry["step"] for entry in entries] == [1, 3, 4, 5, 6]


@pytest.mark.parametrize("fault", ["bug", "exit_at_once"])
def test_the_other_ranks_end_if_one_fails_and_the_same_job_resumes_by_itself(pool, fault):
    whole, config = settings(f"{fault}-whole"), settings(fault)
    job = {"TORCHELASTIC_RUN_ID": "job-1", "TORCHELASTIC_RESTART_COUNT": "0"}
    pool.train(whole, 2)
    answers = pool.train(config, 2, {1: fault}, **job)
    assert answers[0]["kind"] == "RankLost"
    assert run_of(config).names()[-1] == "step-2"
    [refused, _] = pool.train(config, 2, **job | {"TORCHELASTIC_RUN_ID": "another"})
    assert "holds a run already" in refused["error"]
    assert all(answer["is_finished"] for answer in pool.train(config, 2, **job | {"TORCHELASTIC_RESTART_COUNT": "1"}))
    assert same_state(run_of(whole), run_of(config))


def test_ranks_with_different_configurations_or_without_the_folder_are_refused(pool, tmp_path):
    answers = pool.train([settings("different"), settings("different", learning_rate=0.5)], 2)
    assert "training.learning_rate differs: 0.001 on rank 0, 0.5 on rank 1" in "".join(a["error"] for a in answers)
    assert sorted(answer["kind"] for answer in answers) == ["NmtError", "Reported"]


def test_incomplete_variables_and_ranks_that_do_not_come_are_errors(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    with pytest.raises(NmtError, match="MASTER_ADDR, MASTER_PORT is not set: start training with torchrun"), joined():
        pass
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
    for name, value in {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "NMT_RANK_TIMEOUT": "1"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(NmtError, match=f"rank 1 of 2: no connection to all other ranks at 127.0.0.1:{port}"), joined():
        pass
    monkeypatch.setenv("RANK", "0")
    with pytest.raises(NmtError, match=r"rank 0 of 2: no connection .*start all 2 ranks"), joined():
        pass
    monkeypatch.setenv("NMT_RANK_TIMEOUT", "soon")
    with pytest.raises(NmtError, match="NMT_RANK_TIMEOUT: 'soon' is not a number of seconds"), joined():
        pass


def test_tuning_under_torchrun_is_refused(monkeypatch, capsys):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr(sys, "argv", ["nmt", "tune", "runs/one", "train.src", "train.tgt"])
    with pytest.raises(SystemExit, match="2"):
        nmt.__main__.main()
    assert "nmt tune trains in one process" in capsys.readouterr().err


def test_every_pair_is_in_one_share_and_the_shares_are_of_similar_size():
    for pairs in range(1, 12):
        lengths = np.arange(pairs, 0, -1)
        table = np.repeat(lengths[:, None], pairs, axis=1)
        batch = Batch(table, lengths, table, lengths)
        for size in range(1, 5):
            shares = share_out(batch, size)
            assert sorted(np.concatenate([share.source_lengths for share in shares])) == sorted(lengths)
            assert len(shares) == min(size, pairs)
            assert shares[0].pairs == max(share.pairs for share in shares)
            assert all((share.source[:, 0] == share.source_lengths).all() for share in shares)
    assert [share.source_lengths.tolist() for share in share_out(batch, 2)] == [[11, 8, 7, 4, 3, 1], [10, 9, 6, 5, 2]]


def test_results_of_shares_are_put_in_order():
    for count in range(8):
        for size in range(1, 5):
            items = list(range(count))
            assert interleave([items[rank::size] for rank in range(size)]) == items
