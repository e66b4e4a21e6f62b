"""Samplers that number their draws, so that a sample can be drawn again as it was."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice, repeat

from mmengine.dataset import DefaultSampler, InfiniteSampler

from schanger_mm.registry import DATA_SAMPLERS


class Draw(int):
    """Index of a sample that also knows which draw of the training it is.

    Args:
        index: of the sample in its data set.
        seed: of the sampler.
        position: how many samples were drawn before, over all processes.
    """

    seed: int
    position: int

    def __new__(cls, index: int, seed: int, position: int) -> Draw:  # noqa: D102
        draw = super().__new__(cls, index)
        draw.seed, draw.position = seed, position
        return draw

    def __getnewargs__(self) -> tuple[int, int, int]:  # type: ignore[override]  # it travels to worker processes
        return int(self), self.seed, self.position


@DATA_SAMPLERS.register_module()
class SeededInfiniteSampler(InfiniteSampler):
    """mmengine's InfiniteSampler, in the same order, with numbered draws and a start anywhere.

    A data set of this package draws the augmentation of a sample from the
    sampler's seed and the draw's number. Batches are then the same with any
    number of workers, and after a resume, which reads nothing of what has
    been trained already.

    Args:
        dataset, shuffle, seed: as in mmengine.
    """

    start = 0
    ahead = 0

    def skip(self, num_samples: int) -> None:
        """Start after the first ``num_samples`` samples of this process; counted from the beginning of the training."""
        self.start = num_samples

    def shift(self, num_samples: int) -> None:
        """Go on with draws this much later (or, below 0, earlier) than their number over all processes says.

        After a resume with another batch over all processes, the number of
        iterations no longer tells how many samples were drawn.
        """
        self.ahead = num_samples

    def __iter__(self) -> Iterator[Draw]:
        """Draw for ever."""
        first = self.rank + self.start * self.world_size
        draws = islice(enumerate(self._infinite_indices()), max(0, self.ahead), None)
        before = repeat((0, 0), max(0, -self.ahead))  # all of them are skipped
        for position, index in islice(chain(before, draws), first, None, self.world_size):
            yield Draw(index, self.seed, position)


@DATA_SAMPLERS.register_module()
class SeededSampler(DefaultSampler):
    """mmengine's DefaultSampler, in the same order, with numbered draws; for training by epochs.

    Args:
        dataset, shuffle, seed, round_up: as in mmengine.
    """

    start = 0

    def skip(self, num_samples: int) -> None:
        """Start the next epoch, and only that, after its first ``num_samples`` samples of this process."""
        self.start = num_samples

    def __iter__(self) -> Iterator[Draw]:
        """Draw one epoch, or the rest of one."""
        start, self.start = self.start, 0
        for place, index in islice(enumerate(super().__iter__()), start, None):
            yield Draw(index, self.seed, self.epoch * self.total_size + place * self.world_size + self.rank)
