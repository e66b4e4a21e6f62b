"""How the images of a training were read, so that a scene can be read alike."""

from __future__ import annotations

from dataclasses import dataclass

from schanger_mm.geo.errors import SceneError
from schanger_mm.geo.scaling import Range, Scaling

MOST_BANDS = 10_000
"""Limit for numbers of bands; hyperspectral images have hundreds."""


@dataclass(frozen=True)
class Reading:
    """What the loading transform of a training did with the files.

    Args:
        bands: bands it took, counted from 1, red first of three; None: all of the files, in their order.
        scale: the values that became 0 and 255; None: the files were 8-bit.
    """

    bands: tuple[int, ...] | None = None
    scale: Range | None = None

    @classmethod
    def parse(cls, bands: object, scale: object, where: str) -> Reading:
        """Check the values of a config or card, which may come from an untrusted source.

        Args:
            bands: numbers from 1, ``'all'`` or None.
            scale: text such as ``'0:3000'``, or None.
            where: says of what they are, for messages.

        Raises:
            SceneError: something else, or percentiles, which say nothing about another raster.
        """
        bands = None if bands == 'all' else bands
        if bands is not None and not valid_bands(bands):
            raise SceneError(f'{where}: bands = {bands!s:.60}; expected numbers from 1 up.')
        if scale is not None and not valid_scale(scale):
            raise SceneError(f'{where}: scale = {scale!s:.60}; expected MIN:MAX in values, such as 0:3000.')
        return cls(None if bands is None else tuple(bands),  # type: ignore[arg-type]
                   None if scale is None else Scaling.parse(scale).before)  # type: ignore[arg-type]

    def describe(self) -> dict:
        """Return what differs from plain 8-bit files, as JSON holds it."""
        found = dict(bands=self.bands and list(self.bands), scale=self.scale and str(self.scale))
        return {key: value for key, value in found.items() if value is not None}


EIGHT_BIT = Reading()


def valid_bands(value: object) -> bool:
    """Return whether a value is a list of bands, counted from 1."""
    return isinstance(value, (list, tuple)) and 0 < len(value) <= MOST_BANDS and all(
        type(band) is int and 1 <= band <= MOST_BANDS for band in value)


def valid_scale(value: object) -> bool:
    """Return whether a value is the text of one rule in values."""
    if not isinstance(value, str) or len(value) > 100 or ',' in value:
        return False
    try:
        rule = Scaling.parse(value).before
    except SceneError:
        return False
    return rule is not None and not rule.percent
