"""Labelled and unlabelled pairs in one data set, for semi-supervised training."""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator, Mapping, Sequence

from mmengine.dataset import BaseDataset

from schanger_mm.registry import DATASETS
from schanger_mm.utils.digests import content_digest
from schanger_mm.utils.errors import DatasetError, SettingError
from schanger_mm.utils.text import first_of

from .base import LABEL
from .concat import ConcatDataset

PERCENT = '{percent}'


@DATASETS.register_module()
class SemiDataset(ConcatDataset):
    """The labelled pairs, then the unlabelled ones; :class:`SemiSampler` draws batches of both.

    The unlabelled part needs no labels: unless its config says
    ``labelled=True``, it gets ``labelled=False``, so that no label is listed or
    opened. With ``labelled=True`` and ``LoadTruth`` in its pipeline, its labels
    are read for the quality of the pseudo-labels in the log and for nothing else.

    Args:
        labelled: data set of the labelled pairs, or its config.
        unlabelled: data set of the unlabelled pairs, or its config; its
            pipeline ends with ``PackViews``.
        percent: replaces ``{percent}`` in ``ann_file`` of ``labelled``, so that
            one option chooses how many pairs are labelled.
        without_labelled: leave the labelled pairs out of the unlabelled part,
            whose list may then be that of all training pairs. False: a pair
            in both parts is an error.
        lazy_init: as in mmengine.

    Raises:
        SettingError: ``percent`` without ``{percent}``, or the reverse.
        DatasetError: no labelled or no unlabelled pair, labels missing in the
            labelled part, or a pair in both (the same files, or copies of them, in
            any order of dates).
        FileNotFoundError: see :class:`CheckedDataset`.

    Example:
        >>> dict(type='SemiDataset',
        ...      labelled=dict(type='FolderCDDataset', data_root='data/mine', ann_file='lists/labelled.txt',
        ...                    pipeline=train_pipeline),
        ...      unlabelled=dict(type='FolderCDDataset', data_root='data/mine', ann_file='lists/unlabelled.txt',
        ...                      pipeline=unlabelled_pipeline))
    """

    def __init__(self, labelled: BaseDataset | Mapping, unlabelled: BaseDataset | Mapping,
                 percent: float | str | None = None, without_labelled: bool = False, lazy_init: bool = False) -> None:
        if isinstance(labelled, Mapping):
            labelled = _of_percent(copy.deepcopy(dict(labelled)), percent)
        elif percent is not None:
            raise SettingError(f'SemiDataset.percent={percent}: needs the config of `labelled`, not a built data set.')
        if isinstance(unlabelled, Mapping):
            unlabelled = {**unlabelled, 'labelled': unlabelled.get('labelled', False)}
        self.without_labelled = without_labelled
        super().__init__([labelled, unlabelled], lazy_init)

    @property
    def sizes(self) -> tuple[int, int]:
        """Return the numbers of labelled and of unlabelled pairs."""
        labelled, unlabelled = self.datasets
        return len(labelled), len(unlabelled)

    def full_init(self) -> None:
        """List both parts and compare them; see the class for what is raised."""
        if self._fully_initialized:
            return
        for part in self.datasets:
            part.full_init()
        labelled, unlabelled = self.datasets
        if not len(labelled) or LABEL not in labelled.get_data_info(0):
            raise DatasetError(f'SemiDataset.labelled: expected pairs with labels, found {len(labelled)} pairs'
                               f'{" without" if len(labelled) else ""}; name the folder of the labels '
                               f'(`label`, or {LABEL} of `data_prefix`).')
        both = list(_shared(_pairs(labelled), _pairs(unlabelled)))
        if both and not self.without_labelled:
            names = [' + '.join(map(str, unlabelled.get_data_info(place)['img_path'])) for place in both]
            raise DatasetError(f'SemiDataset: {len(both)} pairs are both labelled and unlabelled: '
                               f'{first_of(names, "; ")}. Take them out of the unlabelled list, or set '
                               'train_dataloader.dataset.without_labelled=True, which does so.')
        left = sorted(set(range(len(unlabelled))) - set(both))
        if not left:
            raise DatasetError('SemiDataset.unlabelled: expected one unlabelled pair or more, found none'
                               f'{f" besides the {len(both)} labelled ones" if both else ""}. Give it a longer list, '
                               'or train with the labelled pairs alone (a config without `semi`).')
        if both:
            unlabelled.get_subset_(left)
        super().full_init()


def _of_percent(labelled: dict, percent: float | str | None) -> dict:
    template = str(labelled.get('ann_file', ''))
    if (percent is None) == (PERCENT in template):
        raise SettingError(f'SemiDataset.percent={percent}: expected a number together with {PERCENT} in '
                           f'labelled.ann_file, found {template!r}.')
    if percent is not None:
        labelled['ann_file'] = template.replace(PERCENT, f'{percent}')
    return labelled


def _pairs(dataset: BaseDataset) -> list[tuple[str, ...]]:
    """Return the image files of every sample."""
    samples = (dataset.get_data_info(place)['img_path'] for place in range(len(dataset)))
    return [(sample, ) if isinstance(sample, str) else tuple(sample) for sample in samples]


def _shared(labelled: Sequence[tuple[str, ...]], unlabelled: Sequence[tuple[str, ...]]) -> Iterator[int]:
    """Yield the places of the unlabelled pairs that are labelled, too: by path, then by content.

    The order of the dates does not matter, since training may exchange them.
    """
    known = set(map(_real, labelled))
    sizes: dict[tuple, list[tuple[str, ...]]] = {}
    for pair in labelled:
        sizes.setdefault(_size(pair), []).append(pair)
    sizes.pop((), None)
    digests: dict[tuple, set[tuple[int, ...]]] = {}
    for place, pair in enumerate(unlabelled):
        if _real(pair) in known:
            yield place
        elif (size := _size(pair)) in sizes:
            if size not in digests:
                digests[size] = {_digest(one) for one in sizes[size]}
            if _digest(pair) in digests[size]:
                yield place


def _real(pair: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted(path if '://' in path else os.path.realpath(path) for path in pair))


def _size(pair: tuple[str, ...]) -> tuple[int, ...]:
    """Return the sizes of the files in bytes; nothing where they are not local."""
    return tuple(sorted(map(os.path.getsize, pair))) if all(map(os.path.isfile, pair)) else ()


def _digest(pair: tuple[str, ...]) -> tuple[int, ...]:
    return tuple(sorted(map(content_digest, pair)))
