"""Stochastic depth."""

from torch import Tensor, nn


class DropPath(nn.Module):
    """Drop a residual branch for whole samples, scaling the kept ones by ``1 / (1 - rate)``.

    Huang et al., "Deep Networks with Stochastic Depth", ECCV 2016. Identity in
    eval mode or at rate 0.

    Args:
        rate: probability that a sample loses the branch.
    """

    def __init__(self, rate: float = 0.0):
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        """Map a branch ``(N, C, H, W)`` to the same shape."""
        if not self.training or self.rate == 0.0:
            return x
        keep = 1.0 - self.rate
        mask = x.new_empty((x.shape[0], 1, 1, 1)).bernoulli_(keep)
        return x * mask.div_(keep)

    def extra_repr(self) -> str:
        """Show the rate when printed."""
        return f'rate={self.rate}'
