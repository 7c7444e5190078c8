"""A device and an arithmetic are chosen, or the message says why they cannot be."""

import pytest
import torch

from nmt.errors import NmtError
from nmt.kernels.device import check_trainable, choose_arithmetic


def test_int8_needs_the_cpu():
    with pytest.raises(NmtError, match="--device cpu"):
        choose_arithmetic("int8", torch.device("cuda"))


def test_bf16_training_is_rejected_on_a_cpu_without_a_bf16_lstm(monkeypatch):
    monkeypatch.setattr("nmt.kernels.device.has_bf16_lstm", lambda: False)
    with pytest.raises(NmtError, match=r"training\.precision bf16: this CPU has no AVX-512.*fp32"):
        check_trainable("bf16", torch.device("cpu"))
    check_trainable("fp32", torch.device("cpu"))
    check_trainable("bf16", torch.device("cuda"))
