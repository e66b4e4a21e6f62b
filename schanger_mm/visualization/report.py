"""The report of a comparison: one HTML page, its numbers as text, and the curves of a run."""

from __future__ import annotations

import base64
import html
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from schanger_mm.utils.errors import MissingFileError, SettingError
from schanger_mm.utils.files import whole_file
from schanger_mm.visualization.panel import to_rgb8
from schanger_mm.visualization.report_page import PAGE, draw_curves

PICTURE_WIDTH = 2200  # pixels; twice the page's width, for dense screens
Curve = Sequence[tuple[float, float]]


def write_report(path: str | Path,
                 title: str,
                 table_rows: Sequence[Mapping],
                 curves: Mapping[str, Curve | Mapping[str, Curve]],
                 pictures: Iterable[tuple[str, np.ndarray | str | Path]],
                 notes: str | Sequence[str] = '',
                 units: Mapping[str, str] = {}) -> Path:
    """Write one self-contained HTML page: no network, no scripts, light and dark.

    All text is escaped. The file is written completely or not at all. Missing
    content (an empty curve, a missing picture) is noted on the page.

    Args:
        path: file to write; its folder is created.
        title: heading.
        table_rows: results, one dict per row (``run``, ``F1``, ``seconds``, ...); columns
            are all keys in order of appearance; floats have two decimals.
        curves: one plot per entry: title to a curve, or to curves by run name. A
            curve is a list of ``(iteration, value)``; values that are not finite leave a gap.
        pictures: pairs of caption and picture (RGB uint8 ``(H, W, 3)``, or an image file), embedded
            as JPEG of at most 2200 px width.
        notes: a paragraph below the heading, or a list of them.
        units: by title, what a curve is drawn over, if not over iterations.

    Returns:
        The path written.
    """
    path = Path(path)
    paragraphs = [notes] if isinstance(notes, str) else list(notes)
    page = PAGE.format(
        title=html.escape(title),
        notes='\n'.join(f'<p>{html.escape(p)}</p>' for p in paragraphs if p),
        table=_section('Results', _html_table(table_rows)) if table_rows else '',
        curves=_section('Curves', f'<div class="curves">{_html_curves(curves, units)}</div>') if curves else '',
        pictures=_gallery(pictures))
    with whole_file(path) as partial:
        partial.write_text(page, encoding='utf-8')
    return path


def format_table(rows: Sequence[Mapping], columns: Sequence[str] | None = None) -> str:
    """Format rows as a text table: numbers right-aligned, floats with two decimals.

    Args:
        rows: one dict per row.
        columns: keys to show; all, in order of appearance, by default.
    """
    columns = _columns(rows) if columns is None else list(columns)
    if not columns:
        return ''
    cells = [[str(name) for name in columns], *([_text(row.get(name)) for name in columns] for row in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(columns))]
    align = [str.rjust if _is_numeric(rows, name) else str.ljust for name in columns]
    lines = ['  '.join(pad(text, w) for pad, text, w in zip(align, line, widths, strict=True))
             for line in cells]
    lines.insert(1, '  '.join('-' * w for w in widths))
    return '\n'.join(line.rstrip() for line in lines)


def read_scalars(work_dir: str | Path) -> dict[str, list[tuple[int, float]]]:
    """Read the curves that mmengine's ``LocalVisBackend`` logged, of the latest training run.

    Args:
        work_dir: a runner's work directory, with ``<time>/vis_data/scalars.json``.

    Returns:
        By scalar name (``loss``, ``lr``, ``changed/F1``, ...), lists of ``(step, value)``;
        a step is an iteration in iteration-based loops.

    Raises:
        FileNotFoundError: there is no log.
        ValueError: a line of it is damaged; a truncated last line is skipped.
    """
    files = sorted(Path(work_dir).glob('*/vis_data/scalars.json'))
    if not files:
        raise MissingFileError(f'{work_dir}: no */vis_data/scalars.json. Is it the work_dir of a run, with '
                               "vis_backends=[dict(type='LocalVisBackend')] in its visualizer?")
    runs = [read_log(file) for file in reversed(files)]
    return next((run for run in runs if 'loss' in run), runs[0])  # the log of a test has no losses


def read_log(file: Path) -> dict[str, list[tuple[int, float]]]:
    """Read one log of mmengine, a JSON object per line, into curves of (step, value); a truncated last line is skipped.

    Raises:
        ValueError: the file is not UTF-8, or a line is not a JSON object.
    """
    curves: dict[str, list[tuple[int, float]]] = {}
    try:
        lines = file.read_text(encoding='utf-8').splitlines()
    except UnicodeDecodeError as error:
        raise SettingError(f'{file}: damaged, or no log of a run ({error}).') from error
    for number, line in enumerate(lines, start=1):
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            if number == len(lines):
                break
            raise SettingError(
                f'{file}: line {number} is not JSON ({error}); expected one record per line.') from error
        if not isinstance(record, dict):
            raise SettingError(f'{file}: line {number} is {record!r}; expected a JSON object.')
        for name, value in record.items():
            if name not in ('step', 'iter', 'epoch') and isinstance(value, (int, float)):
                curves.setdefault(name, []).append((record.get('step', 0), value))
    return curves


def _columns(rows: Sequence[Mapping]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))


def _is_numeric(rows: Sequence[Mapping], name: str) -> bool:
    values = [row[name] for row in rows if row.get(name) is not None]
    return bool(values) and all(isinstance(v, (int, float, np.number)) for v in values)


def _text(value) -> str:
    if value is None:
        return '-'
    return f'{value:.2f}' if isinstance(value, (float, np.floating)) else str(value)


def _section(heading: str, body: str) -> str:
    return f'<section><h2>{heading}</h2>\n{body}\n</section>'


def _html_table(rows: Sequence[Mapping]) -> str:
    columns = _columns(rows)
    classes = {name: ' class="number"' if _is_numeric(rows, name) else '' for name in columns}
    head = ''.join(f'<th{c}>{html.escape(str(name))}</th>' for name, c in classes.items())
    lines = (''.join(f'<td{c}>{html.escape(_text(row.get(name)))}</td>' for name, c in classes.items())
             for row in rows)
    body = '\n'.join(f'<tr>{line}</tr>' for line in lines)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table></div>'


def _html_curves(curves: Mapping[str, Curve | Mapping[str, Curve]], units: Mapping[str, str]) -> str:
    """Draw one figure per title; runs keep their colour from plot to plot."""
    plots = {title: lines if isinstance(lines, Mapping) else {'': lines} for title, lines in curves.items()}
    runs = list(dict.fromkeys(run for lines in plots.values() for run in lines))
    return '\n'.join(f'<figure>{draw_curves(title, lines, runs, units.get(title, "iteration"))}</figure>'
                     for title, lines in plots.items())


def _gallery(pictures: Iterable[tuple[str, np.ndarray | str | Path]]) -> str:
    figures = [
        f'<figure>{_html_picture(caption, picture)}<figcaption>{html.escape(caption)}</figcaption></figure>'
        for caption, picture in pictures]
    return _section('Pictures', '\n'.join(figures)) if figures else ''


def _html_picture(caption: str, picture: np.ndarray | str | Path) -> str:
    try:
        image = Image.fromarray(to_rgb8(picture)) if isinstance(picture, np.ndarray) else Image.open(picture)
        image = image.convert('RGB')
    except OSError as error:
        return f'<p class="missing">picture not readable: {html.escape(str(error))}</p>'
    image.thumbnail((PICTURE_WIDTH, 4 * PICTURE_WIDTH), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, 'JPEG', quality=92, subsampling=0)
    data = base64.b64encode(buffer.getvalue()).decode()
    return f'<img alt="{html.escape(caption)}" src="data:image/jpeg;base64,{data}">'
