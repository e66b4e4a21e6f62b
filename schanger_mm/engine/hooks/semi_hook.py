"""What a semi-supervised training needs of its run: checks before it starts, the averaged teacher, a warning."""

from __future__ import annotations

import torch
from mmengine.hooks import EMAHook, Hook
from mmengine.model import is_model_wrapper

from schanger_mm.config.loading import ConfigError
from schanger_mm.datasets import SemiDataset, SemiSampler
from schanger_mm.datasets.samplers import Draw
from schanger_mm.models.semi import UniMatch
from schanger_mm.registry import HOOKS
from schanger_mm.utils.random_numbers import own_random_numbers


@HOOKS.register_module()
class SemiHook(Hook):
    """Check the data of a :class:`UniMatch`, give it its teacher, and watch its threshold.

    ``engine.runner.build_runner`` adds it where the config has ``semi``.

    Raises:
        ConfigError: before the first iteration: another data set or sampler than those that mix labelled and
            unlabelled pairs, pipelines that give crops of different sizes or no views, or an averaged teacher
            without ``EMAHook``.
    """

    priority = 'VERY_LOW'  # behind EMAHook

    def __init__(self) -> None:
        self._since = 0
        self._most: torch.Tensor | None = None

    def before_train(self, runner) -> None:
        """Check, and connect the teacher."""
        model = _model(runner)
        loader = runner.train_dataloader
        if not isinstance(loader.dataset, SemiDataset) or not isinstance(loader.sampler, SemiSampler):
            raise ConfigError(f'semi: train_dataloader has {type(loader.dataset).__name__} and '
                              f'{type(loader.sampler).__name__}; expected dataset=dict(type=SemiDataset) and '
                              'sampler=dict(type=SemiSampler), which mix labelled and unlabelled pairs.')
        ratio = loader.sampler.ratio
        if ratio == 0 or (model.partner == 'second' and ratio % 2):
            raise ConfigError(f'train_dataloader.sampler.ratio={ratio}: expected '
                              + ('1 or more unlabelled pairs per labelled one; for the supervised control set semi='
                                 'None.' if ratio == 0 else "an even number for semi.partner='second'."))
        _check_crops(loader.dataset)
        if model.teacher == 'ema':
            hook = next((hook for hook in runner.hooks if isinstance(hook, EMAHook)), None)
            if hook is None:
                raise ConfigError("semi.teacher='ema': expected EMAHook in custom_hooks, whose average makes the "
                                  "pseudo-labels; add it, or set semi.teacher='self'.")
            model.use_average(hook.ema_model.module)

    def after_train_iter(self, runner, batch_idx: int, data_batch: dict | None = None,
                         outputs: dict | None = None) -> None:
        """Warn if no pixel was confident for as long as the model's ``patience``."""
        share = (outputs or {}).get('confident')
        if share is None:
            return
        share = torch.as_tensor(share).detach()
        self._most = share if self._most is None else torch.maximum(self._most, share)
        self._since += 1
        model = _model(runner)
        if self._since < model.patience:
            return
        if float(self._most) == 0:  # read only now: on a GPU it would have to be waited for
            runner.logger.warning(
                f'for {self._since} iterations no pixel of an unlabelled pair reached semi.threshold='
                f'{model.threshold}, so nothing is learnt from them. Lower the threshold, or start from weights of a '
                'training with the labelled pairs (load_from=FILE).')
        self._since, self._most = 0, None


def _check_crops(dataset: SemiDataset) -> None:
    """Draw one sample of each part and compare their sizes."""
    labelled, _ = dataset.sizes
    with own_random_numbers():
        samples = [dataset[Draw(place, 0, 0)] for place in (0, labelled)]
    one, other = (sample['inputs'] for sample in samples)
    if one.ndim != 3 or other.ndim != 4:
        raise ConfigError(f'train_dataloader.dataset: a labelled sample has {one.ndim} dimensions and an unlabelled '
                          f'one {other.ndim}; expected 3 (channels, height, width), and 4 with the views. The pipeline '
                          'of `labelled` ends with PackBiTemporalInputs, that of `unlabelled` with StrongViews and '
                          'PackViews.')
    if one.shape[-2:] != other.shape[-2:] or one.shape[-3] != other.shape[-3]:
        raise ConfigError(f'train_dataloader.dataset: labelled crops have (channels, height, width) '
                          f'{tuple(one.shape)} and unlabelled ones {tuple(other.shape[-3:])}; expected one size. Crop '
                          'both to the same size; PadToSize enlarges images that are smaller.')
    if 'gt_sem_seg' not in samples[1]['data_samples']:
        raise ConfigError('train_dataloader.dataset.unlabelled.pipeline: unlabelled samples do not say which pixels '
                          "count; put dict(type='AddIgnoreMask') behind the transforms that load images.")


def _model(runner) -> UniMatch:
    return runner.model.module if is_model_wrapper(runner.model) else runner.model
