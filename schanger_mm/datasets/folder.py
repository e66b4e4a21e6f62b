"""Pairs in folders of any name."""

from __future__ import annotations

from schanger_mm.registry import DATASETS
from schanger_mm.utils.errors import SettingError
from schanger_mm.utils.names import Suffixes

from .bitemporal import BiTemporalDataset


@DATASETS.register_module()
class FolderCDDataset(BiTemporalDataset):
    """Pairs in folders of any name, files of any known image suffix.

    Args:
        before (str): folder of the earlier date, below ``data_root``.
        after (str): folder of the later date.
        label (str, optional): folder of the masks; None for none, with
            ``test_mode`` only.
        img_suffix (str | Sequence[str] | dict, optional): as in
            :class:`BiTemporalDataset`; the keys of a dict are ``before`` and
            ``after``.
        **kwargs: the other arguments of :class:`BiTemporalDataset`.

    Example:
        >>> dict(type='FolderCDDataset', data_root='data/mine', before='2019', after='2024', label='masks')
        >>> dict(type='FolderCDDataset', data_root='data/xBD/train', before='images', after='images', label='targets',
        ...      img_suffix=dict(before='_pre_disaster.png', after='_post_disaster.png'),
        ...      seg_map_suffix='_post_disaster_target.png')
    """

    LAYOUT = ('DIR/{BEFORE,AFTER,LABEL}, one file per pair in each folder, of the same name up to the suffix;'
              ' the folders are named by `before`, `after` and `label`')

    def __init__(self, before: str = 'A', after: str = 'B', label: str | None = 'label',
                 img_suffix: Suffixes | dict = None, **kwargs) -> None:
        if 'data_prefix' in kwargs:
            raise SettingError('FolderCDDataset.data_prefix: name the folders with `before`, `after` and `label` '
                               'instead (in a config that inherits one, add `_delete_=True`), or use '
                               'BiTemporalDataset.')
        if isinstance(img_suffix, dict):
            roles = dict(before='img_path_from', after='img_path_to')
            img_suffix = {roles.get(key, key): suffix for key, suffix in img_suffix.items()}
        folders = dict(img_path_from=before, img_path_to=after, seg_map_path=label)
        super().__init__(data_prefix=folders, img_suffix=img_suffix, **kwargs)
