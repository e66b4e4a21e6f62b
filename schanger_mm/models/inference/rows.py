"""Run per-pixel layers on blocks of rows, so that wide intermediate maps never exist as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

BLOCK = 2**22
"""Values of the widest map per block: 16 MiB in float32, larger blocks are not faster."""


class Rows(NamedTuple):
    """Some rows of a map, and the same rows with their neighbours, as a 3x3 convolution needs them.

    Attributes:
        own: ``(N, C, h, W)``.
        with_neighbours: with one more row on each side, if it exists.
        above: number of rows of ``with_neighbours`` above ``own``.
    """

    own: Tensor
    with_neighbours: Tensor
    above: int

    def cut(self, y: Tensor) -> Tensor:
        """Return the rows of a result for ``with_neighbours`` that belong to ``own``."""
        return y[..., self.above:self.above + self.own.shape[-2], :]


def split_rows(x: Tensor, channels: int) -> list[Rows]:
    """Cut ``(N, C, H, W)`` so that ``(N, channels, h, W)`` has about :data:`BLOCK` values, and at least 8 rows."""
    height = x.shape[-2]
    if x.is_cuda:  # blocks of rows are for the caches of a CPU; on a GPU they took 2.6 times as long
        return [Rows(x, x, 0)]
    step = max(8, BLOCK // (len(x) * channels * x.shape[-1]))
    blocks = []
    for top in range(0, height, step):
        bottom, first = min(top + step, height), max(top - 1, 0)
        blocks.append(Rows(x[..., top:bottom, :], x[..., first:bottom + 1, :], top - first))
    return blocks


def join_rows(parts: Sequence[Tensor]) -> Tensor:
    """Undo the cut."""
    return parts[0] if len(parts) == 1 else torch.cat(list(parts), dim=-2)
