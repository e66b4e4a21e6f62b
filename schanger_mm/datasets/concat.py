"""Concatenate data sets, such as train and val of one published set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mmengine.dataset import BaseDataset
from mmengine.dataset import ConcatDataset as MMEngineConcatDataset

from schanger_mm.registry import DATASETS

from .samplers import Draw

OF_ONE = ('data_set', 'split', 'official_tiles')
"""Metainfo in which the data sets may differ; see :class:`~schanger_mm.datasets.benchmarks.BenchmarkDataset`."""


@DATASETS.register_module()
class ConcatDataset(MMEngineConcatDataset):
    """mmengine's ConcatDataset, whose parts may be splits of a published set, and whose draws are numbered.

    Its metainfo is that of the first part, but ``data_set`` and ``split``
    name those of all parts (``'train + val'``), and ``official_tiles`` is
    their sum (None if one has none, or if a split occurs twice).

    Args:
        datasets: data sets or their configs.
        lazy_init, ignore_keys: as in mmengine.

    Raises:
        ValueError, TypeError: other metainfo differs.
    """

    def __init__(self, datasets: Sequence[BaseDataset | dict], lazy_init: bool = False,
                 ignore_keys: str | list[str] | None = None) -> None:
        ignored = [ignore_keys] if isinstance(ignore_keys, str) else list(ignore_keys or [])
        super().__init__(datasets, lazy_init, [*ignored, *OF_ONE])
        self._metainfo.update(_joined([dataset.metainfo for dataset in self.datasets]))

    def __getitem__(self, idx: int) -> dict:
        """Return a sample; the number of a draw is passed on."""
        if not self._fully_initialized or not isinstance(idx, Draw):
            return super().__getitem__(idx)
        part, place = self._get_ori_dataset_idx(idx)
        return self.datasets[part][Draw(place, idx.seed, idx.position)]


def _joined(parts: Sequence[Mapping]) -> dict:
    if not any(key in meta for meta in parts for key in OF_ONE):
        return {}
    names, splits = ([str(meta.get(key)) for meta in parts] for key in ('data_set', 'split'))
    tiles = [meta.get('official_tiles') for meta in parts]
    whole = None not in tiles and len(set(zip(names, splits))) == len(parts)
    return dict(data_set=' + '.join(dict.fromkeys(names)), split=' + '.join(dict.fromkeys(splits)),
                official_tiles=sum(tiles) if whole else None)
