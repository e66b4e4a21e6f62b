"""Seed transforms that have their own generator, which the seeds of the three global ones do not affect."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np


def seed_private_generators(steps: Iterable) -> None:
    """Seed every transform that has ``set_random_seed``, as albumentations 1.4.21 and later do, from ``numpy.random``.

    Nothing is drawn if there is none.

    Args:
        steps: transforms, including nested ones, also in mmseg's ``Albu``.
    """
    for owner in _owners(steps):
        owner.set_random_seed(int(np.random.randint(2**31)))


def _owners(steps: Iterable) -> Iterator:
    for step in steps:
        if callable(getattr(step, 'set_random_seed', None)):
            yield step
            continue
        inner = step if isinstance(step, (list, tuple)) else getattr(step, 'transforms', None)
        if inner is not None and not isinstance(inner, (dict, str)):
            yield from _owners(inner if isinstance(inner, (list, tuple)) else [inner])
        if callable(getattr(step, 'aug', None)):  # mmseg's and mmdet's Albu
            yield from _owners([step.aug])
