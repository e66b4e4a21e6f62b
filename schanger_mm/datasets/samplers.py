"""Samplers that number their draws, so that a sample can be reproduced."""

from __future__ import annotations

from collections.abc import Iterator, Sized
from itertools import chain, islice, repeat

import torch
from mmengine.dataset import DefaultSampler, InfiniteSampler

from schanger_mm.registry import DATA_SAMPLERS
from schanger_mm.utils.errors import SettingError


class Draw(int):
    """Index of a sample, with the number of its draw in the training.

    Args:
        index: index of the sample in its data set.
        seed: seed of the sampler.
        position: number of samples drawn before, over all processes.
    """

    seed: int
    position: int

    def __new__(cls, index: int, seed: int, position: int) -> Draw:  # noqa: D102
        draw = super().__new__(cls, index)
        draw.seed, draw.position = seed, position
        return draw

    def __getnewargs__(self) -> tuple[int, int, int]:  # type: ignore[override]  # it is sent to worker processes
        return int(self), self.seed, self.position


@DATA_SAMPLERS.register_module()
class SeededInfiniteSampler(InfiniteSampler):
    """mmengine's InfiniteSampler, in the same order, with numbered draws and any starting point.

    A data set of this package draws the augmentation of a sample from the
    sampler's seed and the number of the draw. Batches are then the same with any
    number of workers, and after a resume, which does not read samples that were
    used before.

    Args:
        dataset, shuffle, seed: as in mmengine.
    """

    start = 0
    ahead = 0

    def skip(self, num_samples: int) -> None:
        """Start after the first ``num_samples`` samples of this process, counted from the beginning of the training."""
        self.start = num_samples

    def shift(self, num_samples: int) -> None:
        """Shift the draws by this many samples (earlier if below 0) relative to the count over all processes.

        After a resume with another joint batch size, the number of iterations
        no longer determines how many samples were drawn.
        """
        self.ahead = num_samples

    def __iter__(self) -> Iterator[Draw]:
        """Draw forever."""
        first = self.rank + self.start * self.world_size
        draws = islice(enumerate(self._infinite_indices()), max(0, self.ahead), None)
        before = repeat((0, 0), max(0, -self.ahead))  # all of these are skipped
        for position, index in islice(chain(before, draws), first, None, self.world_size):
            yield Draw(index, self.seed, position)


@DATA_SAMPLERS.register_module()
class SemiSampler(SeededInfiniteSampler):
    """Draw labelled and unlabelled pairs in turn, so that every batch holds both in one ratio.

    One labelled pair is followed by ``ratio`` unlabelled ones. Each part is
    shuffled anew whenever it was drawn completely, so the shorter one, which is
    usually the labelled one, repeats as needed. Draws are numbered as in
    :class:`SeededInfiniteSampler`; whatever the batch size and the number of
    processes, the groups come in one order.

    Args:
        dataset: a :class:`SemiDataset`.
        ratio: unlabelled pairs per labelled one; 0 draws labelled pairs only
            (the supervised control).
        shuffle, seed: as in mmengine.

    Attributes:
        period: length of a group, ``1 + ratio``; a batch holds whole groups.

    Raises:
        SettingError: the data set is another one, or the ratio is below 0.
    """

    def __init__(self, dataset: Sized, ratio: int = 1, shuffle: bool = True, seed: int | None = None) -> None:
        if not hasattr(dataset, 'sizes'):
            raise SettingError(f'SemiSampler: the data set is {type(dataset).__name__}; expected SemiDataset, with a '
                               'labelled and an unlabelled part.')
        if not isinstance(ratio, int) or ratio < 0:
            raise SettingError(f'SemiSampler.ratio={ratio!r}: expected a whole number from 0 up, the unlabelled pairs '
                               'per labelled one.')
        super().__init__(dataset, shuffle, seed)
        self.ratio = ratio
        self.period = 1 + ratio
        self._sizes = dataset.sizes

    def check_batch(self, batch_size: int) -> None:
        """Raise a SettingError if a batch of one process cannot hold whole groups."""
        if batch_size % self.period:
            raise SettingError(f'train_dataloader.batch_size={batch_size}: expected a multiple of {self.period}, since '
                               f'SemiSampler draws {self.ratio} unlabelled pairs per labelled one (sampler.ratio).')

    def __iter__(self) -> Iterator[Draw]:
        """Draw forever."""
        first = self.rank + self.start // self.period * self.world_size
        ahead = self.ahead // self.period
        groups = islice(enumerate(self._groups()), max(0, ahead), None)
        before = repeat((0, ()), max(0, -ahead))  # all of these are skipped
        for number, group in islice(chain(before, groups), first, None, self.world_size):
            for place, index in enumerate(group):
                yield Draw(index, self.seed, number * self.period + place)

    def _groups(self) -> Iterator[tuple[int, ...]]:
        labelled, unlabelled = self._sizes
        of_labelled, of_unlabelled = self._endless(0, labelled, 0), self._endless(labelled, unlabelled, 1)
        while True:
            yield next(of_labelled), *islice(of_unlabelled, self.ratio)

    def _endless(self, first: int, count: int, stream: int) -> Iterator[int]:
        generator = torch.Generator()
        generator.manual_seed(self.seed + stream)
        while True:
            order = torch.randperm(count, generator=generator) if self.shuffle else torch.arange(count)
            yield from (first + order).tolist()


@DATA_SAMPLERS.register_module()
class SeededSampler(DefaultSampler):
    """mmengine's DefaultSampler, in the same order, with numbered draws; for training by epochs.

    Args:
        dataset, shuffle, seed, round_up: as in mmengine.
    """

    start = 0

    def skip(self, num_samples: int) -> None:
        """Start only the next epoch after its first ``num_samples`` samples of this process."""
        self.start = num_samples

    def __iter__(self) -> Iterator[Draw]:
        """Draw one epoch, or the rest of one."""
        start, self.start = self.start, 0
        for place, index in islice(enumerate(super().__iter__()), start, None):
            yield Draw(index, self.seed, self.epoch * self.total_size + place * self.world_size + self.rank)
