"""Track the position of a run, for error messages."""

from __future__ import annotations

from mmengine.hooks import Hook

from schanger_mm.registry import HOOKS


@HOOKS.register_module()
class PositionHook(Hook):
    """Hold the batch that a run is working on.

    ``engine.runner.build_runner`` adds it to every run; ``engine.failures`` reads it.

    Attributes:
        stage: 'train', 'val' or 'test'; None before the first batch.
        iteration: iteration of this stage, from 1.
        batch: as the data loader returned it; None while it is loading.
    """

    priority = 'HIGHEST'

    def __init__(self) -> None:
        self.stage: str | None = None
        self.iteration = 0
        self.batch: object = None

    def before_train(self, runner) -> None:
        """Record that training loads its first batch."""
        self.stage, self.iteration, self.batch = 'train', runner.iter + 1, None

    def after_val_epoch(self, runner, metrics: dict | None = None) -> None:
        """Return to training."""
        self.stage, self.batch = 'train', None

    def _before_epoch(self, runner, mode: str = 'train') -> None:
        """Record that validation or test loads its first batch; training has its own hook."""
        if mode != 'train':
            self.stage, self.iteration, self.batch = mode, 1, None

    def _before_iter(self, runner, batch_idx: int, data_batch: object = None, mode: str = 'train') -> None:
        """Note a batch."""
        self.stage, self.iteration, self.batch = mode, self._done(runner, batch_idx, mode) + 1, data_batch

    def _after_iter(self, runner, batch_idx: int, data_batch: object = None, outputs: object = None,
                    mode: str = 'train') -> None:
        """Record that the next batch is loading."""
        self.iteration, self.batch = self._done(runner, batch_idx, mode) + 2, None

    @staticmethod
    def _done(runner, batch_idx: int, mode: str) -> int:
        return runner.iter if mode == 'train' else batch_idx
