"""Processes that train as ranks: copies of this one, which share its imports, one for each port on a line of stdin.

A copy connects to the port and takes requests. A request is a line of JSON: the environment variables of torchrun, the
configuration, and the name of a fault below.
"""

import json
import os
import signal
import socket
import sys
import warnings

import torch

import nmt
from nmt.errors import NmtError
from nmt.training import ranks, trainer
from nmt.training.stop import StopRequest
from nmt.training.trainer import Trainer
from nmt.training.validation import Validator

warnings.simplefilter("error")
ranks._CLAIM_SECONDS = 0.5
ORIGINAL = {(owner, name): getattr(owner, name) for owner, name in (
    (trainer, "likelihood_loss"), (Trainer, "step"), (Validator, "work"), (torch.Tensor, "backward"),
)}  # fmt: skip


class FailingBackward(torch.autograd.Function):
    """The identity, whose backward pass runs out of memory."""

    @staticmethod
    def forward(ctx, values):
        return values.clone()

    @staticmethod
    def backward(ctx, gradient):
        raise MemoryError


def change_loss(change):
    """Let `change` (step, pairs, loss) replace each training loss of this rank."""
    original = ORIGINAL[trainer, "likelihood_loss"]

    def changed(model, batch, settings, step):
        return change(step, len(batch.source), original(model, batch, settings, step))

    trainer.likelihood_loss = changed


def not_a_number(stop):
    """The loss of step 2 is not a number."""
    factor = torch.tensor(float("nan"))
    change_loss(lambda step, pairs, loss: type(loss)(loss.minimised * factor, loss.nll) if step == 2 else loss)


def out_of_memory_forward(stop):
    """More than 10 pairs do not fit into memory."""

    def change(step, pairs, loss):
        if pairs > 10:
            raise MemoryError
        return loss

    change_loss(change)


def out_of_memory_backward(stop):
    """Memory runs out in the middle of the backward pass of more than 10 pairs."""
    original = ORIGINAL[trainer, "likelihood_loss"]

    def changed(model, batch, settings, step):
        handle = None
        if len(batch.source) > 10:
            handle = model.encoder.register_forward_hook(lambda _, __, out: (FailingBackward.apply(out[0]), out[1]))
        try:
            return original(model, batch, settings, step)
        finally:
            if handle is not None:
                handle.remove()

    trainer.likelihood_loss = changed


def never_enough_memory(stop):
    """No pair fits into memory from step 3 on."""

    def change(step, pairs, loss):
        if step >= 3:
            raise MemoryError
        return loss

    change_loss(change)


def stop_in_step(stop):
    """A stop is requested in step 3."""

    def step(self, batch):
        if self.progress.step + 1 == 3:
            stop.set()
        ORIGINAL[Trainer, "step"](self, batch)

    Trainer.step = step


def stop_in_validation(stop):
    """A stop is requested in the first validation."""

    def work(self, model, only=None):
        stop.set()
        raise AssertionError("the validation continued")

    Validator.work = work


def bug(stop):
    """Step 3 fails with an error that is no mistake of the user."""

    def change(step, pairs, loss):
        if step == 3:
            raise RuntimeError("a bug")
        return loss

    change_loss(change)


def exit_at_once(stop):
    """The process ends in step 3, as after SIGKILL."""
    change_loss(lambda step, pairs, loss: os._exit(9) if step == 3 else loss)


def answer(request):
    """Train, and return what the caller would see."""
    for (owner, name), value in ORIGINAL.items():
        setattr(owner, name, value)
    for key in [key for key in os.environ if key.startswith(("TORCHELASTIC_", "NMT_RANK"))]:
        del os.environ[key]
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    stop = StopRequest()
    if request["fault"]:
        globals()[request["fault"]](stop)
    try:
        run = nmt.train(request["config"], resume=request["resume"], stop=stop)
    except NmtError as error:
        return {"error": str(error), "kind": type(error).__name__}
    except Exception as error:
        return {"error": repr(error), "kind": "bug"}
    return {"step": run.step, "is_finished": run.is_finished, "reason": run.reason}


def serve(port):
    """Answer the requests that come from `port`, and end the process."""
    with socket.create_connection(("127.0.0.1", port)) as connection, connection.makefile("rw") as lines:
        while line := lines.readline():
            lines.write(json.dumps(answer(json.loads(line))) + "\n")
            lines.flush()
    os._exit(0)  # Python's own end takes a second


if __name__ == "__main__":
    torch.set_num_threads(1)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the copies
    for number in sys.stdin:
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            serve(int(number))
