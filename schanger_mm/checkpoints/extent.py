"""How much the containers of a pickle hold when they are walked through."""

from __future__ import annotations

from collections.abc import Iterable

from schanger_mm.checkpoints.errors import CheckpointError

VALUES = 10_000_000
LEVELS = 200
"""Largest number of values, and of containers in containers; trainings stay below a hundredth and a tenth of it."""


def check_extent(roots: Iterable[object]) -> None:
    """Refuse containers that are much larger to whoever walks through them than the file that they are made of.

    A tuple that holds another one twice, which holds another one twice and so
    on, takes a few bytes for each level and twice the time: 60 levels are
    hashed, compared or printed for years.

    Args:
        roots: lists and tuples; each part of them is looked at once. Where one
            holds itself, it counts as a value there.

    Raises:
        CheckpointError: there are too many values, or levels.
    """
    extents: dict[int, tuple[int, int]] = {}  # by id: values in it, levels of it
    opened: set[int] = set()
    todo = list(roots)
    while todo:
        container = todo[-1]
        parts = [part for part in container if isinstance(part, (list, tuple))]  # type: ignore[attr-defined]
        if id(container) not in opened:
            opened.add(id(container))
            todo += [part for part in parts if id(part) not in opened]
            continue
        todo.pop()
        inner = [extents.get(id(part), (1, 1)) for part in parts]
        values = len(container) + sum(values for values, _ in inner)  # type: ignore[arg-type]
        levels = 1 + max((levels for _, levels in inner), default=0)
        if values > VALUES or levels > LEVELS:
            raise CheckpointError(f'its containers hold one another in {levels:,} levels and come to {values:,} '
                                  f'values; expected {LEVELS} and {VALUES:,} at most')
        extents[id(container)] = values, levels
