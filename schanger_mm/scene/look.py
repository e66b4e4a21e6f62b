"""Which bands of a scene its pictures show, and how bright."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from schanger_mm.geo.errors import SceneError
from schanger_mm.geo.scaling import to_bytes_range
from schanger_mm.utils.band_order import COLOUR_BANDS, SHARES, shown_bands

if TYPE_CHECKING:
    from schanger_mm.geo.pair import PairSource


@dataclass(frozen=True)
class Look:
    """How the bands of a scene become a picture.

    Args:
        shown: positions of red, green and blue among the network's bands, from 0.
        low, high: values, of 0..255 as the network sees them, that become black and white.
    """

    shown: tuple[int, ...]
    low: float = 0.0
    high: float = 255.0

    @classmethod
    def of(cls, source: PairSource, show: Sequence[int] | None = None) -> Look:
        """Choose the look of a scene.

        Values other than 8-bit ones are stretched from the 2nd to the 98th percentile of both dates, unless they are
        three bands in a range that the user chose.

        Args:
            source: the pair.
            show: red, green and blue among the network's bands, from 1; None: see :func:`shown_bands`.
        """
        shown = shown_bands(source.bands, source.before.colours) if show is None else tuple(one - 1 for one in show)
        eight_bit = source.before.dtype == source.after.dtype == 'uint8'
        if eight_bit or (source.bands == COLOUR_BANDS and source.spec.trained.scale is None):
            return cls(shown)
        scalings = source.spec.scaling.before, source.spec.scaling.after
        sample = [to_bytes_range(values[list(shown)][:, valid], rule).ravel()
                  for date, rule in zip((source.before, source.after), scalings) for values, valid in date.samples()]
        values = np.concatenate(sample)
        low, high = map(float, np.percentile(values, SHARES)) if values.size else (0.0, 0.0)
        return cls(shown, low, high) if low < high else cls(shown)

    def paint(self, images: np.ndarray) -> np.ndarray:
        """Turn the shown bands ``(2, 3, h, w)`` of both dates into ``(2, h, w, 3)`` float32 of 0..255, rounded."""
        if (self.low, self.high) != (0, 255):
            images = (images - np.float32(self.low)) * np.float32(255 / (self.high - self.low))
        return np.rint(np.moveaxis(images, 1, -1)).clip(0, 255)


def parse_shown(text: str) -> tuple[int, ...]:
    """Read what ``--show-bands`` takes: ``4,3,2``.

    Raises:
        SceneError: something else.
    """
    try:
        return tuple(map(int, text.split(',')))
    except ValueError:
        raise SceneError(f'--show-bands: invalid, {text!r}; expected numbers with commas between (4,3,2).') from None


def check_shown(show: Sequence[int] | None, bands: int) -> None:
    """Refuse other than three bands of a network.

    Raises:
        SceneError: see above.
    """
    if show is not None and (len(show) != COLOUR_BANDS or not all(1 <= band <= bands for band in show)):
        raise SceneError(f'--show-bands: expected three numbers from 1 to {bands}, as the network takes {bands} bands '
                         f'(3,3,3 shows one in grey), found {",".join(map(str, show))}.')
