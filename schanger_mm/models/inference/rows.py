"""Running per-pixel layers block of rows by block of rows, so that wide intermediate maps are never whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

BLOCK = 2**22
"""Values of the widest map per block: 16 MiB in float32, which larger blocks do not beat in speed."""


class Rows(NamedTuple):
    """Some rows of a map, and the same with their neighbours, as a 3x3 convolution needs them.

    Attributes:
        own: ``(N, C, h, W)``.
        with_neighbours: one row more at each side where there is one.
        above: how many rows of ``with_neighbours`` lie above ``own``.
    """

    own: Tensor
    with_neighbours: Tensor
    above: int

    def cut(self, y: Tensor) -> Tensor:
        """Take from a result for ``with_neighbours`` what belongs to ``own``."""
        return y[..., self.above:self.above + self.own.shape[-2], :]


def split_rows(x: Tensor, channels: int) -> list[Rows]:
    """Cut ``(N, C, H, W)`` so that ``(N, channels, h, W)`` has about :data:`BLOCK` values, and at least 8 rows."""
    height = x.shape[-2]
    step = max(8, BLOCK // (len(x) * channels * x.shape[-1]))
    blocks = []
    for top in range(0, height, step):
        bottom, first = min(top + step, height), max(top - 1, 0)
        blocks.append(Rows(x[..., top:bottom, :], x[..., first:bottom + 1, :], top - first))
    return blocks


def join_rows(parts: Sequence[Tensor]) -> Tensor:
    """Undo the cut."""
    return parts[0] if len(parts) == 1 else torch.cat(list(parts), dim=-2)
