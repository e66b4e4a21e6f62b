"""Write into checkpoints what they were trained on, and compare that with the images of a test."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import BaseLoop
from mmengine.runner.checkpoint import CheckpointLoader
from torch import nn

from schanger_mm.checkpoints import config_values
from schanger_mm.checkpoints.lineage import LINEAGE, TrainedOn, read_lineage, write_lineage
from schanger_mm.config.image_reading import changed_reading
from schanger_mm.config.loading import ConfigError
from schanger_mm.engine.trained_on import digests_of, samples_of, trained_on
from schanger_mm.registry import HOOKS
from schanger_mm.utils.text import first_of


@HOOKS.register_module()
class LineageHook(Hook):
    """Keep in every checkpoint which data its weights have seen.

    These are the data sets of its training, those of the checkpoint that it
    started or resumed from, and those of pre-trained weights that parts of the
    model name in ``init_cfg``. ``engine.runner.build_runner`` adds it to every run.
    """

    def __init__(self) -> None:
        self._entries: list[TrainedOn] = []

    def before_run(self, runner) -> None:
        """Collect the lineage of pre-trained parts."""
        if not isinstance(runner._train_loop, BaseLoop):
            return
        for name in dict.fromkeys(_pretrained(runner.model)):  # the check of initial weights has downloaded it
            self._entries += read_lineage(CheckpointLoader.load_checkpoint(name, 'cpu', logger=None), name)

    def after_load_checkpoint(self, runner, checkpoint: dict) -> None:
        """Collect the lineage of the checkpoint that training starts from."""
        self._entries += read_lineage(checkpoint, runner._load_from or 'the checkpoint')

    def before_train(self, runner) -> None:
        """Describe the data of this training."""
        if is_main_process():
            self._entries += trained_on(runner)

    def before_save_checkpoint(self, runner, checkpoint: dict) -> None:
        """Add the entry."""
        checkpoint['meta'][LINEAGE] = write_lineage(self._entries)


@HOOKS.register_module()
class OverlapHook(Hook):
    """Refuse to score images that the checkpoint was trained on; ``schanger test`` adds it.

    Files are compared by content, so copies are found under other names and in
    other folders; crops and other encodings of an image are not. Where files
    are not local, or a data set does not list them, a warning says that nothing
    is known. A checkpoint without a lineage, as those of earlier versions, is
    not judged.

    Args:
        allow: warn instead (``--allow-overlap``).

    Raises:
        ConfigError: scored images were trained on.
    """

    def __init__(self, allow: bool = False) -> None:
        self.allow = allow

    def after_load_checkpoint(self, runner, checkpoint: dict) -> None:
        """Compare the images of the test, and how they are read, with the training."""
        for line in _other_reading(checkpoint, runner):
            runner.logger.warning(line)
        entries = read_lineage(checkpoint, runner._load_from)
        if not entries:
            return
        samples = samples_of(runner.test_loop.dataloader.dataset)
        digests = digests_of(samples)
        problems = list(_overlaps(entries, samples, digests))
        if not problems:
            if unknown := list(_unknown(entries, digests)):
                runner.logger.warning(f'whether {runner._load_from} was trained on the scored images is unknown: '
                                      f'{first_of(unknown, "; ", most=3)}')
            else:
                runner.logger.info(f'none of the {len(samples)} scored images was trained on, by the content of their '
                                   'files')
            return
        what = f'{runner._load_from}: {"; ".join(problems)}. This score says little about new images.'
        if not self.allow:
            raise ConfigError(f'{what} Score other images, or pass --allow-overlap to score these all the same.')
        runner.logger.warning(what)


def _other_reading(checkpoint: dict, runner) -> Iterator[str]:
    """Yield the settings by which the test reads images otherwise than the training did."""
    meta = checkpoint.get('meta')
    try:
        before = config_values(meta.get('cfg') or '') if isinstance(meta, dict) else {}
    except ValueError:  # not made of plain values
        return
    for key, own, used in changed_reading(before, runner.cfg) if before else ():
        yield (f'the test loads images with {key}={used}, and {runner._load_from} was trained with {own}: its scores '
               'will be off; set it as in the training.')


def _overlaps(entries: Sequence[TrainedOn], samples: Sequence[tuple[str, ...]],
              digests: Sequence[Mapping[str, int]]) -> Iterator[str]:
    for entry in entries:
        known = entry.known()
        both = [' + '.join(sample) for sample, own in zip(samples, digests) if not known.isdisjoint(own.values())]
        if both:
            yield (f'{len(both)} of the {len(samples)} scored images were trained on, {entry.describe()}: '
                   f'{first_of(both, most=3)}')


def _unknown(entries: Sequence[TrainedOn], digests: Sequence[Mapping[str, int]]) -> Iterator[str]:
    """Yield what cannot be compared."""
    if missing := sum(not own for own in digests):
        yield f'{missing} of the {len(digests)} scored images are not files of this machine'
    for entry in entries:
        if not entry.known():
            yield f'there are no digests of the images that it has seen {entry.describe()}'


def _pretrained(model: nn.Module) -> Iterator[str]:
    """Yield the files and addresses of initial weights that parts of a model name."""
    for part in model.modules():
        settings = getattr(part, 'init_cfg', None) or []
        for setting in settings if isinstance(settings, list) else [settings]:
            if setting.get('type') == 'Pretrained':
                yield setting['checkpoint']
