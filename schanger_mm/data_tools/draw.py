"""Draw names by their hash: the same draw on every machine, almost unchanged when files are added."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

from schanger_mm.utils.errors import DatasetError, SettingError
from schanger_mm.utils.text import first_of

TILE_STEM = re.compile(r'(.+)_\d+')


def group_names(names: Iterable[str], pattern: str | None = None) -> dict[str, list[str]]:
    """Group names that must not be separated.

    Args:
        names: stems.
        pattern: regular expression with one group that is the same for names
            that belong together, and that matches whole names (``(.+)_\\d+`` for
            tiles of one image); None makes each name its own group.

    Raises:
        ValueError: not a regular expression with one group.
        DatasetError: names that it does not match.
    """
    names = list(names)
    if pattern is None:
        return {name: [name] for name in names}
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise SettingError(f'--group-by {pattern!r}: not a regular expression ({error}).') from error
    if compiled.groups != 1:
        raise SettingError(f'--group-by {pattern!r}: expected one group in parentheses, as in (.+)_\\d+, '
                           f'found {compiled.groups}.')
    groups: dict[str, list[str]] = {}
    unmatched = []
    for name in names:
        match = compiled.fullmatch(name)
        if match is None or match.group(1) is None:
            unmatched.append(name)
        else:
            groups.setdefault(match.group(1), []).append(name)
    if unmatched:
        raise DatasetError(f'--group-by {pattern!r} does not match {len(unmatched)} names: {first_of(unmatched)}.')
    return groups


def rank_groups(groups: Iterable[str], seed: int) -> list[str]:
    """Sort groups by the sha256 of ``<seed>:<group>``, which is the order of drawing."""
    return sorted(groups, key=lambda group: hashlib.sha256(f'{seed}:{group}'.encode()).hexdigest())


def take(ranked: Sequence[str], groups: Mapping[str, list[str]], count: int) -> list[str]:
    """Return the first groups that together have at least ``count`` names."""
    taken, names = [], 0
    for group in ranked:
        if names >= count:
            break
        taken.append(group)
        names += len(groups[group])
    return taken


def read_share(text: str, option: str) -> Decimal | int:
    """Read ``0.1`` as a fraction and ``64`` as a number of names.

    Raises:
        ValueError: neither a fraction between 0 and 1 nor a whole number from 1 on.
    """
    number = _number(text)
    if text.isdecimal() and number >= 1:
        return int(number)
    if 0 < number < 1:
        return number
    raise SettingError(f'{option} {text}: expected a fraction such as 0.1, or a number of names such as 64.')


def read_percent(text: str) -> Decimal:
    """Read a percentage above 0 and up to 100.

    Raises:
        ValueError: anything else.
    """
    percent = _number(text)
    if not 0 < percent <= 100:
        raise SettingError(f'--percent {text}: expected a percentage above 0 and up to 100.')
    return percent


def count_of(share: Decimal | int, total: int) -> int:
    """Return a number of names: a count unchanged, a fraction of ``total`` rounded half up, at least 1."""
    if isinstance(share, int):
        return share
    return max(1, int((share * total).to_integral_value(ROUND_HALF_UP)))


def look_like_tiles(names: Iterable[str]) -> list[str]:
    """Return stems shared by several names of the form ``<stem>_<n>``, if there is more than one such stem."""
    counts: dict[str, int] = {}
    for name in names:
        if match := TILE_STEM.fullmatch(name):
            counts[match.group(1)] = counts.get(match.group(1), 0) + 1
    shared = [stem for stem, count in counts.items() if count > 1]
    return shared if len(counts) > 1 else []


def _number(text: str) -> Decimal:
    """Return the number in ``text``, or 0, which no option accepts, if it is not a number."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        return Decimal(0)
    return number if number.is_finite() else Decimal(0)
