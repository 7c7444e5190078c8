"""What a decoder step reads of the source, and the rows of hypotheses grouped by sentence: see `models.state`.

Axes: B sentences, K slots of a sentence, N hypotheses, S source tokens, M memory width.
"""

from functools import cached_property

from nmt.runtime.graph import BOOL, FLOAT, INT64, Graph, Shape, Value


class Memory:
    """The inputs of a decoder step that describe the source; those that are never read are no inputs of the graph."""

    def __init__(self, graph: Graph, memory_size: int) -> None:
        self.graph = graph
        self.memory_size = memory_size

    @property
    def states(self) -> Value:
        """Return h_s (B, S, M)."""
        return self.graph.input("states", FLOAT, ["B", "S", self.memory_size])

    @property
    def summary(self) -> Value:
        """Return the summaries (B, M)."""
        return self.graph.input("summary", FLOAT, ["B", self.memory_size])

    @property
    def is_real(self) -> Value:
        """Return (B, S), True on real tokens."""
        return self.graph.input("is_real", BOOL, ["B", "S"])

    @property
    def source(self) -> Value:
        """Return the source token ids (B, S)."""
        return self.graph.input("source", INT64, ["B", "S"])

    def keys(self, number: int, width: int) -> Value:
        """Return projections (B, S, width) of the states."""
        return self.graph.input(f"keys.{number}", FLOAT, ["B", "S", width])

    @cached_property
    def sentences(self) -> Value:
        """B as an int64 vector."""
        return self.graph.size(self.is_real, 0)

    @cached_property
    def length(self) -> Value:
        """S as an int64 vector."""
        return self.graph.size(self.is_real, 1)

    def group(self, x: Value, *shape: int) -> Value:
        """Return `x` (N, …) of the hypotheses as (B, K, …), with the `shape` of the other axes.

        Empty slots have the values of row 0, which `ungroup` drops.
        """
        rows = self.graph.gather(x, self.graph.input("rows", INT64, ["B * K"]))  # (B * K, …)
        sizes = self.graph.concat([self.sentences, self.graph.integers(-1, *shape)], 0)
        return self.graph.op("Reshape", rows, sizes)

    def group_tokens(self, x: Value) -> Value:
        """Return `x` (N, S) of the hypotheses as (B, K, S)."""
        rows = self.graph.gather(x, self.graph.input("rows", INT64, ["B * K"]))  # (B * K, S)
        sizes = self.graph.concat([self.sentences, self.graph.integers(-1), self.length], 0)
        return self.graph.op("Reshape", rows, sizes)

    def ungroup(self, x: Value) -> Value:
        """Return `x` (B, K, …) as (N, columns), without the empty slots."""
        flat = self.graph.op("Flatten", x, axis=2)  # (B * K, columns)
        return self.graph.gather(flat, self.graph.input("slots", INT64, ["N"]))

    def repeat(self, x: Value) -> Value:
        """Return `x` (B, …) of the sentences for each hypothesis: (N, …)."""
        return self.graph.gather(x, self.graph.input("sentences", INT64, ["N"]))


def position(graph: Graph) -> Value:
    """Return the number of target tokens read before the step, an int64 scalar."""
    shape: Shape = []
    return graph.input("position", INT64, shape)
