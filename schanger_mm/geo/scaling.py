"""The rule that takes a raster's values to the 0..255 of the training images."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from schanger_mm.geo.errors import SceneError

FORM = 'expected MIN:MAX in values (0:3000) or percentiles (p2:p98), or none for 8-bit rasters'
_BOUND = re.compile(r'(p?)([-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?)', re.IGNORECASE)


@dataclass(frozen=True)
class Range:
    """The values that become 0 and 255; those outside are clipped.

    Args:
        low, high: values of the raster, or percentiles of it.
        percent: whether they are percentiles, 0 to 100, of the valid pixels
            of all three bands together, so that colours keep their balance.
        measured: they were percentiles of this date, until :func:`resolve` put numbers there.
    """

    low: float
    high: float
    percent: bool = False
    measured: bool = field(default=False, compare=False)

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise SceneError(f'--scale: expected a range whose first bound is the lower, found {self}.')
        if self.percent and not 0 <= self.low < self.high <= 100:
            raise SceneError(f'--scale: expected percentiles from 0 to 100, found {self}.')

    def __str__(self) -> str:
        mark = 'p' if self.percent else ''
        return f'{mark}{_short(self.low)}:{mark}{_short(self.high)}'


@dataclass(frozen=True)
class Scaling:
    """How the values of each date become 0..255: linearly over a range, or not at all (None: 8-bit only).

    Written as ``none``, ``0:3000`` or ``p2:p98`` for both dates, or as two
    rules with a comma between, the earlier date's first (``none,0:3000``).
    """

    before: Range | None = None
    after: Range | None = None

    @classmethod
    def parse(cls, text: str) -> Scaling:
        """Read the written form.

        Raises:
            SceneError: it is no such form, or a range is empty.
        """
        rules = text.split(',')
        if len(rules) > 2:
            raise SceneError(f'--scale: expected one rule, or two with a comma between, found {text!r}.')
        ranges = [_parse_rule(rule.strip()) for rule in rules]
        return cls(ranges[0], ranges[-1])

    def __str__(self) -> str:
        rules = [str(rule or 'none') for rule in (self.before, self.after)]
        return rules[0] if rules[0] == rules[1] else ','.join(rules)


def check_type(rule: Range | None, dtype: str, path: str) -> None:
    """Refuse values that would need a rule, or that no rule can take.

    Raises:
        SceneError: complex values, or other than 8-bit ones without a rule.
    """
    if dtype.startswith('complex'):
        raise SceneError(f'{path}: expected real values, found {dtype}; convert it first (its amplitude, say).')
    if rule is None and dtype != 'uint8':
        raise SceneError(f'{path}: holds {dtype}, so specify which of its values are black and white (0 and 255): '
                         '--scale MIN:MAX in its values, such as 0:3000, or --scale p2:p98 for percentiles of them; '
                         '0:255 if they already are those of an 8-bit image.')


def check_tags(scaling: Scaling, tags: list[tuple[tuple[float, float], ...]], paths: list[str]) -> None:
    """Refuse one rule for two dates whose stored values mean different things, as the rasters' own tags say.

    Sentinel-2 is such a case: since baseline 04.00 (January 2022) its offset is -0.1. Rules of each date's own, and
    percentiles, allow for it.

    Args:
        scaling: the rules.
        tags: (scale, offset) of each band that is read, of both dates; value = stored * scale + offset.
        paths: of both rasters, for the error.

    Raises:
        SceneError: the tags differ and the rule does not.
    """
    before, after = scaling.before, scaling.after
    if tags[0] == tags[1] or before != after or (before is not None and (before.percent or before.measured)):
        return
    example = '--scale MIN:MAX,MIN:MAX'
    if before is not None and not any((1.0, 0.0) in date or len(set(date)) > 1 for date in tags):
        (scale, offset), (other_scale, other_offset) = tags[0][0], tags[1][0]
        low, high = (round(((bound * scale + offset) - other_offset) / other_scale, 6)
                     for bound in (before.low, before.high))
        example = f'--scale {before},{Range(low, high)} (the same range by these tags)'
    raise SceneError(f'{paths[0]} and {paths[1]}: their tags give the stored values different meanings, '
                     f'{_worded(tags[0])} and {_worded(tags[1])}, so one rule for both dates would show changes '
                     f'everywhere. Give each date its own, {example}, take percentiles (--scale p2:p98), or store the '
                     'values that are meant (gdal_translate -unscale -ot Float32).')


def _worded(tags: tuple[tuple[float, float], ...]) -> str:
    """Scale and offset, once where all bands have the same."""
    words = [f'scale {scale:g} and offset {offset:g}' for scale, offset in tags]
    return words[0] if len(set(words)) == 1 else ' / '.join(words)


def resolve(rule: Range | None, values: Callable[[], np.ndarray], path: str) -> Range | None:
    """Put numbers in the place of percentiles.

    Args:
        rule: of one date.
        values: called where percentiles are asked for; gives a sample of the
            raster's valid values, (N,).
        path: of the raster, for errors.

    Raises:
        SceneError: no valid values, or both percentiles are one number.
    """
    if rule is None or not rule.percent:
        return rule
    sample = values()
    if not sample.size:
        raise SceneError(f'{path}: --scale {rule} needs valid pixels to count, found none; give --scale MIN:MAX.')
    low, high = map(float, np.percentile(sample.astype(np.float64), (rule.low, rule.high)))
    if low == high:
        raise SceneError(f'{path}: both percentiles of --scale {rule} are {low:g}; give --scale MIN:MAX.')
    return Range(low, high, measured=True)


def to_bytes_range(values: np.ndarray, rule: Range | None) -> np.ndarray:
    """Take raster values to 0..255 without rounding.

    Args:
        values: any shape, any real type.
        rule: None leaves them as they are.

    Returns:
        float32 of the same shape; 0 where a value is NaN.

    Raises:
        SceneError: the rule is still one of percentiles.
    """
    if rule is None:
        return values.astype(np.float32)
    if rule.percent:
        raise SceneError(f'--scale {rule}: percentiles must be resolved to values first (open_pair does).')
    exact = np.float32 if values.dtype.itemsize <= 2 else np.float64  # float32 holds 16-bit values exactly
    scaled = (values.astype(exact) - exact(rule.low)) * exact(255 / (rule.high - rule.low))
    return np.clip(np.nan_to_num(scaled, nan=0.0), 0, 255).astype(np.float32)


def _parse_rule(rule: str) -> Range | None:
    if rule == 'none':
        return None
    bounds = [_BOUND.fullmatch(bound.strip()) for bound in rule.split(':')]
    if len(bounds) != 2 or None in bounds:
        raise SceneError(f'--scale: {FORM}, found {rule!r}.')
    (low_mark, low), (high_mark, high) = (bound.groups() for bound in bounds if bound)
    if low_mark != high_mark:
        raise SceneError(f'--scale: expected two values or two percentiles, found one of each in {rule!r}.')
    return Range(float(low), float(high), percent=bool(low_mark))


def _short(value: float) -> str:
    return repr(int(value)) if abs(value) < 1e15 and value == int(value) else repr(value)
