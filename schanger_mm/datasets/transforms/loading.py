"""Load images and binary masks; an invalid file stops the run with an error that names it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from mmcv.transforms import BaseTransform

from schanger_mm.datasets.bands import BandReading
from schanger_mm.datasets.cache import DecodedCache
from schanger_mm.datasets.class_values import UNCHANGED
from schanger_mm.datasets.reading import IGNORED, read_image, read_label
from schanger_mm.registry import TRANSFORMS
from schanger_mm.utils.errors import DatasetError, SettingError


class FileLoader(BaseTransform):
    """Base of the loaders: file access, and caching of decoded pixels.

    Args:
        backend_args (dict, optional): as in ``mmengine.fileio.get``.
        cache_dir (str, optional): folder for decoded pixels, see
            :class:`~schanger_mm.datasets.cache.DecodedCache`; None decodes
            every file every time. The samples are the same.
        max_gib (float): size limit of that folder in GiB. A megapixel takes
            2.9 MiB, or 1 MiB for a label.

    Raises:
        ValueError: ``cache_dir`` together with ``backend_args``, or
            ``max_gib`` not above 0.
    """

    def __init__(self, backend_args: dict | None = None, cache_dir: str | None = None, max_gib: float = 32) -> None:
        if cache_dir is not None and backend_args is not None:
            raise SettingError(f'{type(self).__name__}.cache_dir: expected none together with backend_args='
                               f'{backend_args}, found {cache_dir!r}; the cache is for files of this machine\'s disks.')
        self.backend_args = backend_args
        self.cache = None if cache_dir is None else DecodedCache(cache_dir, max_gib)

    def _cached(self, path: str, reading: str, decode: Callable[[], np.ndarray]) -> np.ndarray:
        return decode() if self.cache is None else self.cache.read(path, reading, decode)

    def _describe(self) -> str:
        cache = '' if self.cache is None else f", cache_dir='{self.cache.folder}', max_gib={self.cache.max_gib}"
        return f'backend_args={self.backend_args}{cache}'


@TRANSFORMS.register_module()
class LoadImage(FileLoader):
    """Load one 8-bit colour image, like mmcv's ``LoadImageFromFile`` but strict, or one of any bands and depth.

    Required key: ``img_path`` (str). Added keys: ``img`` (H, W, 3) uint8 in
    B, G, R order; ``img_shape`` and ``ori_shape``, both (h, w).

    With ``bands``, ``files`` or ``scale``, rasterio reads the file and ``img``
    is (H, W, C), values in 0..255, float32 unless the file is 8-bit and has no ``scale``:
    see :class:`~schanger_mm.datasets.bands.BandReading`. Three bands are B, G, R
    then, too; another number keeps its order, for which the preprocessor needs
    ``bgr_to_rgb=False``.

    Args:
        allow_grey (bool): repeat 8-bit grey images to three channels.
        bands (Sequence[int] | str, optional): numbers of the bands to take,
            from 1, or ``'all'``.
        files (Sequence[str], optional): endings of the files of an image that
            has one per band, such as ``('/B02.tif', '/B03.tif')``; ``img_path`` is the first.
        scale (str, optional): values that become 0 and 255, such as
            ``'0:3000'``; other than 8-bit files need one.
        **kwargs: ``backend_args``, ``cache_dir`` and ``max_gib`` of
            :class:`FileLoader`.

    Raises:
        DatasetError: the file is missing, truncated, corrupt, or not of the form that is asked for.
        SettingError: settings that do not go together.
    """

    def __init__(self, allow_grey: bool = False, bands: Sequence[int] | str | None = None,
                 files: Sequence[str] | None = None, scale: str | None = None, **kwargs) -> None:
        super().__init__(**kwargs)
        self.allow_grey = allow_grey
        self.reading = BandReading.of(f'{type(self).__name__}.', bands, files, scale)
        if self.reading is not None and (allow_grey or (files is not None and self.backend_args is not None)):
            raise SettingError(f'{type(self).__name__}: {self.reading.describe()} cannot be together with '
                               f'{"allow_grey" if allow_grey else "backend_args"}.')

    def transform(self, results: dict) -> dict:
        """Add the image and its shape."""
        results['img'] = self.read(results['img_path'])
        results['img_shape'] = results['ori_shape'] = results['img'].shape[:2]
        return results

    def read(self, path: str) -> np.ndarray:
        """Return the image that ``transform`` adds, from a file or from the cache."""
        reading = self.reading
        if reading is None:
            return self._cached(path, f'image, allow_grey={self.allow_grey}',
                                lambda: read_image(path, self.allow_grey, self.backend_args))
        return self._cached(path, f'image, {reading.state(path)}', lambda: reading.read(path, self.backend_args))

    def _describe(self) -> str:
        return f'{self.reading.describe()}, {super()._describe()}' if self.reading else super()._describe()

    def __repr__(self) -> str:
        return f'{type(self).__name__}(allow_grey={self.allow_grey}, {self._describe()})'


@TRANSFORMS.register_module()
class LoadBiTemporalImages(LoadImage):
    """Load both dates of a pair.

    Required key: ``img_path``, the list [A, B]. Added keys: ``img``, a list
    of two arrays as of :class:`LoadImage`; ``img_shape`` and
    ``ori_shape``, both (h, w). Arguments as in :class:`LoadImage`.

    Raises:
        DatasetError: as in :class:`LoadImage`, or the dates differ in size or in their number of bands.
    """

    def transform(self, results: dict) -> dict:
        """Add the images and their shape."""
        paths = results['img_path']
        if isinstance(paths, str) or len(paths) != 2:
            raise DatasetError(f'img_path: expected a list of two files, date A and date B, found {paths!r}')
        images = [self.read(path) for path in paths]
        if images[0].shape[:2] != images[1].shape[:2]:
            found = ', '.join(f'{path} is {image.shape[1]}x{image.shape[0]}'
                              for path, image in zip(paths, images, strict=True))
            raise DatasetError(f'expected both dates of one size (width x height), found: {found}. Register '
                               'and crop them to the same ground first.')
        if images[0].shape != images[1].shape:
            found = ', '.join(f'{path} has {image.shape[2]}' for path, image in zip(paths, images, strict=True))
            raise DatasetError(f'expected both dates with the same number of bands, found: {found}. Name those that '
                               'both have with `bands` of the loading transform.')
        results['img'] = images
        results['img_shape'] = results['ori_shape'] = images[0].shape[:2]
        return results


def loader_of(dataset: object) -> LoadImage | None:
    """Return the transform that loads the images of a data set, of its first part if it wraps others; or None."""
    while parts := getattr(dataset, 'datasets', None):
        dataset = parts[0]
    steps = getattr(getattr(dataset, 'pipeline', None), 'transforms', [])
    return next((step for step in steps if isinstance(step, LoadImage)), None)


@TRANSFORMS.register_module()
class LoadChangeLabel(FileLoader):
    """Load a binary mask of changes or buildings.

    Required keys: ``seg_map_path``; after an image loader also ``ori_shape``,
    which the mask must match. Used if there: ``label_threshold``,
    ``label_ignore``, ``label_map``. Added: ``gt_seg_map`` (H, W) uint8 of 0
    and 1 (255 where the mask says ``label_ignore``), its name in
    ``seg_fields``. :func:`~schanger_mm.datasets.reading.read_label` says
    which masks are taken.

    Args:
        label_threshold (int, optional): values from this one up are 1; None
            uses the setting of the data set.
        **kwargs: ``backend_args``, ``cache_dir`` and ``max_gib`` of
            :class:`FileLoader`.

    Raises:
        DatasetError: no label in the sample, an unreadable file, other
            values than 0/1 or 0/255, or another size than the image.
    """

    def __init__(self, label_threshold: int | None = None, **kwargs) -> None:
        super().__init__(**kwargs)
        self.label_threshold = label_threshold

    def transform(self, results: dict) -> dict:
        """Add the mask."""
        path = results.get('seg_map_path')
        if path is None:
            raise DatasetError(f'seg_map_path: expected a label for {results.get("img_path")}, found none; '
                               'data without labels need a pipeline without LoadChangeLabel.')
        if results.get('format_seg_map') not in (None, 'to_binary'):
            raise DatasetError(f'format_seg_map of {path}: expected \'to_binary\', found '
                               f'{results["format_seg_map"]!r}; LoadChangeLabel reads binary masks only.')
        threshold = results.get('label_threshold') if self.label_threshold is None else self.label_threshold
        ignore = results.get('label_ignore')
        reading = f'label, threshold={threshold}' + ('' if ignore is None else f', ignore={ignore}')
        label = self._cached(path, reading, lambda: read_label(path, threshold, self.backend_args, ignore))
        shape = results.get('ori_shape')
        if shape is not None and tuple(shape[:2]) != label.shape:
            raise DatasetError(
                f'{path}: expected a label of the size of its image {results.get("img_path")}, '
                f'{shape[1]}x{shape[0]} (width x height), found {label.shape[1]}x{label.shape[0]}.')
        if results.get('label_map'):
            table = np.arange(256, dtype=np.uint8)
            for old, new in results['label_map'].items():
                table[old] = new
            label = table[label]
        results['gt_seg_map'] = label
        results['seg_fields'] = [*results.get('seg_fields', []), 'gt_seg_map']
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(label_threshold={self.label_threshold}, {self._describe()})'


@TRANSFORMS.register_module()
class LoadSemanticLabels(LoadChangeLabel):
    """Load the class maps of both dates, and the mask of changes or what the maps say about it.

    Required keys: ``seg_map_path_from``, ``seg_map_path_to`` and ``class_values``, as of
    :class:`~schanger_mm.datasets.semantic.SemanticChangeDataset`; after an image loader also ``ori_shape``. Used if
    there: ``seg_map_path``, the mask, read as by :class:`LoadChangeLabel`. Added: ``gt_seg_map`` of 0, 1 and 255;
    ``gt_seg_map_from`` and ``gt_seg_map_to`` (H, W) uint8, the class from 0 to K - 1, or 255 where there is none; their
    names in ``seg_fields``. Arguments as of :class:`LoadChangeLabel`.

    Raises:
        DatasetError: no class maps, an invalid file, values of no class, or maps of another size than the images.
    """

    def transform(self, results: dict) -> dict:
        """Add the maps."""
        values = results.get('class_values')
        paths = [results[key] for key in ('seg_map_path_from', 'seg_map_path_to') if results.get(key) is not None]
        if values is None or len(paths) < 2:
            raise DatasetError(f'LoadSemanticLabels: {results.get("img_path")} has no class maps; expected a sample of '
                               'SemanticChangeDataset with both. For a data set without classes use LoadChangeLabel.')
        maps = [self._cached(path, f'classes, {values}', partial(values.read, path, self.backend_args))
                for path in paths]
        shape = tuple(results.get('ori_shape') or maps[0].shape)[:2]
        for path, one in zip(paths, maps):
            if one.shape != shape:
                raise DatasetError(f'{path}: expected a label of the size of its image {results.get("img_path")}, '
                                   f'{shape[1]}x{shape[0]} (width x height), found {one.shape[1]}x{one.shape[0]}.')
        if results.get('seg_map_path') is not None:
            results = super().transform(results)
        else:
            results['gt_seg_map'] = values.changes(*maps)
            results['seg_fields'] = [*results.get('seg_fields', []), 'gt_seg_map']
        for key, one in zip(('gt_seg_map_from', 'gt_seg_map_to'), maps):
            results[key] = np.where(one == UNCHANGED, IGNORED, one).astype(np.uint8)
            results['seg_fields'] = [*results['seg_fields'], key]
        return results
