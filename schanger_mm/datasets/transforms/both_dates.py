"""Share random draws between two dates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NoReturn

import cv2
import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmengine.dataset import Compose
from mmseg.datasets.transforms import RandomCrop

from schanger_mm.datasets.transforms.private_draws import seed_private_generators
from schanger_mm.registry import TRANSFORMS
from schanger_mm.utils.errors import SettingError
from schanger_mm.utils.random_numbers import States, get_states, set_states

CHECKED = 16
"""Samples of a process on which the transforms run once more; one that acts on a tenth of all is found on 97 %."""


@TRANSFORMS.register_module()
class ForBothDates(BaseTransform):
    """Run transforms for single images on both dates with exactly the same draws.

    The transforms run on date A, then the generators of ``numpy.random``,
    ``random`` and ``torch`` are set back and they run on date B: parameters,
    choices and whole noise fields come out the same, whichever package
    has the transform. Labels and all other keys come from the run on date A. The
    generators end where one run leaves them.

    A transform may draw from those three generators only, or have a method
    ``set_random_seed(seed)``, as albumentations has, which is called before
    each run. What it draws must not depend on the pixels of the image (labels
    are the same in both runs). On the first :data:`CHECKED` samples the
    transforms run on date A twice, which shows other generators.

    Required keys: ``img``, a list of two (H, W, C) arrays; every name in
    ``seg_fields``. The input and its arrays stay as they were.

    Args:
        transforms (Sequence[dict | Callable]): transforms of mmcv, mmseg or
            this package, as in any pipeline.

    Raises:
        ValueError: ``img`` is not a list of two; a transform has a generator
            of its own; or the runs drew different numbers, or ended with different shapes or labels.

    Example:
        >>> dict(type='ForBothDates', transforms=[
        ...     dict(type='mmseg.RandomCrop', crop_size=(256, 256)),
        ...     dict(type='mmseg.RandomFlip', prob=0.5),
        ...     dict(type='mmseg.PhotoMetricDistortion')])
    """

    def __init__(self, transforms: Sequence[dict | Callable]) -> None:
        self.transforms = Compose(transforms)
        steps = self.transforms.transforms
        # a crop only looks at its arrays, so what it cuts away need not be copied (or read, where it is a file)
        self._crops_first = bool(steps) and type(steps[0]) is RandomCrop
        self._checked = 0

    def transform(self, results: dict) -> dict | None:
        """Return the transformed sample, or None if a transform dropped it."""
        images = results['img']
        if not isinstance(images, (list, tuple)) or len(images) != 2:
            raise SettingError(f'ForBothDates: expected `img` to be a list of two images, found {type(images)};'
                               ' load them with LoadBiTemporalImages.')
        before = get_states()
        first = self._run(results, 0)
        after = get_states()
        if self._checked < CHECKED:
            self._checked += 1
            set_states(before)
            if not _same_samples(first, self._run(results, 0)):
                self._refuse_private_draws(results, before)
        set_states(before)
        second = self._run(results, 1)
        if not _same_generators(after, get_states()):
            _fail('drew different random numbers for the two dates, so its draws depend on the image')
        if first is None and second is None:
            return None
        if first is None or second is None:
            _fail('dropped one date and kept the other')
        _check_same_geometry(first, second)
        return dict(first, img=[first['img'], second['img']])

    def _run(self, results: dict, date: int) -> dict | None:
        """Transform one date; what a transform may change in place is copied."""
        sample = {key: value.copy() if isinstance(value, (list, dict)) else value
                  for key, value in results.items()}
        sample['img'] = results['img'][date]
        steps = self.transforms.transforms
        seed_private_generators(steps)
        if self._crops_first:
            sample, steps = steps[0](sample), steps[1:]
        for key in ('img', *sample.get('seg_fields', [])):
            sample[key] = sample[key].copy()
        return Compose(steps)(sample)

    def _refuse_private_draws(self, results: dict, states: States) -> NoReturn:
        """Name the transform that differs between two runs, where it does so again."""
        steps = self.transforms.transforms
        guilty = [step for step in steps if _differs(step, results, states)] or steps
        name = ', '.join(getattr(step, '__name__', type(step).__name__) for step in guilty)
        set_states(states)
        raise SettingError(
            f'ForBothDates: {name}, run twice on date A with numpy.random, random and torch in one state, gave two '
            'different results. It draws from its own generator, so the dates would be changed differently and no '
            'seed would repeat the training. Let it draw from numpy.random, or give it a method set_random_seed(seed), '
            'which is then called before each date.')

    def __repr__(self) -> str:
        return f'{type(self).__name__}(transforms={self.transforms})'


def _differs(step: Callable, results: dict, states: States) -> bool:
    alone = ForBothDates([step])
    outcomes = []
    for _ in range(8):
        set_states(states)
        try:
            outcomes.append(alone._run(results, 0))
        except (KeyError, ValueError, TypeError, cv2.error):  # it needs what the transforms before it make
            return False
    return not all(_same_samples(outcomes[0], other) for other in outcomes[1:])


def _same_samples(first: dict | None, second: dict | None) -> bool:
    if first is None or second is None:
        return first is second
    return all(np.array_equal(first[key], second[key]) for key in ('img', *first.get('seg_fields', [])))


def _check_same_geometry(first: dict, second: dict) -> None:
    shapes = [sample['img'].shape for sample in (first, second)]
    if shapes[0] != shapes[1]:
        _fail(f'left the dates with different shapes, {shapes[0]} and {shapes[1]}')
    for key in first.get('seg_fields', []):
        if not np.array_equal(first[key], second[key]):
            _fail(f'changed the label {key!r} differently for the two dates')


def _fail(what: str) -> NoReturn:
    raise SettingError(f'ForBothDates: a transform {what}. Use transforms that draw from numpy.random, random '
                       'or torch, independently of the pixels and of earlier calls.')


def _same_generators(one: States, two: States) -> bool:
    same_numpy = all(np.array_equal(a, b) for a, b in zip(one[0], two[0], strict=True))
    return same_numpy and one[1] == two[1] and torch.equal(one[2], two[2])
