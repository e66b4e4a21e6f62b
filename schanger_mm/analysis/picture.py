"""The style of the plots."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from schanger_mm.utils.errors import SettingError
from schanger_mm.utils.files import whole_file

SUFFIXES = ('.png', '.svg', '.pdf')
_STYLE = {'text.parse_math': False, 'axes.grid': True, 'grid.alpha': 0.25, 'axes.spines.top': False,
          'axes.spines.right': False, 'axes.titlelocation': 'left', 'axes.titleweight': 'bold',
          'axes.titlesize': 11, 'legend.frameon': False, 'font.size': 10}


@contextmanager
def picture(path: str | Path, width: float, height: float) -> Iterator[Figure]:
    """Provide a figure in our style; it is written if the block ends without an error.

    Args:
        path: file to write, with one of :data:`SUFFIXES`.
        width: width of the figure in inches (150 px each).
        height: its height.

    Raises:
        SettingError: another suffix.
    """
    path = Path(path)
    if path.suffix not in SUFFIXES:
        raise SettingError(f'{path}: expected a picture whose name ends in {", ".join(SUFFIXES)}.')
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(width, height), dpi=150, layout='constrained')
        FigureCanvasAgg(figure)
        yield figure
        with whole_file(path) as partial:
            figure.savefig(partial, format=path.suffix[1:])
