"""The first lines of a run: which config and data, how large a network, where it runs and saves."""

from __future__ import annotations

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from schanger_mm.registry import HOOKS


@HOOKS.register_module()
class StartReportHook(Hook):
    """Log a short summary before a training or a test starts."""

    def before_train(self, runner: Runner) -> None:
        """Report config, data, network, length, device and work directory."""
        train, val = len(runner.train_dataloader.dataset), _images(runner.val_loop)
        batch = runner.train_dataloader.batch_size or runner.train_dataloader.batch_sampler.batch_size
        length = runner.max_iters if runner.max_iters < 2**40 else '?'
        self._report(runner, f'training   {train} images, {val or "none"} to validate; batches of {batch} on each of '
                             f'{runner.world_size} process{"es" * (runner.world_size > 1)}',
                     f'length     iteration {runner.iter} to {length}')

    def before_test(self, runner: Runner) -> None:
        """Report config, data, network, device and work directory."""
        self._report(runner, f'test       {_images(runner.test_loop)} images')

    @staticmethod
    def _report(runner: Runner, *lines: str) -> None:
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        size = sum(parameter.numel() for parameter in model.parameters())
        device = next((parameter.device for parameter in model.parameters()), 'cpu')
        text = '\n'.join([
            f'config     {runner.cfg.filename or "given in Python"}',
            f'network    {type(model).__name__}, {size:,} parameters, on {device}', *lines,
            f'saves to   {runner.work_dir}', f'log file   {runner.log_dir}/{runner.timestamp}.log'])
        runner.logger.info(f'\n{text}')


def _images(loop: object) -> int:
    loader = getattr(loop, 'dataloader', None)
    return len(loader.dataset) if loader is not None else 0
