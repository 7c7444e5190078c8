"""Deferred weight gradients equal those of autograd."""

import gc
import weakref

import pytest
import torch
from torch import nn

from nmt.kernels.deferred_gradients import deferred_gradients, dot_products, linear, weighted_sum


def run(weight, bias, states, x):
    """Return the loss of a loop that uses one weight for all sentences, and the states of each sentence twice."""
    total = x.new_zeros(())
    for _ in range(3):
        scores = dot_products(linear(x, weight, bias).unsqueeze(1), states)
        x = weighted_sum(scores.softmax(-1), states).squeeze(1)[:, :3].tanh()
        total = total + (x * x).sum()
    return total


def inputs(dtype):
    torch.manual_seed(0)
    shapes = (4, 3), (4,), (2, 6, 4), (2, 3)
    return [torch.randn(shape, dtype=dtype, requires_grad=True) for shape in shapes]


def test_gradients_equal_autograd():
    plain, deferred = inputs(torch.float64), inputs(torch.float64)
    run(*plain).backward()
    with deferred_gradients():
        loss = run(*deferred)
    loss.backward()
    for one, other in zip(plain, deferred, strict=True):
        torch.testing.assert_close(one.grad, other.grad)


def test_a_second_backward_pass_gives_the_same_gradients():
    given = inputs(torch.float64)
    with deferred_gradients():
        loss = run(*given)
    first = torch.autograd.grad(loss, given, retain_graph=True)
    second = torch.autograd.grad(loss, given)
    torch.testing.assert_close(first, second)


def test_an_unused_product_has_no_gradient():
    given = inputs(torch.float64)
    with deferred_gradients():
        linear(given[3], given[0])
    (given[3] * 2).sum().backward()
    assert given[0].grad is None


def test_the_gradient_has_the_dtype_of_the_weight_under_autocast():
    given = inputs(torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16), deferred_gradients():
        loss = run(*given)
    loss.backward()
    exact = inputs(torch.float32)
    run(*exact).backward()
    assert given[0].grad.dtype == torch.float32
    torch.testing.assert_close(given[0].grad, exact[0].grad, rtol=0.1, atol=0.1)


def test_the_result_is_the_same_without_gradients():
    given = inputs(torch.float64)
    with torch.no_grad(), deferred_gradients():
        loss = run(*given)
    torch.testing.assert_close(loss, run(*given).detach())


def test_a_failed_backward_pass_frees_its_tensors():
    def fail(gradient):
        raise RuntimeError("out of memory")

    weight = nn.Parameter(torch.randn(4, 4))
    references = []
    with deferred_gradients():
        h = torch.randn(2, 4, requires_grad=True)
        for step in range(4):
            h = linear(h, weight).tanh()
            references.append(weakref.ref(h))
            if step == 1:
                h.register_hook(fail)
    with pytest.raises(RuntimeError, match="out of memory"):
        h.sum().backward()
    del h
    gc.collect()
    assert [ref() for ref in references] == [None] * 4
