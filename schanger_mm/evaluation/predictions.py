"""Names of images and the files of their predictions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from schanger_mm.utils.errors import SettingError
from schanger_mm.utils.files import write_png

FOLDER = 'predictions'


def image_paths(sample: Mapping) -> list[str]:
    """Return the paths of a sample's images, date A first; empty if it has none."""
    paths = sample.get('img_path') or []
    return [str(path) for path in ([paths] if isinstance(paths, (str, Path)) else paths)]


def image_name(sample: Mapping) -> str | None:
    """Return a sample's ``name`` (``tile_1``, ``city/tile_1``), else the stem of date A's file; None without both."""
    if name := sample.get('name'):
        return str(name)
    paths = image_paths(sample)
    return Path(paths[0]).stem if paths else None


class PredictionWriter:
    """Writes predictions as ``<folder>/predictions/<name>.png``, values 0 and 255.

    A file of an earlier evaluation is replaced; two images of the same name within
    an evaluation are rejected.

    Args:
        folder: the report's folder.
    """

    def __init__(self, folder: Path):
        self.folder = folder / FOLDER
        self._written: dict[str, str] = {}

    def write(self, prediction: np.ndarray, sample: Mapping) -> None:
        """Write one map ``(H, W)`` of 0 and 1.

        Raises:
            ValueError: the sample has no name and no path, or shares its name with another.
        """
        name, paths = image_name(sample), image_paths(sample)
        if name is None:
            raise SettingError('ChangeMetric: output_dir is set, but a sample has neither name nor img_path to name '
                               "its file after; add 'name' and 'img_path' to the meta_keys of the packing transform.")
        path, file = paths[0] if paths else name, self.folder / f'{name}.png'
        if name in self._written:
            raise SettingError(f'ChangeMetric: {path} and {self._written[name]} would both be written to {file}; give '
                               'the images names of their own.')
        self._written[name] = path
        write_png(file, (prediction == 1).astype(np.uint8) * 255)

    def restart(self) -> None:
        """Forget the names: the next evaluation may write them again."""
        self._written.clear()
