"""Normalise batches of labelled pairs and of views of unlabelled pairs."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmengine.model import BaseDataPreprocessor

from schanger_mm.utils.errors import SettingError
from schanger_mm.utils.random_numbers import get_states, set_states

VIEWS = 4
"""Dimensions of the views of one pair: view, channels, height, width."""


class ViewsPreProcessor(BaseDataPreprocessor):
    """Sort a mixed batch into its parts and normalise each with the detector's own preprocessor.

    Whatever that draws (dates that swap), it draws alike for all views of a pair.
    A batch without views, as in validation, is left to the detector's preprocessor.

    Args:
        inner: the detector's preprocessor.
    """

    def __init__(self, inner: torch.nn.Module):
        super().__init__()
        self.inner = inner

    def forward(self, data: dict, training: bool = False) -> dict:
        """Normalise.

        Args:
            data: ``inputs``: list of pairs ``(2C, H, W)`` and of views
                ``(1 + V, 2C, H, W)``, in any order; ``data_samples``.
            training: whether padding and swapping apply.

        Returns:
            ``inputs``: dict of ``labelled`` ``(B, 2C, H, W)`` and ``views``, a list of
            1 + V tensors ``(U, 2C, H, W)``, the weak view first; ``data_samples``: dict
            of ``labelled`` and ``unlabelled``. Without views: what the detector's preprocessor returns.

        Raises:
            SettingError: no labelled pair beside the views, or pairs with different numbers of views.
        """
        inputs = data['inputs']
        if not isinstance(inputs, (list, tuple)) or not any(image.ndim == VIEWS for image in inputs):
            return self.inner(data, training)
        labelled = [place for place, image in enumerate(inputs) if image.ndim != VIEWS]
        unlabelled = [place for place, image in enumerate(inputs) if image.ndim == VIEWS]
        counts = {len(inputs[place]) for place in unlabelled}
        if not labelled or len(counts) > 1:
            raise SettingError(f'a batch has {len(labelled)} labelled pairs, and unlabelled ones with '
                               f'{sorted(counts)} views; expected one labelled pair or more and one number of views. '
                               'Set train_dataloader.sampler=dict(type=SemiSampler).')
        of_labelled = self._normalise(data, [inputs[place] for place in labelled], labelled, training)
        before = get_states()
        views = []
        for view in range(counts.pop()):
            set_states(before)
            views.append(self._normalise(data, [inputs[place][view] for place in unlabelled], unlabelled, training))
        return dict(
            inputs=dict(labelled=of_labelled['inputs'], views=[view['inputs'] for view in views]),
            data_samples=dict(labelled=of_labelled['data_samples'], unlabelled=views[0]['data_samples']))

    def _normalise(self, data: dict, images: list[torch.Tensor], places: Sequence[int], training: bool) -> dict:
        samples = data['data_samples']
        return self.inner(dict(inputs=images, data_samples=[samples[place] for place in places]), training)
