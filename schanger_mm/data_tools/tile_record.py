"""The record of a folder of tiles: whether it is finished, and whether it is that of the same request."""

from __future__ import annotations

from pathlib import Path

from schanger_mm.utils.errors import DatasetError, ExistsError
from schanger_mm.utils.files import read_table

RECORD = 'tiles.json'


def is_finished(out: Path, request: dict) -> bool:
    """Return whether ``out`` is complete; other content in it is an error."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return False
    if not (out / RECORD).is_file():
        raise ExistsError(f'{out} holds other things (expected it to be absent or empty). Nothing was changed; '
                          'choose another folder.')
    check_same_request(out, out / RECORD, request, 'choose another folder.')
    return True


def unfinished(out: Path, request: dict) -> Path:
    """Return the folder to work in; the folder of an interrupted run must be of the same request."""
    partial = out.with_name(f'.{out.name}.partial')
    if (partial / RECORD).is_file():
        check_same_request(partial, partial / RECORD, request, 'repeat that command to continue, or remove the folder.')
    return partial


def check_same_request(folder: Path, record: Path, request: dict, advice: str) -> None:
    """Reject the folder of another request, or with a damaged record.

    Raises:
        DatasetError: the record is damaged.
        ExistsError: it is that of another request; the message says what differs.
    """
    try:
        earlier = read_table(record)
        different = [key for key, value in request.items() if earlier.get(key) != value]
    except (ValueError, KeyError, TypeError) as error:
        raise DatasetError(f'{record}: damaged ({error!r}); expected the record of an earlier run. Choose another '
                           'folder.') from error
    if different:
        facts = '; '.join(f'{key}: {differing(earlier.get(key), request.get(key))}' for key in different)
        raise ExistsError(f'{folder} holds tiles of another run, which differs in {facts}. Nothing was changed; '
                          f'{advice}')


def differing(earlier: object, now: object) -> str:
    """Describe what differs between two values, key by key in tables."""
    if isinstance(earlier, dict) and isinstance(now, dict):
        keys = [key for key in {**earlier, **now} if earlier.get(key) != now.get(key)]
        return ', '.join(f'{key} {differing(earlier.get(key), now.get(key))}' for key in keys)
    return f'{earlier} then, {now} now'


def recorded_ignore(root: Path) -> int | None:
    """Return the mask value of pixels that do not count, of tiles cut by us; None: there are none, or other data.

    Raises:
        JsonError: the record is damaged.
    """
    record = _read(root)
    counts, values = record.get('counts'), record.get('mask_values')
    if not isinstance(counts, dict) or not isinstance(values, dict) or not isinstance(values.get('ignore'), int):
        return None
    used = [counts.get(name) for name in ('train', 'val')]
    ignored = sum(part.get('ignored_pixels', 0) for part in used if isinstance(part, dict))
    return values['ignore'] if ignored else None


def recorded_options(root: Path) -> str:
    """Return ``--bands`` and ``--scale`` with which tiles were cut, percentiles as values; empty: not cut by us.

    Raises:
        JsonError: the record is damaged.
    """
    reading = _read(root).get('reading')
    if not isinstance(reading, dict):
        return ''
    bands, scaling = reading.get('bands'), reading.get('scaling')
    dates = bands if bands and isinstance(bands[0], list) else [bands] if bands else []
    options = {'--bands': '/'.join(','.join(map(str, date)) for date in dates), '--scale': scaling}
    return ' '.join(f'{name} {value}' for name, value in options.items() if value and value != 'none')


def _read(root: Path) -> dict:
    return read_table(root / RECORD) if (root / RECORD).is_file() else {}
