"""The published change-detection data sets, in the layout of their archives.

Sizes and splits: section IV of the SChanger paper and the data sets' own pages.
"""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass

from mmengine.logging import print_log

from schanger_mm.registry import DATASETS
from schanger_mm.utils.errors import SettingError

from .base import LABEL
from .bitemporal import BiTemporalDataset

TILE = 256
"""Side, in px, of the tiles for which results are reported."""
DEFAULT = 'default'
"""``label_threshold`` that the published masks of a data set need."""


@dataclass(frozen=True)
class Split:
    """One split of a published data set.

    Args:
        folder: folder below ``data_root`` with the folders of dates and labels.
        pairs: official number of pairs; None if nothing fixes it.
        names: list file below ``data_root``, if the split has no folder.
    """

    folder: str
    pairs: int | None = None
    names: str = ''


class BenchmarkDataset(BiTemporalDataset):
    """A published data set: ``split`` selects the folders to read and gives the size of the official split.

    The metainfo holds ``data_set``, ``split`` and ``official_tiles``, the
    number of 256 px tiles of the official split (None if it has none), by
    which a score on a part of it is recognised.

    Args:
        split (str, optional): 'train', 'val' or 'test'; None reads the
            folders in ``data_prefix``, without an official split.
        label_threshold (int | str, optional): as in ``CheckedDataset``, so
            None accepts exact values only; 'default' is the value that the
            archive's masks need.
        **kwargs: the other arguments of :class:`BiTemporalDataset`.

    A warning is logged if the number of pairs in the folders differs from the
    official split and no ``ann_file`` selects among them.

    Raises:
        ValueError: an unknown split, ``split`` together with ``data_prefix``, or
            a word other than 'default' as ``label_threshold``.
    """

    NAME = ''
    FOLDERS: tuple[str, ...] = ('A', 'B', 'label')
    """Folders of date A, date B and the masks, inside a split's folder."""
    ROLES: tuple[str, ...] = ('img_path_from', 'img_path_to', LABEL)
    """Keys of ``data_prefix`` of these folders."""
    SIDE = TILE
    """Height and width of every image, in px."""
    SPLITS: dict[str, Split] = {}
    LABEL_THRESHOLD: int | None = None

    def __init__(self, split: str | None = None, label_threshold: int | str | None = DEFAULT, **kwargs) -> None:
        if split is not None:
            kwargs = self._arguments_of(split, kwargs)
        if isinstance(label_threshold, str) and label_threshold != DEFAULT:
            raise SettingError(f'{type(self).__name__}.label_threshold: expected {DEFAULT!r}, None or 1 to 255, found '
                               f'{label_threshold!r}')
        self._split = split
        threshold = self.LABEL_THRESHOLD if label_threshold == DEFAULT else label_threshold
        super().__init__(label_threshold=threshold, **kwargs)
        self._metainfo.update(data_set=self.NAME, split=split, official_tiles=self._official_tiles(split))

    def _arguments_of(self, split: str, given: dict) -> dict:
        name = type(self).__name__
        if split not in self.SPLITS:
            raise SettingError(f'{name}.split: expected one of {", ".join(self.SPLITS)}, found {split!r}')
        if 'data_prefix' in given:
            raise SettingError(f'{name}.data_prefix: `split={split!r}` names the folders; omit one of them.')
        chosen = self.SPLITS[split]
        folders = (f'{chosen.folder}/{folder}' if chosen.folder else folder for folder in self.FOLDERS)
        prefix = dict(zip(self.ROLES, folders, strict=True))
        return {'ann_file': chosen.names, **given, 'data_prefix': prefix}

    def load_data_list(self) -> list[dict]:
        """List the pairs as ``CheckedDataset`` does, and report if their number is not the official one."""
        samples = super().load_data_list()
        official = None if self._split is None else self.SPLITS[self._split].pairs
        if official is not None and not self.ann_file and len(samples) != official:
            what = (f'{len(samples)} of the {official} official pairs of {self.NAME} {self._split}'
                    if len(samples) < official else
                    f'{len(samples)} pairs where {self.NAME} {self._split} officially has {official}')
            print_log(f'{type(self).__name__}: {what}, in {os.path.dirname(self.data_prefix[self.IMAGES[0]])}',
                      logger='current', level=logging.WARNING)
        return samples

    def _official_tiles(self, split: str | None) -> int | None:
        pairs = self.SPLITS[split].pairs if split is not None else None
        return pairs and pairs * (self.SIDE // TILE) ** 2


@DATASETS.register_module()
class LEVIRCDDataset(BenchmarkDataset):
    """LEVIR-CD: building change in Google Earth images of 0.5 m (Chen and Shi, Remote Sensing 12(10), 2020)."""

    NAME = 'LEVIR-CD'
    SIDE = 1024
    SPLITS = dict(train=Split('train', 445), val=Split('val', 64), test=Split('test', 128))
    LAYOUT = 'DIR/{train,val,test}/{A,B,label}/*.png'
    DOWNLOAD_HINT = ('LEVIR-CD (445/64/128 pairs of 1024 px, free for research) from '
                     'https://justchenhao.github.io/LEVIR; unpack it so that DIR has the layout above')


@DATASETS.register_module()
class LEVIRCDPlusDataset(BenchmarkDataset):
    """LEVIR-CD+: 637 training and 348 test pairs of the same kind; validation is held out of training by a list."""

    NAME = 'LEVIR-CD+'
    SIDE = 1024
    SPLITS = dict(train=Split('train', names='splits/train.txt'), val=Split('train', names='splits/val.txt'),
                  test=Split('test', 348))
    LAYOUT = 'DIR/{train,test}/{A,B,label}/*.png and DIR/splits/{train,val}.txt'
    DOWNLOAD_HINT = ('LEVIR-CD+ (637/348 pairs of 1024 px, free for research) from '
                     'https://github.com/S2Looking/Dataset; it has no validation split, so hold 64 pairs out of '
                     'train:\n                   '
                     'schanger split DIR/train/A --val 64 --out DIR/splits')


@DATASETS.register_module()
class S2LookingDataset(BenchmarkDataset):
    """S2Looking: buildings in side-looking satellite images, 0.5-0.8 m (Shen et al., Remote Sensing 13, 2021)."""

    NAME = 'S2Looking'
    FOLDERS = ('Image1', 'Image2', 'label')
    SIDE = 1024
    SPLITS = dict(train=Split('train', 3500), val=Split('val', 500), test=Split('test', 1000))
    LAYOUT = 'DIR/{train,val,test}/{Image1,Image2,label}/*.png'
    DOWNLOAD_HINT = ('S2Looking (3500/500/1000 pairs of 1024 px, free for research) from '
                     'https://github.com/S2Looking/Dataset; unpack it so that DIR has the layout above')


@DATASETS.register_module()
class CDDDataset(BenchmarkDataset):
    """CDD, also SVCD: change of any kind across seasons, 0.03-1 m (Lebedev et al., ISPRS Archives XLII-2, 2018).

    Its masks are JPEG files in most copies, so values from 128 up count as
    changed; a copy with exact masks of 0 and 1 needs ``label_threshold=None``.
    """

    NAME = 'CDD'
    FOLDERS = ('A', 'B', 'OUT')
    SPLITS = dict(train=Split('train', 10_000), val=Split('val', 3_000), test=Split('test', 3_000))
    LABEL_THRESHOLD = 128
    LAYOUT = 'DIR/{train,val,test}/{A,B,OUT}/*.jpg'
    DOWNLOAD_HINT = ('CDD, the folder `subset` of "ChangeDetectionDataset" (10000/3000/3000 pairs of 256 px); its '
                     'address is in the paper, doi 10.5194/isprs-archives-XLII-2-565-2018')


@DATASETS.register_module()
class SYSUCDDataset(BenchmarkDataset):
    """SYSU-CD: change of any kind in aerial images of Hong Kong, 0.5 m (Shi et al., IEEE TGRS 60, 2022)."""

    NAME = 'SYSU-CD'
    FOLDERS = ('time1', 'time2', 'label')
    SPLITS = dict(train=Split('train', 12_000), val=Split('val', 4_000), test=Split('test', 4_000))
    LAYOUT = 'DIR/{train,val,test}/{time1,time2,label}/*.png'
    DOWNLOAD_HINT = ('SYSU-CD (12000/4000/4000 pairs of 256 px) from https://github.com/liumency/SYSU-CD; unpack it '
                     'so that DIR has the layout above')


@DATASETS.register_module()
class WHUCDDataset(BenchmarkDataset):
    """WHU-CD: buildings of Christchurch, aerial, 0.075-0.2 m (Ji et al., IEEE TGRS 57(1), 2019), cut to 256 px."""

    NAME = 'WHU-CD'
    SPLITS = dict(train=Split('train', 4_536), val=Split('val', 504), test=Split('test', 2_760))
    LAYOUT = 'DIR/{train,val,test}/{A,B,label}/*'
    DOWNLOAD_HINT = ('WHU building change detection from http://gpcv.whu.edu.cn/data/building_dataset.html, as the '
                     'prepared split of 4536/504/2760 pairs of 256 px')


@DATASETS.register_module()
class GZCDDataset(BenchmarkDataset):
    """GZ-CD: 19 large pairs of Guangzhou, Google Earth, 0.55 m (Peng et al., IEEE TGRS 59(7), 2021), cut to 256 px.

    There is no official split: lists are drawn by source image, so that tiles of
    one image are never in two splits. Tiles must not overlap, otherwise the
    overlap is scored twice.
    """

    NAME = 'GZ-CD'
    SPLITS = {name: Split('', names=f'splits/{name}.txt') for name in ('train', 'val', 'test')}
    LAYOUT = 'DIR/{A,B,label}/*.png, tiles of 256 px, and DIR/splits/{train,val,test}.txt'
    DOWNLOAD_HINT = (
        'GZ-CD (19 pairs, the set "CD_Data_GZ") from https://github.com/daifeng2016/'
        'Change-Detection-Dataset-for-High-Resolution-Satellite-Imagery, then\n                   '
        'schanger tile UNPACKED DIR --size 256 --drop-edge\n                   '
        "schanger split DIR/A --val 0.1 --test 0.2 --group-by '(.+)_\\d+' --out DIR/splits")
