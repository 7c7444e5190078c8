"""The same small network in torch and in ONNX Runtime, as engines for search."""

import functools

from architectures import build, parts_of

from nmt.models.torch_engine import TorchEngine
from nmt.runtime.network import build_graphs
from nmt.runtime.onnx_engine import OnnxEngine

SPREAD = 0.8
"""Deviation of the weights: far from uniform probabilities, so that rounding changes no decision."""


def arrays_of(network):
    """Return the weights of a torch `network` by their names in a checkpoint; a shared weight has its first name."""
    return {name: weight.detach().numpy() for name, weight in network.named_parameters()}


def torch_engine(vocabulary, architecture):
    """Return the network of `architectures.build`."""
    return _torch_engine(vocabulary, tuple(architecture.items()))


def onnx_engine(vocabulary, architecture, precision="fp32"):
    """Return the same network as `torch_engine`."""
    return _onnx_engine(vocabulary, tuple(architecture.items()), precision)


@functools.lru_cache(4)  # the tests of an architecture follow one another
def _torch_engine(vocabulary, architecture):
    return TorchEngine(build(vocabulary, SPREAD, **dict(architecture)))


@functools.lru_cache(8)
def _onnx_engine(vocabulary, architecture, precision):
    arrays = arrays_of(_torch_engine(vocabulary, architecture).network)
    graphs = build_graphs(parts_of(**dict(architecture)), arrays, precision)
    return OnnxEngine(graphs.encoder.SerializeToString(), graphs.decoder.SerializeToString(), vocabulary)


ENGINES = {
    "torch": torch_engine,
    "onnx": onnx_engine,
    "int8": functools.partial(onnx_engine, precision="int8"),
}
"""Functions of the vocabulary size and the architecture."""
