"""How a scene is cut: blocks of the output, and the windows that the network sees."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

from schanger_mm.data_tools.grid import Tiling
from schanger_mm.scene.errors import SceneError

if TYPE_CHECKING:
    from schanger_mm.scene.grid import Grid

MULTIPLE = 16
"""Sides of windows are multiples of it: the coarsest level of the network has stride 16."""
MOST_BLOCKS = 1_000_000
"""They are listed in memory. By default it is 4 million megapixels; a header can claim any size."""


@dataclass(frozen=True)
class Block:
    """A piece of the output; the blocks of a plan are disjoint and cover the scene.

    Args:
        index: number of the block, row by row from the top left.
        col, row: its first pixel in the scene.
        width, height: its size, px.
    """

    index: int
    col: int
    row: int
    width: int
    height: int


@dataclass(frozen=True)
class Plan:
    """Blocks and windows of a scene.

    The windows lie on one lattice of the scene: every ``stride`` px from its
    first pixel on, the last one of a row or column moved back to the border,
    so that none sticks out. The lattice does not know the blocks, so a pixel's
    value does not depend on how a scene is cut into them. A scene narrower
    than the window is one window of its own width.

    Args:
        grid: the scene; only its size counts here.
        block: side of a block, px; at least ``window``.
        window: side of a window, px; a multiple of 16.
        stride: step from one window to the next, px; 1 to ``window``.

    Raises:
        SceneError: values that leave gaps or make no sense.
    """

    grid: Grid
    block: int = 2048
    window: int = 256
    stride: int = 128

    def __post_init__(self) -> None:
        if self.window < MULTIPLE or self.window % MULTIPLE:
            raise SceneError(f'--window {self.window}: expected a multiple of {MULTIPLE} px, {MULTIPLE} or more; '
                             f'{max(MULTIPLE, round(self.window / MULTIPLE) * MULTIPLE)} is the nearest.')
        if not 1 <= self.stride <= self.window:
            raise SceneError(f'--overlap {self.window - self.stride}: expected 0 to {self.window - 1} px for a window '
                             f'of {self.window} px.')
        if self.block < self.window:
            raise SceneError(f'--block {self.block}: expected at least the window, {self.window} px.')
        count = -(-self.grid.width // self.block) * -(-self.grid.height // self.block)
        if count > MOST_BLOCKS:
            raise SceneError(f'the scene is {self.grid.width:,} x {self.grid.height:,} px, {count:,} blocks of '
                             f'{self.block} px; expected at most {MOST_BLOCKS:,}. If it is really that large, take a '
                             'larger --block, or cut it first (gdal_translate -projwin).')

    @property
    def overlap(self) -> int:
        """Pixels that a window shares with its regular neighbour."""
        return self.window - self.stride

    @property
    def window_width(self) -> int:
        """Width of every window, px."""
        return min(self.window, self.grid.width)

    @property
    def window_height(self) -> int:
        """Height of every window, px."""
        return min(self.window, self.grid.height)

    def blocks(self) -> list[Block]:
        """List the blocks, row by row."""
        corners = [(col, row) for row in range(0, self.grid.height, self.block)
                   for col in range(0, self.grid.width, self.block)]
        return [Block(index, col, row, min(self.block, self.grid.width - col), min(self.block, self.grid.height - row))
                for index, (col, row) in enumerate(corners)]

    def windows(self, block: Block) -> list[tuple[int, int]]:
        """(col, row) in the scene of each window that shares a pixel with ``block``, row by row."""
        cols = self._touching(block.col, block.width, self.grid.width, self.window_width)
        rows = self._touching(block.row, block.height, self.grid.height, self.window_height)
        return [(col, row) for row in rows for col in cols]

    def region(self, block: Block) -> tuple[int, int, int, int]:
        """(col, row, width, height) of what the windows of ``block`` cover together: what has to be read."""
        windows = self.windows(block)
        (left, top), (right, bottom) = windows[0], windows[-1]
        return left, top, right + self.window_width - left, bottom + self.window_height - top

    def count_windows(self) -> int:
        """Number of windows that the network sees; one that touches several blocks counts for each of them."""
        return sum(len(self.windows(block)) for block in self.blocks())

    def _touching(self, start: int, length: int, side: int, window: int) -> list[int]:
        lattice = Tiling(window, min(self.stride, window), 'shift').starts(side)
        return lattice[bisect_right(lattice, start - window):bisect_left(lattice, start + length)]


def megapixels(blocks: list[Block]) -> float:
    """Area of blocks in millions of pixels."""
    return sum(block.width * block.height for block in blocks) / 1e6
