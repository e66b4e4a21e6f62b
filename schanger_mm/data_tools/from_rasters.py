"""Cut training tiles from two rasters and polygons of the changes between them."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from schanger_mm.geo.errors import SceneError
from schanger_mm.geo.grid import Grid
from schanger_mm.geo.pair import PairSource, PairSpec, open_pair
from schanger_mm.geo.polygon_files import find_polygons
from schanger_mm.geo.raster import BANDS
from schanger_mm.utils.errors import DatasetError, SettingError
from schanger_mm.utils.files import as_json, move_into_place, write_atomic

from .change_polygons import ChangePolygons, burn, read_polygons
from .geotiff_tile import SUFFIX, TileForm
from .parallel import run_parallel
from .pixels import Pixels, encode_png
from .review import Review, Reviewed
from .spatial_split import NAMES, TRAIN, UNUSED, VAL, split_tiles
from .tile_record import RECORD, differing, is_finished, unfinished

TABLE = 'tiles.csv'
CHANGED, IGNORE = 255, 128
"""Values of the masks; 0 is unchanged. ``IGNORE`` stands where a date has no data, or nobody looked."""
FOLDERS = ('A', 'B', 'label')
PNG = '.png'
VERSION = 1


@dataclass(frozen=True)
class TileSettings:
    """How a scene is cut and split.

    Args:
        size: side of a tile, px.
        block: side of the squares of ground that are drawn for training or
            validation as a whole, px, a multiple of ``size``; None: four tiles.
        val: share of the tiles that should validate.
        seed: of the drawing.
        min_valid: least share of a tile's pixels for which both dates have
            data. Below 1, tiles may have pixels without, also beyond the right
            and bottom border; their masks say ``IGNORE`` there.

    Raises:
        ValueError: values that make no sense.
    """

    size: int = 256
    block: int | None = None
    val: float = 0.2
    seed: int = 36
    min_valid: float = 1.0

    def __post_init__(self) -> None:
        if self.size < 1:
            raise SettingError(f'--size: expected 1 or more pixels, found {self.size}')
        if self.block is not None and (self.block < self.size or self.block % self.size):
            raise SettingError(f'--block: expected a multiple of the tile size {self.size}, found {self.block}')
        if not 0 <= self.val < 1:
            raise SettingError(f'--val: expected 0 to below 1, found {self.val}')
        if not 0 < self.min_valid <= 1:
            raise SettingError(f'--min-valid: expected above 0 and at most 1, found {self.min_valid}')

    @property
    def per_block(self) -> int:
        """Return the side of a block, in tiles."""
        return 4 if self.block is None else self.block // self.size


@dataclass(frozen=True)
class Tile:
    """A tile: its place, pixels from the scene's top left, and how many of its pixels have data and have changed."""

    col: int
    row: int
    valid: int
    changed: int


@dataclass(frozen=True)
class Piece:
    """One block of a scene, for one process.

    Args:
        spec: how to open the pair.
        size: side of a tile, px.
        cols, rows: first pixels of its tiles.
        geometries: polygons of changes that meet it, in pixel coordinates of the scene.
        reviewed: where a person has looked; None: everywhere.
        targets: file stem below ``FOLDERS`` by (col, row), for the tiles to
            write; with none, the piece is surveyed only.
        form: of images that are GeoTIFFs; None: they are PNGs.
    """

    spec: PairSpec
    size: int
    cols: range
    rows: range
    geometries: np.ndarray
    reviewed: Reviewed | None = None
    targets: dict[tuple[int, int], tuple[Path, str]] | None = None
    form: TileForm | None = None


def tiles_from_rasters(spec: PairSpec, changes: str | Path, out: str | Path, settings: TileSettings | None = None,
                       layer: str | None = None, workers: int | None = None, review: Review | None = None) -> str:
    """Write ``out/{train,val}/{A,B,label}``: tiles of both dates, and masks of 0 and 255.

    Tiles of three bands are 8-bit PNGs. Those of any other number are GeoTIFFs in the type of the rasters, or scaled to
    8 bits if ``spec`` has a scaling.

    Tiles lie side by side from the top left. ``out/tiles.csv`` has a line for
    each with its split, corner, counts of pixels and transform to the ground;
    ``out/tiles.json`` the settings, the inputs with their fingerprints and the
    counts. Pixels without data get the mean of their tile and date, as in
    prediction. Everything is made in a folder ``.NAME.partial`` next to ``out``
    that takes its name when complete; run again, an interrupted run continues.

    Args:
        spec: the two rasters.
        changes: polygons, see
            :func:`~schanger_mm.data_tools.change_polygons.read_polygons`.
        out: folder to make; absent or empty.
        settings: how to cut and split.
        layer: of ``changes``, where it has several.
        workers: processes; each holds one row of tiles of a block.
        review: take only the polygons that a person has marked, and the ground around them; the masks say ``IGNORE``
            everywhere else, and tiles without such ground are left out, whatever ``min_valid`` says.

    Returns:
        A summary of what was done.

    Raises:
        FileExistsError: ``out`` holds other things, or an interrupted run
            had other settings or inputs.
        SceneError, DatasetError, ValueError: mistakes in the inputs.
    """
    settings, out = settings or TileSettings(), Path(out)
    spec = replace(spec, stored=spec.count != BANDS and spec.scaling is None)
    with open_pair(spec) as source:
        grid, spec, states, form = source.grid, source.spec, source.file_states(), TileForm.of(source)
        request = _request(source, changes, layer, settings, review)
    if is_finished(out, request):
        return f'{out}: nothing to do, its tiles were cut from these files with these settings.'
    polygons = read_polygons(changes, grid, layer) if review is None else review.read(changes, grid, layer)
    partial = unfinished(out, request)
    pieces = [replace(piece, form=form) for piece in _pieces(spec, grid, settings, polygons)]
    tiles = {(t.col, t.row): t for found in run_parallel(survey, pieces, workers, 'looking for data') for t in found}
    split = _split(tiles, grid, settings, review)
    write_atomic(partial / RECORD, as_json(request))
    names = {corner: _name(spec, grid, *corner) for corner in tiles}
    written = [replace(p, targets={
        (col, row): (partial / NAMES[split[col, row]], names[col, row]) for col in p.cols for row in p.rows
        if split[col, row] in (TRAIN, VAL)}) for p in pieces]
    for _ in run_parallel(write, [piece for piece in written if piece.targets], workers, 'writing tiles'):
        pass
    counts = _counts(tiles, split, settings.size)
    write_atomic(partial / TABLE, _table(tiles, split, names, grid))
    write_atomic(partial / RECORD, as_json(dict(request, polygons=dict(read=polygons.count, notes=polygons.notes),
                                                counts=counts)))
    _refuse_changed(spec, states, request, changes, layer, settings, review, partial)
    move_into_place(partial, out)
    return _summary(out, counts, polygons, settings, review, form)


def survey(piece: Piece) -> list[Tile]:
    """Count the pixels that a mask says something about, and those that changed, of each tile of a block."""
    return [Tile(col, row, int(known.sum()), int((mask & known).sum()))
            for col, row, _, _, known, mask in _cut(piece, None)]


def write(piece: Piece) -> int:
    """Write the chosen tiles of a block that are not there yet; return their number."""
    form, image = piece.form, PNG if piece.form is None else SUFFIX
    missing = {corner: [folder / kind / f'{stem}{suffix}' for kind, suffix in zip(FOLDERS, (image, image, PNG))]
               for corner, (folder, stem) in piece.targets.items()}
    missing = {corner: paths for corner, paths in missing.items() if not all(path.is_file() for path in paths)}
    for col, row, images, valid, known, mask in _cut(piece, {row for _, row in missing}):
        if (col, row) not in missing:
            continue
        label = np.where(known, np.where(mask, CHANGED, 0), IGNORE).astype(np.uint8)
        *paths, mask_path = missing[col, row]
        for date, (path, image) in enumerate(zip(paths, images)):
            array = _as_pixels(image, valid, 'uint8' if form is None else form.dtype)
            write_atomic(path, encode_png(Pixels(array.transpose(1, 2, 0), '8-bit'), path) if form is None else
                         form.encode(array, date, col, row))
        write_atomic(mask_path, encode_png(Pixels(label, '8-bit'), mask_path))
    return len(missing)


def _cut(piece: Piece, rows: set[int] | None) -> Iterator[tuple]:
    """Yield (col, row, images, valid, known, mask) of each tile in the given rows of tiles, one strip in memory."""
    size = piece.size
    try:
        with open_pair(piece.spec) as source:
            for row in piece.rows if rows is None else sorted(rows):
                left, width = piece.cols[0], len(piece.cols) * size
                window = source.read(left, row, width, size)
                mask = burn(piece.geometries, left, row, width, size)
                known = window.valid
                if piece.reviewed is not None:
                    known = known & piece.reviewed.burn(left, row, width, size)
                for col in piece.cols:
                    part = slice(col - left, col - left + size)
                    yield col, row, window.images[..., part], window.valid[:, part], known[:, part], mask[:, part]
    except SceneError as error:
        raise DatasetError(str(error)) from error  # what run_parallel carries from process to process


def _as_pixels(image: np.ndarray, valid: np.ndarray, dtype: str) -> np.ndarray:
    """Convert (C, h, w) to a type; pixels without data get the mean of the others."""
    if not valid.all():
        image = np.where(valid, image, image[:, valid].mean(axis=1)[:, None, None])
    if dtype == 'uint8':
        image = image.clip(0, 255)
    return (image if np.dtype(dtype).kind == 'f' else np.rint(image)).astype(dtype)


def _pieces(spec: PairSpec, grid: Grid, settings: TileSettings,
            polygons: ChangePolygons | Reviewed) -> Iterator[Piece]:
    step = settings.per_block * settings.size
    for top in range(0, grid.height, step):
        for left in range(0, grid.width, step):
            cols = range(left, min(left + step, grid.width), settings.size)
            rows = range(top, min(top + step, grid.height), settings.size)
            if isinstance(polygons, Reviewed):
                here = polygons.around(left, top, step, step)
                yield Piece(spec, settings.size, cols, rows, here.changed, here)
            else:
                yield Piece(spec, settings.size, cols, rows, polygons.within(left, top, step, step))


def _split(tiles: dict[tuple[int, int], Tile], grid: Grid, settings: TileSettings,
           review: Review | None) -> dict[tuple[int, int], int]:
    size = settings.size
    least = 1 if review else settings.min_valid * size ** 2
    usable = np.zeros((-(-grid.height // size), -(-grid.width // size)), bool)
    for tile in tiles.values():
        usable[tile.row // size, tile.col // size] = tile.valid >= least
    if review and not usable.any():
        raise SceneError('both dates have no data at any polygon that was marked; do the polygons belong to these '
                         'rasters?')
    if not usable.any():
        best = max(tile.valid for tile in tiles.values()) / size ** 2
        raise SceneError(f'no tile of {size} px has data of both dates on {settings.min_valid:.0%} of its pixels (the '
                         f'best: {best:.1%}); choose a smaller --size, or a lower --min-valid, which marks '
                         f'pixels without data {IGNORE} in the masks.')
    kinds = split_tiles(usable, settings.per_block, settings.val, settings.seed)
    return {(col, row): int(kinds[row // size, col // size]) for col, row in tiles}


def _name(spec: PairSpec, grid: Grid, col: int, row: int) -> str:
    digits = len(str(max(grid.width, grid.height)))
    return f'{Path(spec.before).stem}_r{row:0{digits}}_c{col:0{digits}}'


def _request(source: PairSource, changes: str | Path, layer: str | None, settings: TileSettings,
             review: Review | None) -> dict:
    grid, content = source.grid, find_polygons(changes, layer).sha256()
    request = dict(version=VERSION, changes=dict(file=str(changes), layer=layer, sha256=content),
                   rasters=source.content(), reading=source.spec.as_dict(),
                   grid=dict(asdict(grid), ground_sampling_distance=grid.gsd),
                   settings=dict(asdict(settings), block=settings.per_block * settings.size),
                   mask_values=dict(unchanged=0, changed=CHANGED, ignore=IGNORE),
                   review=None if review is None else asdict(review))
    if (form := TileForm.of(source)) is not None:
        request['tiles'] = form.describe()
    return json.loads(as_json(request))  # as it will be read again: lists for tuples


def _refuse_changed(spec: PairSpec, states: dict[str, tuple], request: dict, changes: str | Path, layer: str | None,
                    settings: TileSettings, review: Review | None, partial: Path) -> None:
    """Reject tiles of files that were modified while they were cut."""
    with open_pair(spec) as source:
        if states and source.file_states() == states and (
                find_polygons(changes, layer).sha256() == request['changes']['sha256']):
            return
        now = _request(source, changes, layer, settings, review)
    if different := [key for key, value in request.items() if now[key] != value]:
        facts = '; '.join(f'{key}: {differing(request[key], now[key])}' for key in different)
        raise DatasetError(f'an input changed while tiles were cut from it, in {facts}. Nothing was published; remove '
                           f'{partial} and run again.')


def _counts(tiles: dict, split: dict, size: int) -> dict[str, dict]:
    counts = {}
    for kind, name in enumerate(NAMES):
        these = [tile for corner, tile in tiles.items() if split[corner] == kind]
        valid, changed = sum(t.valid for t in these), sum(t.changed for t in these)
        counts[name] = dict(tiles=len(these), ignored_pixels=len(these) * size ** 2 - valid, changed_pixels=changed,
                            changed_share=changed / valid if valid else None)
    return counts


def _table(tiles: dict, split: dict, names: dict, grid: Grid) -> bytes:
    text = io.StringIO(newline='')
    rows = csv.writer(text, lineterminator='\n')
    rows.writerow(('name', 'split', 'col', 'row', 'valid', 'changed', *'abcdef'))
    a, b, c, d, e, f = grid.transform
    for corner in sorted(tiles, key=lambda corner: corner[::-1]):
        (col, row), tile = corner, tiles[corner]
        place = (a, b, c + a * col + b * row, d, e, f + d * col + e * row)
        rows.writerow((names[corner], NAMES[split[corner]], col, row, tile.valid, tile.changed, *map(repr, place)))
    return text.getvalue().encode()


def _summary(out: Path, counts: dict[str, dict], polygons: ChangePolygons | Reviewed, settings: TileSettings,
             review: Review | None, form: TileForm | None) -> str:
    lines: list[str] = list(polygons.notes)
    wanted: Sequence[str] = ('train', 'val') if settings.val else ('train',)
    for name in wanted:
        count = counts[name]
        among = 'reviewed pixels' if review else 'pixels'
        lines.append(f'{out / name}: {count["tiles"]} tiles, {count["changed_share"]:.2%} of their {among} changed')
        if not count['changed_pixels']:
            lines.append(f'WARNING: nothing changed in {name}; another --seed draws other blocks, a smaller --block '
                         'mixes finer.')
    if counts['guard']['tiles']:
        lines.append(f'{counts["guard"]["tiles"]} tiles between the two were left out, so that none touches the other '
                     'side.')
    if (unused := counts[NAMES[UNUSED]]['tiles']) and not review:
        lines.append(f'{unused} tiles have data of both dates on less than {settings.min_valid:.0%} of their pixels '
                     'and were left out (--min-valid).')
    if any(counts[name]['ignored_pixels'] for name in wanted):
        where = 'nobody looked, and where ' if review else ''
        lines.append(f'Masks have the value {IGNORE} where {where}a date has no data: set label_ignore={IGNORE} in '
                     'every dataset of the config.')
    if form is not None:
        lines.append(form.advice())
    lines.append(f'{out / RECORD} and {TABLE} say how and where.')
    return '\n'.join(lines)
