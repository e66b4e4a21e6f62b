"""OSCD: pairs of Sentinel-2 images with 13 bands, one file per band."""

from __future__ import annotations

from schanger_mm.registry import DATASETS

from .base import LABEL
from .benchmarks import BenchmarkDataset, Split

ARCHIVE = 'Onera Satellite Change Detection dataset'
TRAIN = ('abudhabi', 'aguasclaras', 'beihai', 'beirut', 'bercy', 'bordeaux', 'mumbai', 'nantes', 'paris', 'rennes',
         'saclay_e')
HELD_OUT = ('cupertino', 'hongkong', 'pisa')
TEST = ('brasilia', 'chongqing', 'dubai', 'lasvegas', 'milano', 'montpellier', 'norcia', 'rio', 'saclay_w', 'valencia')


@DATASETS.register_module()
class OSCDDataset(BenchmarkDataset):
    """OSCD: urban change in 24 pairs of Sentinel-2, 13 bands, 10 m (Daudt et al., IGARSS 2018).

    The official split has 14 training and 10 test cities and no validation, for which this package holds three
    training cities out: ``split`` is 'train' (11 cities), 'val' (3), 'trainval' (all 14) or 'test'.

    It reads the images that its authors registered (``imgs_1_rect``), whose bands of 20 and 60 m they resampled to
    10 m; bands of other sizes are resampled to the finest by the loading transform. That needs ``scale`` and
    ``files=('/B01.tif', ..., '/B12.tif')``, or those that are wanted, as in ``configs/bands/oscd_small.py``.

    Args:
        split (str, optional): see above; None reads the folders in ``data_prefix``.
        first_band (str): file of the first of these bands.
        **kwargs: the other arguments of :class:`BenchmarkDataset`.
    """

    NAME = 'OSCD'
    FOLDERS = (f'{ARCHIVE} - Images', f'{ARCHIVE} - Images', f'{ARCHIVE} - Train Labels')
    SPLITS = dict(train=Split('', 11), val=Split('', 3), trainval=Split('', 14), test=Split('', 10))
    CITIES = dict(train=TRAIN, val=HELD_OUT, trainval=tuple(sorted(TRAIN + HELD_OUT)), test=TEST)
    LAYOUT = (f'DIR/{ARCHIVE} - {{Images/CITY/imgs_{{1,2}}_rect/B*.tif,Train Labels/CITY/cm/cm.png,'
              'Test Labels/CITY/cm/cm.png}')
    DOWNLOAD_HINT = 'OSCD (14/10 pairs) from https://rcdaudt.github.io/oscd; unpack its three archives into DIR'

    def __init__(self, split: str | None = None, first_band: str = 'B01.tif', **kwargs) -> None:
        if split is not None:
            suffixes = {role: f'/imgs_{number}_rect/{first_band}' for number, role in enumerate(self.IMAGES, start=1)}
            kwargs = dict(img_suffix=suffixes, seg_map_suffix='/cm/cm.png', **kwargs)
        super().__init__(split=split, **kwargs)

    def _arguments_of(self, split: str, given: dict) -> dict:
        arguments = super()._arguments_of(split, given)
        if split == 'test':
            arguments['data_prefix'][LABEL] = f'{ARCHIVE} - Test Labels'
        return arguments

    def _common_stems(self, files: dict[str, dict[str, str]]) -> list[str]:
        if self._split is None:
            return super()._common_stems(files)
        cities = list(self.CITIES[self._split])
        self._report_missing(files, cities, f'cities of the {self._split} split have no file')
        return cities

    def _official_tiles(self, split: str | None) -> int | None:
        return None  # the cities have different sizes
