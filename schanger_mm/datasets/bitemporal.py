"""Pairs of images of one place at two dates, with a mask of changes."""

from __future__ import annotations

from schanger_mm.registry import DATASETS
from schanger_mm.utils.errors import SettingError
from schanger_mm.utils.names import Suffixes

from .base import LABEL, CheckedDataset


@DATASETS.register_module()
class BiTemporalDataset(CheckedDataset):
    """Two image folders and a label folder, paired by file stem.

    The raw sample is Open-CD's: ``img_path=[A, B]``, ``seg_map_path``,
    ``label_map``, ``format_seg_map``, ``reduce_zero_label``, ``seg_fields``,
    ``sample_idx`` (and ``label_threshold`` where one is set).

    Args:
        data_root (str, optional): folder that the others are relative to.
        data_prefix (dict): folders of date A (``img_path_from``), date B
            (``img_path_to``) and the labels (``seg_map_path``; None for no
            labels, with ``test_mode`` only).
        img_suffix (str | Sequence[str] | dict, optional): endings of image
            files; None: any image. Dates in one folder need one each:
            ``dict(img_path_from='_pre.png', img_path_to='_post.png')``.
        seg_map_suffix (str | Sequence[str], optional): the same for labels.
        format_seg_map (str): 'to_binary', the only form there is here.
        **kwargs: see :class:`~schanger_mm.datasets.base.CheckedDataset`.

    Raises:
        FileNotFoundError, DatasetError: see ``CheckedDataset``.
    """

    METAINFO = dict(classes=('unchanged', 'changed'), palette=[[0, 0, 0], [255, 255, 255]])
    IMAGES = ('img_path_from', 'img_path_to')
    LAYOUT = ('DIR/{A,B,label}, one file per pair in each folder, of the same name up to the suffix '
              '(other folders: `data_prefix`)')

    def __init__(self,
                 data_prefix: dict = dict(img_path_from='A', img_path_to='B', seg_map_path='label'),  # noqa: B006
                 img_suffix: Suffixes | dict = None, seg_map_suffix: Suffixes = None,
                 format_seg_map: str = 'to_binary', **kwargs) -> None:
        if format_seg_map != 'to_binary':
            raise SettingError(f'{type(self).__name__}.format_seg_map: expected \'to_binary\', '
                               f'found {format_seg_map!r}')
        self.format_seg_map = format_seg_map
        super().__init__(data_prefix, img_suffix, seg_map_suffix, **kwargs)

    def make_sample(self, paths: dict[str, str]) -> dict:
        """Make the raw sample of one pair."""
        dates = [paths[key] for key in self.IMAGES]
        label = {LABEL: paths[LABEL]} if LABEL in paths else {}
        return dict(super().make_sample(label), img_path=dates, format_seg_map=self.format_seg_map)
