"""The folder of a report: filled separately, then moved into place as a whole."""

from __future__ import annotations

import shutil
from pathlib import Path

from schanger_mm.evaluation.predictions import FOLDER as PREDICTIONS
from schanger_mm.evaluation.report import REPORT, TABLE
from schanger_mm.utils.errors import SettingError
from schanger_mm.utils.files import move_into_place, results_folder

WORST = 'worst'
PARTS = (PREDICTIONS, WORST, TABLE, REPORT)  # in the order of moving: if the report exists, so does the rest


class ReportFolder:
    """Collects a report in ``<path>/.partial``, so an interrupted test leaves an earlier report unchanged.

    One that was killed while it published is completed by the next test of this folder.

    Args:
        path: the folder; other files in it are not changed.
        overwrite: replace an earlier report.

    Raises:
        ValueError: ``path`` is a file, or holds a part of a report and ``overwrite`` is not set.
    """

    def __init__(self, path: str | Path, overwrite: bool = False):
        self.path = results_folder(path)
        self.partial = self.path / '.partial'
        self.publishing = self.path / '.publishing'
        for folder in (self.partial, self.publishing, self.path / PREDICTIONS, self.path / WORST):
            self._refuse_foreign(folder)
        found = [part for part in PARTS if (self.path / part).exists()]
        if found and not overwrite:
            raise SettingError(f'--out {self.path}: it already holds {", ".join(found)}; use another folder, or pass '
                               '--overwrite to replace them.')

    @staticmethod
    def _refuse_foreign(folder: Path) -> None:
        """Allow replacing only files of a report: links and other files are kept."""
        if folder.is_symlink():
            raise SettingError(f'--out: {folder} is a link, which a report would replace; remove it, or use another '
                               'folder.')
        for path in folder.rglob('*') if folder.is_dir() else ():
            if path.is_file() and path.suffix not in ('.png', '.partial') and path.name not in PARTS:
                raise SettingError(f'--out: {path} is not part of a report, and its folder would be replaced; move it '
                                   'away or use another folder.')

    def clear(self) -> None:
        """Remove what an interrupted test has collected; what a finished one was publishing is published."""
        self.finish()
        if self.partial.exists():
            shutil.rmtree(self.partial)

    def publish(self) -> None:
        """Move the finished parts to their place; parts of an earlier report go.

        A kill loses neither report: the finished parts first take the name ``.publishing`` together, from which
        :meth:`finish` moves on, and ``report.json`` is replaced last, at once.
        """
        for part in (PREDICTIONS, WORST):  # what the new report lacks is to go as well
            (self.partial / part).mkdir(exist_ok=True)
        move_into_place(self.partial, self.publishing)
        self.finish()

    def finish(self) -> None:
        """Complete the move of a finished report, which may have been killed."""
        earlier = self.publishing / 'earlier'
        if (self.publishing / REPORT).exists():  # else everything is in its place
            for part in PARTS:
                old, new = self.path / part, self.publishing / part
                if not new.exists():
                    continue  # moved before the kill
                if old.is_dir():
                    earlier.mkdir(exist_ok=True)
                    move_into_place(old, earlier / part)
                move_into_place(new, old)
        if self.publishing.exists():
            shutil.rmtree(self.publishing)
            for part in (PREDICTIONS, WORST):
                if (folder := self.path / part).is_dir() and not any(folder.iterdir()):
                    folder.rmdir()
