"""Compute mean and standard deviation of each date, as the authors of SChanger define them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from prettytable import PrettyTable

from schanger_mm.datasets.reading import read_image
from schanger_mm.utils.errors import DatasetError, SettingError
from schanger_mm.utils.names import natural_key
from schanger_mm.utils.text import first_of

from .layout import LABEL, MAPS, NONE, Split, find_splits
from .lists import listed_names
from .parallel import run_parallel


@dataclass(frozen=True)
class Task:
    """An image and the side of its patches, px; None for the whole image."""

    path: Path
    patch: int | None


@dataclass(frozen=True)
class DateStatistics:
    """Statistics of one image folder.

    Args:
        folder: the folder.
        images, samples: number of images, and of samples they gave.
        mean: (3,) mean over samples of the mean per sample; R, G, B in [0, 1].
        std: (3,) mean over samples of the population standard deviation per
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
                       suffixes: Mapping[str, str | None] | None = None) -> list[DateStatistics]:
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

    Returns:
        One entry per date, A first, or one for single images.

    Raises:
        FileNotFoundError, DatasetError: no such folders or list, names in it
            without an image, images that are not 8-bit with three bands, or
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
    found = find_splits(root, names, {**(folders or {}), **dict.fromkeys((LABEL, *MAPS), NONE)}, single, suffixes)
    if len(found) > 1:
        raise DatasetError(f'{root}: statistics are computed from one split; choose it with --split, one of '
                           f'{first_of([each.name for each in found])}.')
    return [_of_folder(found[0], role, patch, workers, list_file, list_split) for role in found[0].images]


def sample_statistics(task: Task) -> np.ndarray:
    """Return mean and population standard deviation of each sample: (samples, 2, 3); R, G, B in [0, 1]."""
    image = read_image(str(task.path))
    height, width = image.shape[:2]
    rows, columns = (height, width) if task.patch is None else (task.patch, task.patch)
    if height < rows or width < columns:
        raise DatasetError(f'{task.path}: expected at least {task.patch} px on each side (--patch), found '
                           f'{width}x{height}.')
    samples = [image[top:top + rows, left:left + columns] for top in range(0, height - rows + 1, rows)
               for left in range(0, width - columns + 1, columns)]
    values = np.array([cv2.meanStdDev(sample) for sample in samples]).reshape(len(samples), 2, 3)
    return values[..., ::-1] / 255


def report(statistics: list[DateStatistics]) -> str:
    """Format the statistics: a table in [0, 1], and lines for a config in 0..255."""
    table = PrettyTable(['folder', 'images', 'samples', 'mean R, G, B', 'std R, G, B'], align='l')
    for date in statistics:
        table.add_row([date.folder, date.images, date.samples, _row(date.mean, 6), _row(date.std, 6)])
    mean, std = (_row(np.concatenate([getattr(date, name) for date in statistics]) * 255, 3)
                 for name in ('mean', 'std'))
    dates = ', date A first' if len(statistics) > 1 else ''
    return (f'{table.get_string()}\n\n# for the config: R, G, B in 0..255{dates}\n'
            f'data_preprocessor = dict(\n    mean=[{mean}],\n    std=[{std}])')


def _of_folder(split: Split, role: str, patch: int | None, workers: int | None, list_file: str | Path | None,
               list_split: str | None) -> DateStatistics:
    folder, files = split.folders[role], split.list_files(role)
    stems = sorted(files, key=natural_key) if list_file is None else listed_names(
        list_file, files, folder, list_split, list(split.suffixes.values()))
    tasks = [Task(Path(files[stem]), patch) for stem in stems]
    samples = np.concatenate(list(run_parallel(sample_statistics, tasks, workers, f'reading {folder.name}')))
    mean, std = samples.mean(axis=0)
    return DateStatistics(folder, len(tasks), len(samples), mean, std)


def _row(values: np.ndarray, digits: int) -> str:
    return ', '.join(f'{value:.{digits}f}' for value in values)
