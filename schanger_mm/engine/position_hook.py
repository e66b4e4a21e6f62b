"""Where a run is, for messages about what went wrong there."""

from __future__ import annotations

from mmengine.hooks import Hook

from schanger_mm.registry import HOOKS


@HOOKS.register_module()
class PositionHook(Hook):
    """Hold the batch that a run is working on.

    ``apis.build_runner`` adds it to every run; ``apis.speaking`` reads it.

    Attributes:
        stage: 'train', 'val' or 'test'; None before the first batch.
        iteration: of this stage, from 1.
        batch: as the data loader returned it; None while it is loading.
    """

    priority = 'HIGHEST'

    def __init__(self) -> None:
        self.stage: str | None = None
        self.iteration = 0
        self.batch: object = None

    def before_train(self, runner) -> None:
        """Say that training loads its first batch."""
        self.stage, self.iteration, self.batch = 'train', runner.iter + 1, None

    def before_train_iter(self, runner, batch_idx: int, data_batch: dict | None = None) -> None:
        """Note a training batch."""
        self.stage, self.iteration, self.batch = 'train', runner.iter + 1, data_batch

    def after_train_iter(self, runner, batch_idx: int, data_batch: dict | None = None,
                         outputs: dict | None = None) -> None:
        """Say that the next one is loading."""
        self.iteration, self.batch = runner.iter + 2, None

    def before_val_epoch(self, runner) -> None:
        """Say that validation loads its first batch."""
        self.stage, self.iteration, self.batch = 'val', 1, None

    def before_val_iter(self, runner, batch_idx: int, data_batch: dict | None = None) -> None:
        """Note a batch of the validation."""
        self.iteration, self.batch = batch_idx + 1, data_batch

    def after_val_iter(self, runner, batch_idx: int, data_batch: dict | None = None,
                       outputs: list | None = None) -> None:
        """Say that the next one is loading."""
        self.iteration, self.batch = batch_idx + 2, None

    def after_val_epoch(self, runner, metrics: dict | None = None) -> None:
        """Return to training."""
        self.stage, self.batch = 'train', None

    def before_test_epoch(self, runner) -> None:
        """Say that the test loads its first batch."""
        self.stage, self.iteration, self.batch = 'test', 1, None

    def before_test_iter(self, runner, batch_idx: int, data_batch: dict | None = None) -> None:
        """Note a batch of the test."""
        self.iteration, self.batch = batch_idx + 1, data_batch

    def after_test_iter(self, runner, batch_idx: int, data_batch: dict | None = None,
                        outputs: list | None = None) -> None:
        """Say that the next one is loading."""
        self.iteration, self.batch = batch_idx + 2, None
