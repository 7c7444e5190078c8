"""`top_k` equals a stable sort."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nmt.kernels.top_k import top_k


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 5), st.integers(1, 150), st.integers(1, 40), st.integers(0, 1000), st.sampled_from([0.5, 3.0, 100.0])
)
def test_top_k_equals_a_stable_sort(rows, size, count, seed, spread):
    """Rounded values have many ties; the lower id is first."""
    values = (torch.randn(rows, size, generator=torch.Generator().manual_seed(seed)) * spread).round()
    values[values > 2 * spread] = -torch.inf
    ordered, ids = values.sort(dim=1, descending=True, stable=True)
    found, where = top_k(values, count)
    assert torch.equal(found, ordered[:, :count])
    assert torch.equal(where, ids[:, :count])


def test_zeros_of_both_signs_are_equal():
    assert top_k(torch.tensor([[-1.0, -0.0, 0.0]]), 3)[1].tolist() == [[1, 2, 0]]
