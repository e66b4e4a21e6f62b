"""Detect loops that would never end before the first iteration."""

from __future__ import annotations

from mmengine.dataset import InfiniteSampler
from mmengine.hooks import Hook
from mmengine.runner import BaseLoop, EpochBasedTrainLoop, TestLoop, ValLoop

from schanger_mm.config.loading import ConfigError


class LoopCheck(Hook):
    """Check each loop against its sampler when a run starts.

    A loop that waits for the end of an epoch, a validation or a test never
    ends with an infinite sampler.
    """

    def before_run(self, runner) -> None:
        """Check the loops that are built.

        Raises:
            ConfigError: a loop would never end.
        """
        for name, instead in (('train', 'SeededSampler'), ('val', 'DefaultSampler'), ('test', 'DefaultSampler')):
            loop = getattr(runner, f'_{name}_loop')
            if isinstance(loop, BaseLoop) and _never_ends(loop):
                sampler, shuffle = type(loop.dataloader.sampler).__name__, name == 'train'
                by_iterations = ', or train by iterations (train_cfg.type=IterBasedTrainLoop)' if shuffle else ''
                raise ConfigError(
                    f'{name}_dataloader.sampler={sampler} never ends, so {name}_cfg.type={type(loop).__name__} '
                    f'would never end. Set {name}_dataloader.sampler=dict(type={instead!r}, shuffle={shuffle})'
                    f'{by_iterations}; docs/training.md shows a config that trains by epochs.')


def _never_ends(loop: BaseLoop) -> bool:
    waits = isinstance(loop, (EpochBasedTrainLoop, ValLoop, TestLoop))
    return waits and isinstance(loop.dataloader.sampler, InfiniteSampler)
