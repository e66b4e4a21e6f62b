"""Divide a scene into blocks of the output and windows of the network."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

from schanger_mm.geo.errors import SceneError
from schanger_mm.utils.tiling import Tiling

if TYPE_CHECKING:
    from schanger_mm.geo.grid import Grid

POLYGONS = dict(gpkg='change.gpkg', geojson='change.geojson')
"""Files of the polygons, by format."""
MULTIPLE = 16
"""Sides of windows are multiples of it: the coarsest level of the network has stride 16."""
MOST_BLOCKS = 1_000_000
"""Limit, since blocks are listed in memory. By default 4 million megapixels; a header can declare any size."""


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
    first pixel on, with the last one of a row or column moved back to the border,
    so that none extends beyond it. The lattice is independent of the blocks, so a
    pixel's value does not depend on how a scene is divided into blocks. A scene
    narrower than the window is one window of its own width.

    Args:
        grid: grid of the scene; only its size is used.
        block: side of a block, px; at least ``window``.
        window: side of a window, px; a multiple of 16.
        stride: step from one window to the next, px; 1 to ``window``.

    Raises:
        SceneError: values that leave gaps or are not valid.
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
                             f'{self.block} px; expected at most {MOST_BLOCKS:,}. If it is really that large, use a '
                             'larger --block, or cut it first (gdal_translate -projwin).')

    @property
    def overlap(self) -> int:
        """Return the overlap of a window with its regular neighbour, px."""
        return self.window - self.stride

    @property
    def window_width(self) -> int:
        """Return the width of every window, px."""
        return min(self.window, self.grid.width)

    @property
    def window_height(self) -> int:
        """Return the height of every window, px."""
        return min(self.window, self.grid.height)

    def blocks(self) -> list[Block]:
        """List the blocks, row by row."""
        corners = [(col, row) for row in range(0, self.grid.height, self.block)
                   for col in range(0, self.grid.width, self.block)]
        return [Block(index, col, row, min(self.block, self.grid.width - col), min(self.block, self.grid.height - row))
                for index, (col, row) in enumerate(corners)]

    def windows(self, block: Block) -> list[tuple[int, int]]:
        """Return (col, row) in the scene of each window that shares a pixel with ``block``, row by row."""
        cols = self._touching(block.col, block.width, self.grid.width, self.window_width)
        rows = self._touching(block.row, block.height, self.grid.height, self.window_height)
        return [(col, row) for row in rows for col in cols]

    def region(self, block: Block) -> tuple[int, int, int, int]:
        """Return (col, row, width, height) of the area to read, which the windows of ``block`` cover together."""
        windows = self.windows(block)
        (left, top), (right, bottom) = windows[0], windows[-1]
        return left, top, right + self.window_width - left, bottom + self.window_height - top

    def _touching(self, start: int, length: int, side: int, window: int) -> list[int]:
        lattice = Tiling(window, min(self.stride, window), 'shift').starts(side)
        return lattice[bisect_right(lattice, start - window):bisect_left(lattice, start + length)]


def megapixels(blocks: list[Block]) -> float:
    """Return the area of blocks in millions of pixels."""
    return sum(block.width * block.height for block in blocks) / 1e6


@dataclass(frozen=True)
class Settings:
    """Settings for predicting a scene.

    Args:
        window: side of the windows that the network sees, px; a multiple of 16.
        overlap: pixels that neighbouring windows share.
        block: side of the blocks that are predicted and stored one by one, px.
        batch_size: windows per forward pass.
        threshold: pixels with a probability above it are changed; None: the model's own.
        min_area, fill_holes: m2, px without a CRS; see :func:`write_polygons`.
        simplify: metres, px without a CRS.
        format: of the polygons, ``'gpkg'`` or ``'geojson'``.
        page: write ``report.html``.
        kinds_of: class whose appearance and disappearance is named (new, demolished ...); None: building, if the
            network has that class.
        show_bands: bands that the pictures of the page show as red, green and blue, from 1 in the order of the
            network; None: see :class:`~schanger_mm.scene.look.Look`.
        resume: continue an interrupted run; a complete one is left unchanged.
        overwrite: replace the results of an earlier run.

    Raises:
        SceneError: a value out of range; window, overlap and block are checked with the scene.
    """

    window: int = 256
    overlap: int = 128
    block: int = 2048
    batch_size: int = 4
    threshold: float | None = None
    min_area: float = 0.0
    simplify: float = 0.0
    fill_holes: float = 0.0
    format: str = 'gpkg'
    page: bool = True
    kinds_of: str | None = None
    show_bands: tuple[int, ...] | None = None
    resume: bool = False
    overwrite: bool = False

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise SceneError(f'--batch-size {self.batch_size}: expected 1 or more.')
        if self.threshold is not None and not 0 <= self.threshold < 1:
            raise SceneError(f'--threshold {self.threshold}: expected 0 or more and less than 1.')
        if self.format not in POLYGONS:
            raise SceneError(f'--format {self.format}: expected one of {", ".join(POLYGONS)}.')
        sizes = {'min-area': self.min_area, 'simplify': self.simplify, 'fill-holes': self.fill_holes}
        for option, value in sizes.items():
            if not 0 <= value < float('inf'):
                raise SceneError(f'--{option} {value}: expected 0 or more.')
