"""Pairs with the classes of both dates: what changed into what."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
from mmengine.logging import print_log

from schanger_mm.registry import DATASETS
from schanger_mm.utils.errors import SettingError

from .base import LABEL
from .benchmarks import BenchmarkDataset, Split
from .bitemporal import BiTemporalDataset
from .class_values import ClassValues, Value

MAPS = ('seg_map_path_from', 'seg_map_path_to')


@DATASETS.register_module()
class SemanticChangeDataset(BiTemporalDataset):
    """Two image folders and the class maps of both dates, paired by file stem; a mask of changes is optional.

    The raw sample is that of :class:`BiTemporalDataset`, with ``seg_map_path_from`` and ``seg_map_path_to``, and
    ``class_values``, by which ``LoadSemanticLabels`` reads them. Without a mask (``seg_map_path``), it derives the
    changes: see :meth:`ClassValues.changes`.

    Args:
        classes (Sequence[str]): names of the K classes, the same for both dates.
        values (Sequence, optional): pixel value of each class: grey values, or colours (R, G, B); None: 0, 1, 2 ...
        unchanged (int | Sequence, optional): value of pixels at which nothing changed, in maps that have classes only
            where something did (SECOND); None: every pixel has a class.
        unlabelled (int | Sequence, optional): value of pixels that count nowhere.
        data_prefix (dict): folders of the images (``img_path_from``, ``img_path_to``), of the class maps
            (``seg_map_path_from``, ``seg_map_path_to``), and of the mask of changes (``seg_map_path``) or None.
        **kwargs: see :class:`BiTemporalDataset`.

    Raises:
        SettingError: one class map without the other, or classes and values that do not fit together.
        FileNotFoundError, DatasetError: see ``CheckedDataset``; or a map with values of no class.
    """

    MAPS = MAPS
    LAYOUT = ('DIR/{A,B,label_a,label_b}, one file per pair in each folder, of the same name up to the suffix '
              '(other folders: `data_prefix`)')

    def __init__(self, classes: Sequence[str], values: Sequence | None = None, unchanged: Value | None = None,
                 unlabelled: Value | None = None,
                 data_prefix: dict = dict(  # noqa: B006
                     img_path_from='A', img_path_to='B', seg_map_path_from='label_a', seg_map_path_to='label_b'),
                 **kwargs) -> None:
        name = type(self).__name__
        self.class_values = ClassValues.of(name, classes, values, unchanged, unlabelled)
        given = [key for key in MAPS if data_prefix.get(key) is not None]
        if len(given) == 1 or not (given or kwargs.get('test_mode')) or (not given and data_prefix.get(LABEL)):
            raise SettingError(f'{name}.data_prefix: expected the folders of both class maps, {" and ".join(MAPS)}, '
                               f'found {dict(data_prefix)}; each date needs a map of its own.')
        super().__init__(data_prefix=data_prefix, **kwargs)
        self._metainfo.update(semantic_classes=('unchanged', *self.class_values.names),
                              semantic_palette=[[255, 255, 255], *self.class_values.palette])

    def make_sample(self, paths: dict[str, str]) -> dict:
        """Make the raw sample of one pair."""
        maps = {key: paths[key] for key in MAPS if key in paths}
        return dict(super().make_sample(paths), **maps, **(dict(class_values=self.class_values) if maps else {}))

    def _check_maps(self, samples: Sequence[dict[str, str]]) -> None:
        """Read the maps of some pairs; the others are checked when they are read."""
        changed = False
        for paths in samples[::max(1, len(samples) // 32)]:
            before, after = (self.class_values.read(paths[key], self.backend_args) for key in MAPS)
            changed |= before.shape == after.shape and bool(np.any(self.class_values.changes(before, after) == 1))
        if not changed:
            print_log(f'{type(self).__name__}: the class maps that were read have no changed pixel. Are '
                      f'{" and ".join(self.data_prefix[key] for key in MAPS)} the right folders?', logger='current',
                      level=logging.WARNING)


class SemanticBenchmark(BenchmarkDataset, SemanticChangeDataset):
    """A published data set with the classes of both dates; its splits are those of :class:`BenchmarkDataset`."""

    ROLES = ('img_path_from', 'img_path_to', *MAPS)
    CLASSES: dict[str, Value] = {}
    """Names of the classes, and the colour of each."""
    NO_CHANGE: Value | None = (255, 255, 255)

    def __init__(self, split: str | None = None, **kwargs) -> None:
        super().__init__(split=split, classes=list(self.CLASSES), values=list(self.CLASSES.values()),
                         unchanged=self.NO_CHANGE, **kwargs)


@DATASETS.register_module()
class SECONDDataset(SemanticBenchmark):
    """SECOND: six classes of land cover in aerial images, 0.5-3 m (Yang et al., IEEE TGRS 60, 2022).

    Validation is held out of the published training pairs by a list.
    """

    NAME = 'SECOND'
    FOLDERS = ('im1', 'im2', 'label1', 'label2')
    SIDE = 512
    SPLITS = dict(train=Split('train', names='splits/train.txt'), val=Split('train', names='splits/val.txt'),
                  test=Split('test', 1_694))
    CLASSES = {'water': (0, 0, 255), 'ground': (128, 128, 128), 'low vegetation': (0, 128, 0), 'tree': (0, 255, 0),
               'building': (128, 0, 0), 'sports field': (255, 0, 0)}
    LAYOUT = 'DIR/{train,test}/{im1,im2,label1,label2}/*.png and DIR/splits/{train,val}.txt'
    DOWNLOAD_HINT = ('SECOND (2968/1694 pairs of 512 px) from https://captain-whu.github.io/SCD; it has no validation '
                     'split, so hold 593 pairs out of train:\n                   '
                     'schanger split DIR/train/im1 --val 593 --out DIR/splits')


@DATASETS.register_module()
class LandsatSCDDataset(SemanticBenchmark):
    """Landsat-SCD: four classes of land cover at the edge of the Taklamakan desert, 30 m, tiles of 416 px.

    There is no split in folders: lists name the pairs.
    """

    NAME = 'Landsat-SCD'
    FOLDERS = ('A', 'B', 'labelA', 'labelB')
    SIDE = 416
    SPLITS = {name: Split('', names=f'splits/{name}.txt') for name in ('train', 'val', 'test')}
    CLASSES = {'farmland': (0, 155, 0), 'desert': (255, 165, 0), 'building': (230, 30, 100), 'water': (0, 170, 240)}
    LAYOUT = 'DIR/{A,B,labelA,labelB}/*.png, and DIR/splits/{train,val,test}.txt'
    DOWNLOAD_HINT = ('Landsat-SCD (tiles of 416 px), then\n                   '
                     'schanger split DIR/A --val 0.2 --test 0.2 --out DIR/splits')
