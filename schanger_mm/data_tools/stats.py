"""Compute mean and standard deviation of each date, as the authors of SChanger define them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from prettytable import PrettyTable

from schanger_mm.datasets.bands import BandReading
from schanger_mm.datasets.reading import read_image
from schanger_mm.utils.band_order import COLOUR_BANDS, turned
from schanger_mm.utils.errors import DatasetError, SettingError
from schanger_mm.utils.names import natural_key
from schanger_mm.utils.text import first_of

from .image_forms import valid_pixels
from .layout import LABEL, MAPS, NONE, ONE_DATE, TWO_DATES, Split, find_splits
from .lists import listed_names
from .parallel import run_parallel


@dataclass(frozen=True)
class Task:
    """An image, the side of its patches, px (None for the whole image), and how it is read (None: 8-bit colours)."""

    path: Path
    patch: int | None
    reading: BandReading | None = None


@dataclass(frozen=True)
class DateStatistics:
    """Statistics of one image folder.

    Args:
        folder: the folder.
        images, samples: number of images, and of samples they gave.
        mean: (C,) mean over samples of the mean per sample, in [0, 1]; three bands are R, G, B.
        std: (C,) mean over samples of the population standard deviation per
            sample, alike.
    """

    folder: Path
    images: int
    samples: int
    mean: np.ndarray
    std: np.ndarray


def dataset_statistics(root: str | Path, split: str | None = None, folders: Mapping[str, str | None] | None = None,
                       single: bool = False, patch: int | None = None, workers: int | None = None,
                       list_file: str | Path | None = None, list_split: str | None = None,
                       suffixes: Mapping[str, str | None] | None = None,
                       reading: BandReading | None = None) -> list[DateStatistics]:
    """Compute mean and standard deviation of the training images.

    Args:
        root: the data set.
        split: sub-folder to read, 'none' for ``root`` itself; None takes
            ``train`` where it is there.
        folders: folder names by role ('before' and 'after', or 'image') where
            they are not those of a published archive.
        single: images of one date instead of pairs.
        patch: samples are patches of this side, px, without overlap (what does
            not fill one at the right and bottom is left out); None: images.
        workers: number of processes.
        list_file: the images to take, one name per line; None takes all.
        list_split: ``list_file`` is a table with lines ``name,split``; take
            those of this split.
        suffixes: endings of files by role, where dates share a folder.
        reading: how images of other bands or depth are read, as in the training; None: 8-bit colours.

    Returns:
        One entry per date, A first, or one for single images.

    Raises:
        FileNotFoundError, DatasetError: no such folders or list, names in it
            without an image, images of another form or number of bands, or
            that are smaller than a patch.
        ValueError: a patch without pixels, or ``list_split`` without a list.
    """
    if patch is not None and patch < 1:
        raise SettingError(f'--patch: expected 1 or more pixels, found {patch}')
    if list_split is not None and list_file is None:
        raise SettingError(f'--list-split {list_split}: needs --list, a table with lines name,split.')
    if split is None and (Path(root) / 'train').is_dir():
        split = 'train'
    names = None if split is None else [split]
    if reading is not None and reading.files is not None:
        suffixes = {role: (suffixes or {}).get(role) or reading.files[0] for role in (*TWO_DATES, *ONE_DATE)}
    found = find_splits(root, names, {**(folders or {}), **dict.fromkeys((LABEL, *MAPS), NONE)}, single, suffixes)
    if len(found) > 1:
        raise DatasetError(f'{root}: statistics are computed from one split; choose it with --split, one of '
                           f'{first_of([each.name for each in found])}.')
    dates = [_of_folder(found[0], role, patch, workers, list_file, list_split, reading) for role in found[0].images]
    if len({len(date.mean) for date in dates}) > 1:
        raise DatasetError('the dates have different numbers of bands: '
                           f'{", ".join(f"{date.folder} {len(date.mean)}" for date in dates)}; choose those that both '
                           'have with --bands.')
    return dates


def sample_statistics(task: Task) -> np.ndarray:
    """Return mean and population standard deviation of each sample: (samples, 2, C) in [0, 1]; three bands R, G, B.

    Pixels without data are left out where ``task.reading`` is set, as are samples without any other.
    """
    image = read_image(str(task.path)) if task.reading is None else task.reading.read(str(task.path))
    height, width = image.shape[:2]
    rows, columns = (height, width) if task.patch is None else (task.patch, task.patch)
    if height < rows or width < columns:
        raise DatasetError(f'{task.path}: expected at least {task.patch} px on each side (--patch), found '
                           f'{width}x{height}.')
    samples = [(slice(top, top + rows), slice(left, left + columns)) for top in range(0, height - rows + 1, rows)
               for left in range(0, width - columns + 1, columns)]
    if task.reading is None:
        found = [cv2.meanStdDev(image[sample]) for sample in samples]
    else:
        valid = valid_pixels(task.path, task.reading)
        found = [cv2.meanStdDev(image[sample], mask=valid[sample]) for sample in samples if valid[sample].any()]
    values = np.array(found).reshape(len(found), 2, image.shape[2])
    return turned(values, -1) / 255


def mean_of_samples(found: Sequence[np.ndarray], folder: Path) -> np.ndarray:
    """Return the mean of what :func:`sample_statistics` found in each image: ``(2, C)``.

    Raises:
        DatasetError: no image of the folder has a pixel with data.
    """
    samples = np.concatenate(found)
    if not len(samples):
        raise DatasetError(f'{folder}: no pixel of {len(found)} images has data; expected images with other values '
                           'than the nodata value that they name.')
    return samples.mean(axis=0)


def report(statistics: list[DateStatistics]) -> str:
    """Format the statistics: a table in [0, 1], and lines for a config in 0..255."""
    colours = len(statistics[0].mean) == COLOUR_BANDS
    bands = 'R, G, B' if colours else 'of each band'
    table = PrettyTable(['folder', 'images', 'samples', f'mean {bands}', f'std {bands}'], align='l')
    for date in statistics:
        table.add_row([date.folder, date.images, date.samples, _row(date.mean, 6), _row(date.std, 6)])
    mean, std = (_row(np.concatenate([getattr(date, name) for date in statistics]) * 255, 3)
                 for name in ('mean', 'std'))
    dates = ', date A first' if len(statistics) > 1 else ''
    order = '' if colours else ',\n    bgr_to_rgb=False'
    return (f'{table.get_string()}\n\n# for the config: {bands} in 0..255{dates}\n'
            f'data_preprocessor = dict(\n    mean=[{mean}],\n    std=[{std}]{order})')


def _of_folder(split: Split, role: str, patch: int | None, workers: int | None, list_file: str | Path | None,
               list_split: str | None, reading: BandReading | None) -> DateStatistics:
    folder, files = split.folders[role], split.list_files(role)
    stems = sorted(files, key=natural_key) if list_file is None else listed_names(
        list_file, files, folder, list_split, list(split.suffixes.values()))
    tasks = [Task(Path(files[stem]), patch, reading) for stem in stems]
    found = list(run_parallel(sample_statistics, tasks, workers, f'reading {folder.name}'))
    if other := next((at for at, one in enumerate(found) if one.shape[-1] != found[0].shape[-1]), None):
        raise DatasetError(f'{folder}: {tasks[0].path.name} has {found[0].shape[-1]} bands, {tasks[other].path.name} '
                           f'has {found[other].shape[-1]}; choose those that all have with --bands.')
    mean, std = mean_of_samples(found, folder)
    return DateStatistics(folder, len(tasks), sum(map(len, found)), mean, std)


def _row(values: np.ndarray, digits: int) -> str:
    return ', '.join(f'{value:.{digits}f}' for value in values)
