"""Where the tiles of an image lie, and what they are called."""

from __future__ import annotations

from dataclasses import dataclass

EDGES = ('shift', 'pad', 'drop')


@dataclass(frozen=True)
class Tiling:
    """How images are cut.

    Args:
        size: side of a tile, px.
        stride: step from one tile to the next, px; at most ``size``.
        edges: what happens where the tiles do not fill an image. 'shift'
            moves the last tile back to the border, so that it overlaps its
            neighbour; 'pad' fills it with zeros at the bottom and right;
            'drop' leaves the rest out.

    Raises:
        ValueError: values that leave gaps or make no sense.
    """

    size: int = 256
    stride: int = 256
    edges: str = 'shift'

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ValueError(f'--size: expected 1 or more pixels, found {self.size}')
        if not 1 <= self.stride <= self.size:
            raise ValueError(f'--stride: expected 1 to {self.size} (the tile size; more would leave gaps), '
                             f'found {self.stride}')
        if self.edges not in EDGES:
            raise ValueError(f'edges: expected one of {", ".join(EDGES)}, found {self.edges!r}')

    def fills(self, length: int) -> bool:
        """Whether the tiles end exactly at the end of a side of ``length`` px."""
        return length >= self.size and (length - self.size) % self.stride == 0

    def starts(self, length: int) -> list[int]:
        """First pixel of each tile along a side of ``length`` px."""
        regular = list(range(0, length - self.size + 1, self.stride))
        if self.fills(length) or self.edges == 'drop':
            return regular
        if self.edges == 'pad':
            return regular + [regular[-1] + self.stride if regular else 0]
        return regular + [length - self.size] if regular else []

    def corners(self, height: int, width: int) -> list[tuple[int, int]]:
        """(top, left) of each tile, row by row."""
        return [(top, left) for top in self.starts(height) for left in self.starts(width)]


def tile_name(stem: str, index: int) -> str:
    """Name of a tile without suffix: ``<stem>_<n>``.

    ``n`` counts from 1, row by row from the top left, as in the lists of
    LEVIR-CD in tiles of 256 px (``train_1_1`` to ``train_1_16``).
    """
    return f'{stem}_{index}'
