"""Make a resumed run equal to an uninterrupted one."""

from __future__ import annotations

from mmengine.dist import get_rank, get_world_size
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import EpochBasedTrainLoop

from schanger_mm.datasets import CheckedDataset, ConcatDataset, SeededInfiniteSampler, SeededSampler
from schanger_mm.engine.merged_groups import merge_checkpoint
from schanger_mm.registry import HOOKS
from schanger_mm.utils.random_numbers import seed_generators

ENTRY = 'exact_resume'


@HOOKS.register_module()
class ExactResumeHook(Hook):
    """Add what mmengine's resume lacks: random numbers, and a validation that was due.

    Weights, weight average, optimiser, schedules, loss scale, log and counters
    are in mmengine's checkpoints. Random numbers need not be: before every
    iteration the generators of ``random``, ``numpy`` and ``torch`` (CPU and
    GPU) are seeded from (seed, iteration, process), and samples are drawn from
    (seed, number of the draw) by :class:`CheckedDataset` behind
    :class:`SeededInfiniteSampler` or :class:`SeededSampler`, whatever the
    number of workers. On the CPU the resumed run is the same bit for bit.

    Checkpoints are saved before the validation that follows them; a run that
    is resumed from one catches up on it, so a kill during a validation does
    not lose its score.

    The checkpoint gets an entry ``exact_resume`` of plain numbers. Where a
    resume cannot be exact (another batch size, a checkpoint of another
    version, one from between two updates of an accumulated gradient, another
    number of processes, another sampler or data set), it continues as mmengine
    does, and one line of the log says why.
    :class:`SeededInfiniteSampler` continues with the first sample that was not
    drawn yet, whatever the batch and the number of processes are now.
    """

    priority = 'LOWEST'  # behind all hooks that could draw or still prepare something

    def __init__(self) -> None:
        self._resumed: dict | None = None
        self._validated_iter = -1
        self._ahead = 0

    def after_load_checkpoint(self, runner, checkpoint: dict) -> None:
        """Keep what :meth:`before_train` needs, and bring the optimiser's state into merged parameter groups."""
        if runner._resume:
            merge_checkpoint(checkpoint, runner.optim_wrapper)
            self._resumed = dict(checkpoint.get(ENTRY) or {}, has_optimizer='optimizer' in checkpoint)

    def before_train(self, runner) -> None:
        """Set the sampler, report, and validate if a validation was due."""
        reasons = self._unrepeatable(runner)
        if self._resumed is None:
            if reasons:
                runner.logger.info(f'a resume of this run will not be exact: {"; ".join(reasons)}')
            return
        if reasons := reasons + self._unlike(runner):
            runner.logger.warning('resumed, but not bit for bit identical to an uninterrupted run: '
                                  f'{"; ".join(reasons)}')
        if self._resumed.get('sampler_seed') is not None and hasattr(runner.train_dataloader.sampler, 'seed'):
            runner.train_dataloader.sampler.seed = self._resumed['sampler_seed']
        if (done := _within_epoch(runner.train_loop)) and isinstance(runner.train_dataloader.sampler, SeededSampler):
            runner.train_dataloader.sampler.skip(done * runner.train_dataloader.batch_size)
        self._go_on_drawing(runner)
        if self._resumed.get('validated') is False and _validation_is_due(runner):
            runner.logger.info(f'the checkpoint was saved before the validation after iteration {runner.iter}, which '
                               'runs now')
            runner.val_loop.run()

    def before_train_iter(self, runner, batch_idx: int, data_batch: dict | None = None) -> None:
        """Seed this iteration's random numbers."""
        seed_generators(runner.seed, 1, runner.iter, get_rank(), gpus=True)

    def after_val_iter(self, runner, batch_idx: int, data_batch: dict | None = None,
                       outputs: list | None = None) -> None:
        """Notice the end of a validation."""
        if batch_idx + 1 == len(runner.val_dataloader):
            self._validated_iter = runner.iter

    def before_save_checkpoint(self, runner, checkpoint: dict) -> None:
        """Add the entry."""
        checkpoint[ENTRY] = dict(
            sampler_seed=getattr(runner.train_dataloader.sampler, 'seed', None),
            batch_size=_batch_size(runner),
            processes=get_world_size(),
            joint=_joins_dates(runner),
            drawn=self._drawn(runner, checkpoint['meta']['iter']),
            validated=self._validated_iter == checkpoint['meta']['iter'])
        if (ratio := _ratio(runner)) is not None:
            checkpoint[ENTRY]['ratio'] = ratio

    def _go_on_drawing(self, runner) -> None:
        """Start the sampler after the last sample that was drawn; mmengine counts in batches of today's size."""
        drawn, expected = (self._resumed or {}).get('drawn'), self._drawn(runner, runner.iter)
        if drawn is None or expected is None or (self._resumed or {}).get('ratio') != _ratio(runner):
            return
        self._ahead = drawn - expected
        if self._ahead:
            runner.train_dataloader.sampler.shift(self._ahead)
            runner.logger.info(f'the sampler continues after the {drawn} samples that were drawn: no sample is skipped '
                               'or repeated')

    def _drawn(self, runner, iterations: int) -> int | None:
        """Count the samples that all processes have drawn after this many iterations; None if unknown."""
        size = _batch_size(runner)
        if size is None or not isinstance(runner.train_dataloader.sampler, SeededInfiniteSampler):
            return None
        return iterations * size + self._ahead

    @staticmethod
    def _unrepeatable(runner) -> list[str]:
        """Name the parts of the run that draw again after a resume."""
        sampler, dataset = runner.train_dataloader.sampler, runner.train_dataloader.dataset
        reasons = []
        if not isinstance(sampler, (SeededInfiniteSampler, SeededSampler)):
            reasons.append(f'train_dataloader.sampler is {type(sampler).__name__}, which does not number its draws as '
                           'SeededInfiniteSampler and SeededSampler do')
        parts = dataset.datasets if isinstance(dataset, ConcatDataset) else [dataset]
        if not all(isinstance(part, CheckedDataset) for part in parts):
            reasons.append(f'train_dataloader.dataset is {type(dataset).__name__}, which does not draw from their '
                           'numbers as the data sets of schanger_mm do')
        return reasons

    def _unlike(self, runner) -> list[str]:
        """List what the checkpoint lacks, and how this run differs from the one that wrote it."""
        before = self._resumed or {}
        loop, updates = runner.train_loop, getattr(runner.optim_wrapper, '_accumulative_counts', 1)
        reasons = []
        if 'batch_size' not in before:
            reasons.append(f'the checkpoint has no entry {ENTRY!r}, so an earlier version or another hook wrote it')
        elif before['batch_size'] != _batch_size(runner):
            reasons.append(f'a batch over all processes was {before["batch_size"]} samples and is '
                           f'{_batch_size(runner)}')
        if before.get('processes', get_world_size()) != get_world_size():
            reasons.append(f'the number of processes was {before["processes"]} and is {get_world_size()}, and each '
                           'has random numbers of its own (dropout, dates that swap) and sums in its own order')
        if before.get('ratio') != _ratio(runner):
            reasons.append(f'there were {_in_words(before.get("ratio"))} unlabelled pairs per labelled one and are '
                           f'{_in_words(_ratio(runner))}, so pairs are skipped or repeated')
        if 'batch_size' in before and before.get('joint', False) != _joins_dates(runner):
            reasons.append('stochastic depth draws in another order, since both dates are in one batch in one of the '
                           'two runs only')
        if not before['has_optimizer']:
            reasons.append('the checkpoint has no optimiser state')
        if _within_epoch(loop) and not isinstance(runner.train_dataloader.sampler, SeededSampler):
            reasons.append(f'iteration {loop.iter} lies within an epoch, which starts again')
        if loop.iter % updates:
            reasons.append(f'iteration {loop.iter} lies between two updates of {updates} accumulated gradients')
        return reasons


def _within_epoch(loop) -> int:
    """Count the completed iterations of the current epoch, in a training by epochs."""
    return loop.iter - loop.epoch * len(loop.dataloader) if isinstance(loop, EpochBasedTrainLoop) else 0


def _joins_dates(runner) -> bool:
    """Return whether the network draws for both dates at once."""
    network = runner.model.module if is_model_wrapper(runner.model) else runner.model
    return getattr(network, 'joint', False)


def _ratio(runner) -> int | None:
    """Return the unlabelled pairs per labelled one; None without a sampler of both."""
    return getattr(runner.train_dataloader.sampler, 'ratio', None)


def _in_words(ratio: int | None) -> str:
    return 'no' if ratio is None else str(ratio)


def _batch_size(runner) -> int | None:
    size = runner.train_dataloader.batch_size
    return size and size * get_world_size()


def _validation_is_due(runner) -> bool:
    """Return whether the loop would validate now; by itself it checks only after an iteration or epoch."""
    loop = runner.train_loop
    if runner.val_loop is None or _within_epoch(loop):
        return False
    loop._decide_current_val_interval()
    done, length = ((loop.epoch, loop.max_epochs) if isinstance(loop, EpochBasedTrainLoop)
                    else (loop.iter, loop.max_iters))
    return done >= loop.val_begin and (done % loop.val_interval == 0 or done == length)
