"""The folder of a scene's outputs: final names appear when all of them are complete."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from schanger_mm.folders import results_folder
from schanger_mm.json_files import JsonError, read_table
from schanger_mm.scene.errors import SceneError
from schanger_mm.scene.journal import FOLDER, clear_finished, differences, disk_errors
from schanger_mm.scene.polygons import check_name

CHANGE, PROBABILITY, SUMMARY, PAGE = 'change.tif', 'probability.tif', 'summary.json', 'report.html'
POLYGONS = dict(gpkg='change.gpkg', geojson='change.geojson')
NAMES = (CHANGE, PROBABILITY, *POLYGONS.values(), SUMMARY, PAGE)
_PUBLISHING = 'publishing'


class Outputs:
    """Collects outputs in ``<path>/.journal/outputs`` and moves them to their place together.

    Args:
        path: the folder; other files in it are left alone.
        overwrite: replace the outputs of an earlier run, all of them.

    Raises:
        SceneError: ``path`` is a file or a name that pyogrio changes, or holds outputs and ``overwrite`` is not set.
    """

    def __init__(self, path: str | Path, overwrite: bool = False):
        self.path = results_folder(path, SceneError)
        self.partial = self.path / FOLDER / 'outputs'
        self._mark = self.path / FOLDER / _PUBLISHING
        try:
            check_name(self.partial / POLYGONS['gpkg'])
        except SceneError as error:
            raise SceneError(f'--out {error}') from error
        found = [name for name in NAMES if (self.path / name).exists()]
        if found and not overwrite and not self._mark.exists():  # moved there by the run that is now resumed
            raise SceneError(f'--out {self.path}: it already holds {", ".join(found)}; name another folder, or pass '
                             '--overwrite to replace them.')

    def refuse_inputs(self, *inputs: str) -> None:
        """Keep results from replacing what they are made of.

        Raises:
            SceneError: an input is one of the outputs' files.
        """
        targets = {(self.path / name).resolve(): name for name in NAMES}
        for path in inputs:
            if name := targets.get(Path(path).resolve()):
                raise SceneError(f'{path} would be replaced by the result {name}; name another --out.')

    def start(self) -> None:
        """Make the folder of what is not complete yet, and empty it."""
        with disk_errors(self.partial):
            if self.partial.exists():
                shutil.rmtree(self.partial)
            self.partial.mkdir(parents=True)

    def publish(self) -> dict[str, str]:
        """Move the complete outputs to their place; those of an earlier run go.

        Returns:
            Path of each output by its name without the folder.
        """
        with disk_errors(self.path):
            self._mark.touch()
            for name in NAMES:
                if (self.partial / name).exists():
                    os.replace(self.partial / name, self.path / name)
                else:
                    (self.path / name).unlink(missing_ok=True)
        return self.paths()

    def paths(self) -> dict[str, str]:
        """Path of each output that is there, by its name without the folder."""
        return {name: str(self.path / name) for name in NAMES if (self.path / name).exists()}

    def earlier(self, asked: dict) -> dict:
        """Return the summary of the complete results that are there.

        Args:
            asked: sections of the summary that must be the same.

        Raises:
            SceneError: they are of other inputs or settings, or the summary is damaged.
        """
        try:
            summary = read_table(self.path / SUMMARY)
        except JsonError as error:
            raise SceneError(f'--resume: {error} Pass --overwrite to predict this pair again.') from error
        found = {key: summary.get(key) for key in asked}
        if changes := list(differences(found, json.loads(json.dumps(asked)))):
            raise SceneError(f'--resume: {self.path} holds the results of other inputs or settings: '
                             f'{"; ".join(changes)}. Name another folder, or pass --overwrite instead.')
        clear_finished(self.path)
        return {**summary, 'outputs': self.paths()}


def finished(path: str | Path) -> bool:
    """Whether a folder holds the complete results of a run."""
    return (Path(path) / SUMMARY).is_file() and not (Path(path) / FOLDER).exists()
