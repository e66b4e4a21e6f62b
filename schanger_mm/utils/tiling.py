"""Positions and names of the tiles of an image."""

from __future__ import annotations

from dataclasses import dataclass

from schanger_mm.utils.errors import SettingError

EDGES = ('shift', 'pad', 'drop')


@dataclass(frozen=True)
class Tiling:
    """How to cut images into tiles.

    Args:
        size: side of a tile, px.
        stride: step from one tile to the next, px; at most ``size``.
        edges: what happens where the tiles do not fill an image. 'shift'
            moves the last tile back to the border, so that it overlaps its
            neighbour; 'pad' fills it with zeros at the bottom and right;
            'drop' omits the rest.

    Raises:
        ValueError: values that leave gaps or are not valid.
    """

    size: int = 256
    stride: int = 256
    edges: str = 'shift'

    def __post_init__(self) -> None:
        if self.size < 1:
            raise SettingError(f'--size: expected 1 or more pixels, found {self.size}')
        if not 1 <= self.stride <= self.size:
            raise SettingError(f'--stride: expected 1 to {self.size} (the tile size; more would leave gaps), '
                               f'found {self.stride}')
        if self.edges not in EDGES:
            raise SettingError(f'edges: expected one of {", ".join(EDGES)}, found {self.edges!r}')

    def fills(self, length: int) -> bool:
        """Return whether the tiles end exactly at the end of a side of ``length`` px."""
        return length >= self.size and (length - self.size) % self.stride == 0

    def starts(self, length: int) -> list[int]:
        """Return the first pixel of each tile along a side of ``length`` px."""
        regular = list(range(0, length - self.size + 1, self.stride))
        if self.fills(length) or self.edges == 'drop':
            return regular
        if self.edges == 'pad':
            return regular + [regular[-1] + self.stride if regular else 0]
        return regular + [length - self.size] if regular else []

    def corners(self, height: int, width: int) -> list[tuple[int, int]]:
        """Return (top, left) of each tile, row by row."""
        return [(top, left) for top in self.starts(height) for left in self.starts(width)]


def tile_name(stem: str, index: int) -> str:
    """Return the name of a tile without suffix: ``<stem>_<n>``.

    ``n`` counts from 1, row by row from the top left, as in the lists of
    LEVIR-CD in tiles of 256 px (``train_1_1`` to ``train_1_16``).
    """
    return f'{stem}_{index}'
