"""Plot curves of training runs from the logs that mmengine's ``LocalVisBackend`` writes."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

from prettytable import PrettyTable

from schanger_mm.analysis.picture import SUFFIXES, picture
from schanger_mm.utils.errors import MissingFileError, SettingError
from schanger_mm.utils.files import refuse_existing, write_text
from schanger_mm.visualization.report import read_log
from schanger_mm.visualization.report_page import LINES

Curve = list[tuple[int, float]]
LOG = 'vis_data/scalars.json'


@dataclass(frozen=True)
class Run:
    """One training, from its first iteration to its last.

    Args:
        name: name in the legend.
        curves: by scalar name (``loss``, ``changed/F1``, ...), pairs of iteration and value.
        logs: number of logs that were joined.
        left_out: number of skipped logs of earlier trainings in the same directory.
    """

    name: str
    curves: dict[str, Curve]
    logs: int = 1
    left_out: int = 0


def read_runs(paths: Iterable[str | Path]) -> list[Run]:
    """Read runs; the logs of resumed runs are joined.

    A work directory may hold several logs, one per start. The log of a resumed
    run (see its ``vis_data/config.py``) continues the previous log and replaces
    its entries from the resumed log's first iteration on; a log of a new start
    replaces all previous ones. Logs of tests are skipped.

    Args:
        paths: work directories (``<time>/vis_data/scalars.json`` in them), their
            time-stamped directories, or the JSON files.

    Returns:
        One run per path, named after its directory.

    Raises:
        MissingFileError: there is no log.
        SettingError: a log is empty or damaged.
    """
    places = [Path(path) for path in paths]
    return [_read_run(path, name) for path, name in zip(places, _names(places))]


def _read_run(path: Path, name: str) -> Run:
    files = [path] if path.is_file() else sorted([*path.glob(f'*/{LOG}'), *path.glob(LOG), *path.glob('scalars.json')])
    if not files:
        raise MissingFileError(f'{path}: no */{LOG}. Expected the work_dir of a run with '
                               "vis_backends=[dict(type='LocalVisBackend')] in its visualizer, or such a file.")
    logs = {file: read_log(file) for file in files}
    # a run that was resumed at its very end has only caught up on the last validation
    trainings = {file: log for file, log in logs.items() if 'loss' in log or _resumed(file)}
    trainings = trainings or dict(list(logs.items())[-1:])
    pieces: list[dict[str, Curve]] = []
    for file, log in trainings.items():
        pieces = [*pieces, log] if _resumed(file) else [log]
    if not any(pieces):
        raise SettingError(f'{files[-1]}: has no scalar; expected lines such as {{"loss": 1.2, "step": 50}}.')
    return Run(name, _join(pieces), len(pieces), len(trainings) - len(pieces))


def _resumed(file: Path) -> bool:
    config = file.with_name('config.py')
    return config.is_file() and re.search(r'^resume = True$', config.read_text(encoding='utf-8'), re.M) is not None


def _join(pieces: Sequence[Mapping[str, Curve]]) -> dict[str, Curve]:
    joined: dict[str, Curve] = {}
    for piece in pieces:
        if not piece:
            continue
        first = min(step for curve in piece.values() for step, _ in curve)
        joined = {key: [point for point in curve if point[0] < first] for key, curve in joined.items()}
        for key, curve in piece.items():
            joined.setdefault(key, []).extend(curve)
    return {key: curve for key, curve in joined.items() if curve}


def _names(paths: Sequence[Path]) -> list[str]:
    """Name runs by their directories, with as many parents as needed to distinguish them."""
    folders = [path.resolve() for path in paths]
    folders = [path.parent if path.is_file() else path for path in folders]
    folders = [path.parent if path.name == 'vis_data' else path for path in folders]
    depth = max((len(path.parts) for path in folders), default=1)
    for count in range(1, depth + 1):
        names = ['/'.join(path.parts[-count:]) for path in folders]
        if len(set(names)) == len(set(folders)):
            return names
    return names


def choose_keys(runs: Sequence[Run], keys: Sequence[str] | None = None) -> list[str]:
    """Check the requested scalars; by default ``loss``, ``lr`` and every validation F1.

    Raises:
        SettingError: no run has one of them; the message lists the available ones.
    """
    there = sorted({key for run in runs for key in run.curves})
    if keys is None:
        keys = [key for key in ('loss', 'lr') if key in there] + [key for key in there if key.endswith('/F1')]
    unknown = [key for key in keys if key not in there]
    if unknown or not keys:
        raise SettingError(f'--keys {" ".join(unknown)}: not in the logs of {", ".join(run.name for run in runs)}, '
                           f'which hold: {", ".join(there)}.')
    return list(dict.fromkeys(keys))


def best(key: str, curve: Curve) -> tuple[int, float] | None:
    """Return iteration and value of a curve's best point: the lowest loss, the highest score.

    None for scalars that have no best value (``lr``, ``time``), or if no value is finite.
    """
    finite = [(step, value) for step, value in curve if math.isfinite(value)]
    if not finite or ('loss' not in key and '/' not in key and 'acc' not in key):
        return None
    return (min if 'loss' in key else max)(finite, key=lambda point: point[1])


def table(runs: Sequence[Run], keys: Sequence[str]) -> str:
    """List, per run and scalar, the best value, its iteration and the last value."""
    rows = PrettyTable(['run', 'key', 'best', 'at iteration', 'last', 'last iteration'])
    rows.align = 'r'
    rows.align['run'] = rows.align['key'] = 'l'
    for run in runs:
        for key in keys:
            if curve := run.curves.get(key):
                step, value = best(key, curve) or ('-', None)
                rows.add_row([run.name, key, '-' if value is None else f'{value:.4g}', step,
                              f'{curve[-1][1]:.4g}', curve[-1][0]])
            else:
                rows.add_row([run.name, key, *['-'] * 4])
    return rows.get_string()


def draw(runs: Sequence[Run], keys: Sequence[str], path: str | Path) -> None:
    """Draw one panel per scalar, all runs in each, over iterations, as a picture file."""
    columns = {1: 1, 2: 2, 4: 2}.get(len(keys), 3)
    rows = math.ceil(len(keys) / columns)
    with picture(path, 4.8 * columns, 3.4 * rows + 0.5) as figure:
        first = None
        for index, key in enumerate(keys, start=1):
            first = axes = figure.add_subplot(rows, columns, index, sharex=first)
            for run, colour, line in zip(runs, cycle(LINES), cycle(['-', '--', '-.', ':'])):
                curve = run.curves.get(key, [])
                axes.plot([x for x, _ in curve], [y for _, y in curve], line, color=colour, label=run.name,
                          linewidth=1.6, marker='o' if len(curve) < 25 else None, markersize=3.5)
            axes.set_title(key)
            axes.set_xlabel('iteration')
        handles, labels = axes.get_legend_handles_labels()
        figure.legend(handles, labels, loc='outside upper center', ncols=min(4, len(runs)), handlelength=3.5)


def write_csv(runs: Sequence[Run], keys: Sequence[str], path: str | Path, overwrite: bool = False) -> None:
    """Write every point as a line: run, key, iteration, value."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator='\n')
    writer.writerow(['run', 'key', 'iteration', 'value'])
    writer.writerows([run.name, key, *point] for run in runs for key in keys for point in run.curves.get(key, []))
    write_text(path, stream.getvalue(), overwrite)


def analyze_logs(paths: Iterable[str | Path],
                 keys: Sequence[str] | None = None,
                 out: str | Path = 'curves.png',
                 csv_file: str | Path | None = None,
                 overwrite: bool = False) -> str:
    """Draw the curves of runs and list their best values.

    Args:
        paths: what :func:`read_runs` takes.
        keys: scalars, see :func:`choose_keys`.
        out: picture to write (.png, .svg or .pdf).
        csv_file: table of all points to write.
        overwrite: replace both files.

    Returns:
        The table and what was written.

    Raises:
        ExistsError: a file to write exists.
        SettingError: ``out`` is not a picture, or an argument or a log is wrong, as for the functions above.
    """
    if Path(out).suffix not in SUFFIXES:
        raise SettingError(f'--out {out}: expected a name that ends in {", ".join(SUFFIXES)}.')
    refuse_existing(out, csv_file, overwrite=overwrite)
    runs = read_runs(paths)
    keys = choose_keys(runs, keys)
    draw(runs, keys, out)
    said = [table(runs, keys)]
    for run in runs:
        if run.logs > 1 or run.left_out:
            said.append(f'{run.name}: joined from {run.logs} log{"s" * (run.logs > 1)}' +
                        (f'; {run.left_out} of earlier trainings left out' if run.left_out else '') + '.')
    if csv_file is not None:
        write_csv(runs, keys, csv_file, overwrite)
        said.append(f'points: {csv_file}')
    return '\n'.join([*said, f'curves: {out}'])
