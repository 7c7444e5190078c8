"""Linear maps with the initialisation of Glorot & Bengio (2010).

Axes: I input width, O output width, U chosen outputs.
"""

from torch import Tensor, nn

from nmt.kernels.deferred_gradients import linear_function


class Linear(nn.Linear):
    """x W' + b; W is drawn as in Glorot & Bengio (2010), and b is zero at first."""

    def reset_parameters(self) -> None:
        """Draw the weights."""
        nn.init.xavier_uniform_(self.weight)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    @classmethod
    def of(cls, weight: Tensor, bias: Tensor) -> "Linear":
        """Return the map with the given `weight` (O, I) and `bias` (O,), which are not trained."""
        made = cls(weight.shape[1], weight.shape[0], device="meta")
        made.weight, made.bias = (nn.Parameter(part.detach(), requires_grad=False) for part in (weight, bias))
        return made

    def select_outputs(self, outputs: Tensor) -> "Linear":
        """Return the map to the `outputs` (U,) only."""
        return Linear.of(self.weight[outputs], self.bias[outputs])


class LoopLinear(Linear):
    """A linear map for loops over time: its weight gradients can be computed after the loop (`deferred_gradients`)."""

    def forward(self, x: Tensor) -> Tensor:
        """Return x W' + b, (..., O), for `x` (..., I)."""
        return linear_function(self.weight, self.bias)(x)
