"""Cut the images of a data set into tiles."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from schanger_mm.datasets.reading import read_header
from schanger_mm.utils.errors import DatasetError, ExistsError, MissingFileError, SettingError
from schanger_mm.utils.files import as_json, read_table, sha256_of, write_atomic
from schanger_mm.utils.locking import is_vacant, locked
from schanger_mm.utils.names import list_stems, natural_key, strip_suffix
from schanger_mm.utils.text import first_of
from schanger_mm.utils.tiling import Tiling, tile_name

from .image_forms import header_of_any, read_any
from .parallel import run_parallel
from .pixels import encode_png

RECORD = 'tiling.json'
"""File in the folder of the tiles: how they were cut, and from which files."""
VERSION = 1
FOR_RASTERIO = '8-bit 2-band', '8-bit 4-band'
"""Forms of TIFFs that Pillow may be unable to open, and that a PNG can hold."""
PNG_END = b'IEND\xaeB`\x82'
"""Name and checksum of a PNG's last chunk."""


@dataclass(frozen=True)
class Job:
    """One image to cut.

    Args:
        source: the image.
        target: folder of its tiles.
        height, width: of the image, px.
        tiling: how it is cut.
        suffix: ending of the source's name that ends the tiles' names too; else the number does.
    """

    source: Path
    target: Path
    height: int
    width: int
    tiling: Tiling
    suffix: str = ''

    @property
    def tiles(self) -> dict[Path, tuple[int, int]]:
        """Return file and (top, left) of each tile."""
        corners = self.tiling.corners(self.height, self.width)
        stem = self.source.name.removesuffix(self.suffix) if self.suffix else self.source.stem
        tail = strip_suffix(self.suffix, None) or ''
        return {self.target / f'{tile_name(stem, n)}{tail}.png': corner
                for n, corner in enumerate(corners, start=1)}


@dataclass(frozen=True)
class Outcome:
    """Numbers of tiles of one image that were written, and that existed already."""

    written: int
    present: int


def tile_folder(src: str | Path, dst: str | Path, tiling: Tiling | None = None,
                folders: Sequence[str] | None = None, workers: int | None = None,
                suffixes: Sequence[str] = ()) -> str:
    """Cut every image below ``src`` into square PNG tiles below ``dst``.

    The tiles of ``src/train/A/x.tif`` are ``dst/train/A/x_1.png`` and so on,
    see :func:`~schanger_mm.utils.tiling.tile_name`. Depth, bands and
    palette stay what they are. ``dst/tiling.json`` holds the settings and the
    identity and SHA-256 of every source, so that a run that was interrupted goes on
    where it stopped, and a run that would mix two tilings is refused.

    Args:
        src: folder of images, with sub-folders; nothing is written there.
        dst: folder of the tiles: absent, empty, or of an earlier run.
        tiling: size, stride and edges; default: 256 px, side by side.
        folders: take only images below folders of these names.
        workers: number of processes; each holds one image.
        suffixes: endings of names that tell files in one folder apart, such
            as ``_pre.png`` and ``_post.png``: tiles are then ``x_1_pre.png``.

    Returns:
        A summary of what was done.

    Raises:
        FileNotFoundError: no such folder.
        FileExistsError: ``dst`` holds other things, or tiles that were cut
            differently or from other files.
        ValueError: ``dst`` is ``src`` or lies in it.
        DatasetError: no images, images smaller than a tile, unreadable ones.
    """
    src, dst, tiling = Path(src), Path(dst), tiling or Tiling()
    if not src.is_dir():
        raise MissingFileError(f'no folder {src}; expected the folder of the images to cut.')
    if dst.resolve().is_relative_to(src.resolve()):
        raise SettingError(f'{dst} is {src} or lies in it; use a folder outside it for the tiles.')
    jobs = _jobs(src, dst, tiling, folders, suffixes)
    with locked(dst):
        _record(src, dst, tiling, jobs, suffixes, workers)
        outcomes = list(run_parallel(cut, jobs, workers, 'cutting images'))
    return _summary(dst, tiling, jobs, outcomes)


def cut(job: Job) -> Outcome:
    """Write the missing tiles of one image."""
    missing = {path: corner for path, corner in job.tiles.items() if not _complete(path, job.tiling.size)}
    if missing:
        pixels = read_any(job.source)
        for path, (top, left) in missing.items():
            tile = _crop(pixels.array, top, left, job.tiling.size)
            write_atomic(path, encode_png(replace(pixels, array=tile), job.source))
    return Outcome(len(missing), len(job.tiles) - len(missing))


def _complete(path: Path, size: int) -> bool:
    """Return whether a tile is complete, up to its end mark; a truncated one is written again."""
    try:
        if not path.is_file() or read_header(str(path))[0] != (size, size):
            return False
    except DatasetError:
        return False
    with path.open('rb') as stream:
        stream.seek(-len(PNG_END), os.SEEK_END)
        return stream.read() == PNG_END


def _crop(array: np.ndarray, top: int, left: int, size: int) -> np.ndarray:
    tile = array[top:top + size, left:left + size]
    rest = [(0, size - tile.shape[0]), (0, size - tile.shape[1])] + [(0, 0)] * (array.ndim - 2)
    return np.pad(tile, rest) if any(after for _, after in rest) else tile


def _jobs(src: Path, dst: Path, tiling: Tiling, folders: Sequence[str] | None,
          suffixes: Sequence[str]) -> list[Job]:
    files = list_stems(str(src))
    if folders is not None:
        parts = {stem: PurePosixPath(stem).parent.parts for stem in files}
        there = sorted({part for names in parts.values() for part in names}, key=natural_key)
        if absent := [name for name in folders if name not in there]:
            raise DatasetError(f'{src}: no images below a folder named {first_of(absent)} (--folders); there are '
                               f'{first_of(there) or "no sub-folders with images"}.')
        files = {stem: path for stem, path in files.items() if set(parts[stem]) & set(folders)}
    jobs, small = [], []
    for stem in sorted(files, key=natural_key):
        height, width = _size(files[stem])
        jobs.append(Job(Path(files[stem]), dst / PurePosixPath(stem).parent, height, width, tiling,
                        max((suffix for suffix in suffixes if files[stem].endswith(suffix)), key=len, default='')))
        if min(height, width) < tiling.size and tiling.edges != 'pad':
            small.append(f'{files[stem]} ({width}x{height})')
    if small:
        raise DatasetError(f'{len(small)} images are smaller than a tile of {tiling.size} px: {first_of(small)}. '
                           'Choose a smaller --size, or fill the rest with zeros (--pad).')
    return jobs


def _size(path: str) -> tuple[int, int]:
    """Return height and width of an image, px.

    Raises:
        DatasetError: it cannot be read, or is a raster that no PNG can hold.
    """
    try:
        return read_header(path)[0]
    except DatasetError:
        size, form = header_of_any(path)
        if form in FOR_RASTERIO:
            return size
        raise DatasetError(
            f'{path}: expected an 8-bit image of up to four bands, found {form}. `schanger from-rasters` cuts two '
            'rasters of any bands, and polygons of the changes, into tiles.') from None


def _record(src: Path, dst: Path, tiling: Tiling, jobs: list[Job], suffixes: Sequence[str],
            workers: int | None) -> None:
    """Write what will be cut into the record, after comparing it with what an earlier run has cut.

    A source whose facts of the file system are those of the record is taken for the same; of any other one the
    content is compared, since a copied or linked folder may hold the same pixels, or others at the same time.
    """
    known = _earlier_sources(dst, tiling, suffixes)
    sources = {job.source.relative_to(src).as_posix(): _identify(job) for job in jobs}
    unsure = {name: job.source for (name, entry), job in zip(sources.items(), jobs, strict=True)
              if {**entry, 'sha256': None} != {**known.get(name, {}), 'sha256': None}}
    hashes = dict(zip(unsure, run_parallel(sha256_of, list(unsure.values()), workers, 'hashing images'), strict=True))
    for name, entry in sources.items():
        entry['sha256'] = hashes[name] if name in hashes else known[name]['sha256']
    changed = [name for name, entry in sources.items() if name in known
               and any(known[name].get(key) != entry[key] for key in ('sha256', 'tiles'))]
    if changed:
        raise ExistsError(f'{dst}: {len(changed)} sources differ from those that its tiles were cut from: '
                          f'{first_of(changed)}. Cut into another folder, or remove this one first.')
    foreign = [str(path) for job, name in zip(jobs, sources, strict=True) if name not in known
               for path in job.tiles if path.exists()]
    if foreign:
        raise ExistsError(f'{len(foreign)} files have the names of new tiles, but {dst / RECORD} does not list '
                          f'them: {first_of(foreign)}. Cut into another folder.')
    if hashes:
        settings = dict(version=VERSION, **asdict(tiling), suffixes=list(suffixes),
                        naming='<stem>_<n><suffix>.png, n from 1, row by row')
        write_atomic(dst / RECORD, as_json(dict(settings, sources=known | sources)))


def _identify(job: Job) -> dict[str, Any]:
    stat = job.source.stat()
    return dict(path=os.path.realpath(job.source), bytes=stat.st_size, mtime_ns=stat.st_mtime_ns,
                ctime_ns=stat.st_ctime_ns, inode=stat.st_ino, height=job.height, width=job.width, tiles=len(job.tiles))


def _earlier_sources(dst: Path, tiling: Tiling, suffixes: Sequence[str]) -> dict[str, dict]:
    if is_vacant(dst):
        return {}
    record = dst / RECORD
    if not record.is_file():
        raise ExistsError(f'{dst} holds other things (expected it to be absent, empty, or with a {RECORD} of an '
                          'earlier run). Nothing was changed; choose another folder.')
    try:
        content = read_table(record)
        cut_with = {key: content[key] for key in asdict(tiling)}
        sources = {name: dict(entry) for name, entry in dict(content['sources']).items()}
        named_by = list(content.get('suffixes', []))
    except (ValueError, KeyError, TypeError) as error:
        raise DatasetError(f'{record}: damaged ({error}); expected the record of an earlier run. Cut into another '
                           'folder.') from error
    if cut_with != asdict(tiling):
        raise ExistsError(f'{dst} was cut with {_words(cut_with)}, requested is {_words(asdict(tiling))}; cut '
                          'into another folder.')
    if named_by != list(suffixes):
        raise ExistsError(f'{dst} was cut with suffixes {named_by}, requested is {list(suffixes)}; cut into another '
                          'folder.')
    return sources


def _words(settings: dict) -> str:
    return ', '.join(f'{key} {value}' for key, value in settings.items())


def _summary(dst: Path, tiling: Tiling, jobs: list[Job], outcomes: list[Outcome]) -> str:
    written, present = sum(o.written for o in outcomes), sum(o.present for o in outcomes)
    if not written:
        return f'{dst}: nothing to do, all {present} tiles of {len(jobs)} images are there.'
    images, tiles = Counter(job.target for job in jobs), Counter()
    for job in jobs:
        tiles[job.target] += len(job.tiles)
    lines = [f'{folder}: {tiles[folder]} tiles of {count} images' for folder, count in images.items()]
    uneven = sum(not (tiling.fills(job.height) and tiling.fills(job.width)) for job in jobs)
    if uneven:
        lines.append(f'In {uneven} images the tiles do not fill a side; ' + {
            'shift': 'the last one of a row or column is shifted back and overlaps its neighbour.',
            'pad': 'the last one of a row or column is filled with zeros, which a label counts as unchanged.',
            'drop': 'the rest at the right or bottom is left out.'}[tiling.edges])
    there = f', {present} were there already' if present else ''
    lines.append(f'{dst}: {written} tiles of {tiling.size}x{tiling.size} px written{there}; {RECORD} says how.')
    return '\n'.join(lines)
