"""Single images with building masks, for pre-training."""

from __future__ import annotations

from schanger_mm.registry import DATASETS
from schanger_mm.utils.names import Suffixes

from .base import CheckedDataset


@DATASETS.register_module()
class BuildingDataset(CheckedDataset):
    """Images of one date with a building mask of 0/1 or 0/255.

    The raw sample is mmseg's: ``img_path``, ``seg_map_path``, ``label_map``,
    ``reduce_zero_label``, ``seg_fields``, ``sample_idx`` (and
    ``label_threshold`` where one is set).

    Args:
        data_root (str, optional): folder that the others are relative to.
        data_prefix (dict): folders ``img_path`` and ``seg_map_path``.
        img_suffix (str | Sequence[str], optional): endings of image files;
            None: any image.
        seg_map_suffix (str | Sequence[str], optional): the same for masks.
        **kwargs: see :class:`~schanger_mm.datasets.base.CheckedDataset`.

    Raises:
        FileNotFoundError, DatasetError: see ``CheckedDataset``.
    """

    METAINFO = dict(classes=('background', 'building'), palette=[[0, 0, 0], [255, 255, 255]])
    IMAGES = ('img_path',)
    LAYOUT = ('DIR/{images,gt}, one mask per image, of the same name up to the suffix '
              '(other folders: `data_prefix`)')

    def __init__(self, data_prefix: dict = dict(img_path='images', seg_map_path='gt'),  # noqa: B006
                 img_suffix: Suffixes = None, seg_map_suffix: Suffixes = None, **kwargs) -> None:
        super().__init__(data_prefix, img_suffix, seg_map_suffix, **kwargs)


@DATASETS.register_module()
class InriaDataset(BuildingDataset):
    """Inria Aerial Image Labeling: 180 training images of 5000x5000 px, 0.3 m, five cities, masks 0/255.

    Takes the arguments of :class:`BuildingDataset`. Its images are cut into
    tiles before pre-training (1000 px, section IV of the SChanger paper).
    Source: Maggiori et al., IGARSS 2017.
    """

    LAYOUT = ('DIR/{images,gt}/*.tif, or the folders that `data_prefix` names, cut into tiles (1000 px for SChanger, '
              '256 px for SaDL)')
    DOWNLOAD_HINT = ('Inria Aerial Image Labeling (180 images of 5000 px, registration required) from '
                     'https://project.inria.fr/aerialimagelabeling')
