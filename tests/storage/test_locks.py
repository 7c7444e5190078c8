"""A locked file belongs to one process until the process ends."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from nmt.errors import NmtError
from nmt.storage import locks
from nmt.storage.locks import is_locked, lock_file, try_lock_file
from nmt.storage.run_folder import Run


def test_a_lock_is_exclusive_until_the_file_is_closed(tmp_path: Path) -> None:
    assert not is_locked(tmp_path / "a") and not (tmp_path / "a").exists()
    first = lock_file(tmp_path / "a")
    assert try_lock_file(tmp_path / "a") is None and is_locked(tmp_path / "a")
    os.close(first)
    assert not is_locked(tmp_path / "a")
    second = try_lock_file(tmp_path / "a")
    assert second is not None
    os.close(second)


def test_the_lock_of_a_renamed_file_does_not_lock_its_old_name(tmp_path: Path) -> None:
    first = lock_file(tmp_path / "a")
    (tmp_path / "a").rename(tmp_path / "b")
    second = try_lock_file(tmp_path / "a")
    assert second is not None and try_lock_file(tmp_path / "b") is None
    os.close(first)
    os.close(second)


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "target")
    with pytest.raises(OSError):
        lock_file(tmp_path / "link")
    assert not (tmp_path / "target").exists()


def test_a_file_system_without_locks_needs_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(handle: int, blocking: bool) -> bool:
        raise OSError(next(iter(locks._UNSUPPORTED)), "No locks available")

    monkeypatch.setattr("filelock.lock_descriptor", fail)
    os.close(lock_file(tmp_path / "a"))


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
def test_the_lock_of_a_run_names_its_process_and_ends_when_it_is_killed(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from nmt.storage.run_folder import Run\n"
        "with Run(Path(sys.argv[1])).lock(''): print('locked', flush=True); time.sleep(60)"
    )
    run = Run(tmp_path)
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "locked\n"
        with pytest.raises(NmtError, match=f"is in use by process {holder.pid}; wait for it"), run.lock(""):
            pytest.fail("two processes hold the lock")
        holder.send_signal(signal.SIGKILL)
    with run.lock(""), pytest.raises(NmtError, match=f"in use by process {os.getpid()};"), run.lock(""):
        pytest.fail("the lock was taken twice")
