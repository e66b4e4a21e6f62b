"""Describe entries of a checkpoint."""

from __future__ import annotations

from collections.abc import Iterable

from schanger_mm.utils.text import first_of


def summary(names: Iterable[str], everything: Iterable[str]) -> str:
    """Name entries by the largest modules that contain nothing else: ``'head.fusion (20 entries)'``."""
    names = list(names)
    chosen, others = set(names), set(everything) - set(names)
    partly = {prefix for name in others for prefix in _prefixes(name)}
    groups: dict[str, int] = {}
    for name in names:
        group = next((prefix for prefix in _prefixes(name) if prefix not in partly), name)
        groups[group] = groups.get(group, 0) + 1
    parts = [group if group in chosen else f'{group} ({count} {"entry" if count == 1 else "entries"})'
             for group, count in groups.items()]
    return first_of(parts) or 'none'


def _prefixes(name: str) -> list[str]:
    """List the modules that contain an entry, outermost first."""
    parts = name.split('.')
    return ['.'.join(parts[:i]) for i in range(1, len(parts))]
