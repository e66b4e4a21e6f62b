"""The folder of a report: filled aside, then moved to its place whole."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from schanger_mm.evaluation.predictions import FOLDER as PREDICTIONS
from schanger_mm.evaluation.report import REPORT, TABLE
from schanger_mm.folders import results_folder

WORST = 'worst'
PARTS = (PREDICTIONS, WORST, TABLE, REPORT)  # in the order they arrive: where the report is, the rest is


class ReportFolder:
    """Collects a report in ``<path>/.partial``, so an interrupted test leaves an earlier report as it was.

    Args:
        path: the folder; other files in it are left alone.
        overwrite: replace an earlier report.

    Raises:
        ValueError: ``path`` is a file, or holds a part of a report and ``overwrite`` is not set.
    """

    def __init__(self, path: str | Path, overwrite: bool = False):
        self.path = results_folder(path)
        self.partial = self.path / '.partial'
        for folder in (self.partial, self.path / PREDICTIONS, self.path / WORST):
            self._refuse_foreign(folder)
        found = [part for part in PARTS if (self.path / part).exists()]
        if found and not overwrite:
            raise ValueError(f'--out {self.path}: it already holds {", ".join(found)}; name another folder, or pass '
                             '--overwrite to replace them.')

    @staticmethod
    def _refuse_foreign(folder: Path) -> None:
        """Replace only what a report is made of: links and other people's files stay."""
        if folder.is_symlink():
            raise ValueError(f'--out: {folder} is a link, which a report would replace; remove it, or name another '
                             'folder.')
        for path in folder.rglob('*') if folder.is_dir() else ():
            if path.is_file() and path.suffix not in ('.png', '.partial') and path.name not in PARTS:
                raise ValueError(f'--out: {path} is not of a report, and its folder would be replaced; move it away or '
                                 'name another folder.')

    def clear(self) -> None:
        """Remove what an interrupted test has collected."""
        if self.partial.exists():
            shutil.rmtree(self.partial)

    def publish(self) -> None:
        """Move the finished parts to their place; parts of an earlier report go."""
        (self.path / REPORT).unlink(missing_ok=True)
        for part in PARTS:
            old, new = self.path / part, self.partial / part
            if old.is_dir():
                shutil.rmtree(old)
            else:
                old.unlink(missing_ok=True)
            if new.exists():
                os.replace(new, old)
        self.partial.rmdir()
