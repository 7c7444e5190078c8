"""Training writes event files for TensorBoard; those of a resumed run have each value once."""

import shutil
import struct
import sys
from pathlib import Path

import pytest
from tensorboardX.crc32c import crc32c
from tensorboardX.proto.event_pb2 import Event, SessionLog
from tiny_training import interrupted, tiny

from nmt.errors import NmtError
from nmt.reports.tensorboard import SCALARS, event_files, export_logs
from nmt.storage.run_folder import read_log
from nmt.training.session import train


def records(path):
    """Yield the events of a file in the format TFRecord, whose checksums must be right."""
    data = path.read_bytes()
    while data:
        (length,) = struct.unpack("<Q", data[:8])
        for part, stored in ((data[:8], data[8:12]), (data[12 : 12 + length], data[12 + length : 16 + length])):
            checksum = crc32c(part)
            masked = ((checksum >> 15 | checksum << 17) + 0xA282EAD8) & 0xFFFFFFFF
            assert struct.unpack("<I", stored) == (masked,)
        yield Event.FromString(data[12 : 12 + length])
        data = data[16 + length :]


def shown(folder):
    """Return the values that TensorBoard shows, by name and step: a new session hides later steps of earlier ones."""
    values = []
    for path in event_files(folder):
        for event in records(path):
            if event.session_log.status == SessionLog.START and event.step:
                values = [value for value in values if value[1] < event.step]
            values += [(value.tag, event.step, value.simple_value) for value in event.summary.value]
    assert len({value[:2] for value in values}) == len(values), "a value is shown twice"
    return {(tag, step): value for tag, step, value in values}


def logged(run):
    return {
        (f"{entry['event']}/{key}", entry["step"]): pytest.approx(entry[key], rel=1e-6)
        for entry in read_log(run.log)
        for key in SCALARS.get(entry["event"], ())
    }


def test_the_event_files_have_the_values_of_the_log(corpus_folder, monkeypatch):
    settings = tiny(tensorboard=True, log_every=2)
    interrupted(monkeypatch, settings, 7)
    train(settings, resume=True, checkpoint="step-6")  # the log of step 6 was written before
    run = train(tiny(tensorboard=True, log_every=2, max_steps=14), resume=True)
    assert shown(run.folder / "tensorboard") == logged(run)
    assert len(event_files(run.folder / "tensorboard")) == 3 and len(logged(run)) == 7 * 6 + 4 * 3


def test_files_of_a_start_without_checkpoint_are_removed_and_a_log_is_exported(corpus_folder):
    folder = Path("runs/run/tensorboard")
    folder.mkdir(parents=True)
    (folder / "events.out.tfevents.1.host.0000").write_bytes(b"")
    run = train(tiny(tensorboard=True, max_steps=5))
    assert shown(folder) == logged(run) and len(event_files(folder)) == 1
    shutil.rmtree(folder)
    train(tiny(tensorboard=True, max_steps=6), resume=True)  # without files, all values are written
    assert shown(folder) == logged(run)
    [path] = export_logs([run.folder], Path("events"))
    assert path.parent == Path("events/run") and shown(path.parent) == logged(run)
    times = [event.wall_time for event in records(path)][1:]
    assert times == sorted(times) and abs(times[-1] - run.log.stat().st_mtime) < 5
    with pytest.raises(NmtError, match=r"events.run: has event files already; choose another folder"):
        export_logs([run.log], Path("events"))
    with pytest.raises(NmtError, match="two of the runs have the name run"):
        export_logs([run.folder, run.folder], Path("others"))


def test_without_the_package_training_does_not_start(corpus_folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(NmtError, match=r"training.tensorboard: this command needs tensorboardX.*pip install") as error:
        train(tiny(tensorboard=True))
    assert "pip install tensorboardX" in str(error.value) and not Path("runs").exists()
