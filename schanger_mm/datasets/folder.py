"""Anybody's own folders."""

from __future__ import annotations

from schanger_mm.registry import DATASETS

from .bitemporal import BiTemporalDataset


@DATASETS.register_module()
class FolderCDDataset(BiTemporalDataset):
    """Pairs in folders of any name, files of any known image suffix.

    Args:
        before (str): folder of the earlier date, below ``data_root``.
        after (str): folder of the later date.
        label (str, optional): folder of the masks; None for none, with
            ``test_mode`` only.
        **kwargs: the other arguments of :class:`BiTemporalDataset`.

    Example:
        >>> dict(type='FolderCDDataset', data_root='data/mine', before='2019', after='2024', label='masks')
    """

    LAYOUT = ('DIR/{BEFORE,AFTER,LABEL}, one file per pair in each folder, of the same name up to the suffix;'
              ' the folders are named by `before`, `after` and `label`')

    def __init__(self, before: str = 'A', after: str = 'B', label: str | None = 'label', **kwargs) -> None:
        if 'data_prefix' in kwargs:
            raise ValueError('FolderCDDataset.data_prefix: name the folders by `before`, `after` and `label` '
                             'instead (in a config that inherits one, add `_delete_=True`), or use '
                             'BiTemporalDataset.')
        folders = dict(img_path_from=before, img_path_to=after, seg_map_path=label)
        super().__init__(data_prefix=folders, **kwargs)
