"""Write split lists: validation and test held out of a folder, and nested subsets of few labels."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from schanger_mm.datasets.errors import DatasetError, first_of
from schanger_mm.datasets.files import list_stems, natural_key
from schanger_mm.json_files import read_table

from .draw import count_of, group_names, look_like_tiles, rank_groups, read_percent, read_share, take
from .lists import listed_names
from .writing import as_json, refuse_existing, write_atomic

RECORD = 'split.json'
RULE = ('groups (single names without group_by) are ranked by sha256 of "<seed>:<group>"; from the lowest rank on, '
        'val takes whole groups until its count is reached, then test; train is the rest. train_P takes groups of '
        'train in the same order until P percent of its names are reached, so that a smaller subset is part of a '
        'larger one. A fraction or percentage becomes a count by rounding half up, at least 1.')


@dataclass(frozen=True)
class SplitRequest:
    """What to draw.

    Args:
        seed: of the ranking.
        val, test: a fraction (``'0.1'``) or a number of names (``'64'``); None
            holds nothing out.
        percents: sizes of the subsets of train, in percent (``'5'``).
        group_by: regular expression whose group holds names together.
    """

    seed: int = 36
    val: str | None = None
    test: str | None = None
    percents: Sequence[str] = ()
    group_by: str | None = None


def write_splits(folder: str | Path, out: str | Path, request: SplitRequest, from_list: str | Path | None = None,
                 overwrite: bool = False, command: str = '', list_split: str | None = None) -> str:
    """List the images of a folder, draw, and write one list per split.

    Lists hold one stem per line in natural order: ``val.txt``, ``test.txt``
    and ``train.txt`` where something is held out, ``train_5.txt`` for 5 %.
    ``split.json`` beside them says how they were drawn, one entry per draw.

    Args:
        folder: the images.
        out: folder of the lists.
        request: what to draw; the rule is :data:`RULE`.
        from_list: draw from the names in this list instead of all.
        overwrite: replace lists that exist.
        command: what the user typed, for ``split.json``.
        list_split: ``from_list`` is a table with lines ``name,split``; draw
            from those of this split.

    Returns:
        What was written, in words.

    Raises:
        FileNotFoundError: no such folder or list.
        FileExistsError: lists are there already.
        ValueError: a share or expression that makes no sense, or none at all.
        DatasetError: no names, names without images, or too few of them; a
            ``split.json`` of something else.
    """
    names, out = _names(Path(folder), from_list, list_split), Path(out)
    if unlike := [name for name in names if _as_read(name) != name]:
        raise DatasetError(f'{folder}: {len(unlike)} names cannot stand in a list, which has one per line, without '
                           f'spaces at its ends: {first_of([repr(name) for name in unlike])}. Rename these files.')
    lists = draw_lists(names, request)
    contents = {out / f'{name}.txt': _list_bytes(stems) for name, stems in lists.items()}
    if not overwrite:
        refuse_existing(list(contents))
    earlier = _earlier_draws(out, lists)
    draw = dict(
        command=command,
        source=Path(folder).as_posix(),
        from_list=None if from_list is None else Path(from_list).as_posix(),
        list_split=list_split,
        seed=request.seed, val=request.val, test=request.test, percents=list(request.percents),
        group_by=request.group_by,
        names=len(names),
        groups=len(group_names(names, request.group_by)),
        names_sha256=hashlib.sha256(_list_bytes(names)).hexdigest(),
        lists={f'{name}.txt': dict(names=len(stems), sha256=hashlib.sha256(_list_bytes(stems)).hexdigest())
               for name, stems in lists.items()})
    for path, data in contents.items():
        write_atomic(path, data)
    write_atomic(out / RECORD, as_json(dict(rule=RULE, draws=[*earlier, draw])))
    shares = {name: 100 * share for name, share in _held_out(request).items() if isinstance(share, Decimal)}
    shares |= _percents(request)
    lines = [f'{out / name}.txt: {_counted(stems, request)}'
             + _missed(len(stems), shares.get(name), names if name in ('val', 'test') else lists.get('train', names))
             for name, stems in lists.items()]
    return '\n'.join([f'{folder}: {_counted(names, request)}', *lines, f'{out / RECORD}: how they were drawn',
                      *_warnings(names, request, out)])


def draw_lists(names: Sequence[str], request: SplitRequest) -> dict[str, list[str]]:
    """Draw the lists by :data:`RULE`.

    Returns:
        Names in natural order, by list ('val', 'test', 'train', 'train_5').

    Raises:
        ValueError, DatasetError: see :func:`write_splits`.
    """
    shares, percents = _held_out(request), _percents(request)
    if not shares and not percents:
        raise ValueError('nothing to draw: pass --val or --test to hold names out, or --percent for subsets.')
    groups = group_names(names, request.group_by)
    rest = rank_groups(groups, request.seed)
    drawn = {}
    for name, share in shares.items():
        drawn[name] = take(rest, groups, count_of(share, len(names)))
        rest = rest[len(drawn[name]):]
        if not rest:
            raise DatasetError(f'--{name} {share}: nothing of {len(names)} names in {len(groups)} groups is left for '
                               'train; ask for fewer.')
    if shares:
        drawn['train'] = rest
    in_train = sum(len(groups[group]) for group in rest)
    for name, percent in percents.items():
        drawn[name] = take(rest, groups, count_of(percent / 100, in_train))
    return {name: sorted((stem for group in taken for stem in groups[group]), key=natural_key)
            for name, taken in drawn.items()}


def _names(folder: Path, from_list: str | Path | None, list_split: str | None) -> list[str]:
    if not folder.is_dir():
        raise FileNotFoundError(f'no folder {folder}; expected the folder with the images to list.')
    if list_split is not None and from_list is None:
        raise ValueError(f'--list-split {list_split}: needs --from-list, a table with lines name,split.')
    stems = list_stems(str(folder))
    return sorted(stems, key=natural_key) if from_list is None else listed_names(from_list, stems, folder, list_split)


def _held_out(request: SplitRequest) -> dict[str, Decimal | int]:
    return {name: read_share(share, f'--{name}')
            for name, share in (('val', request.val), ('test', request.test)) if share is not None}


def _percents(request: SplitRequest) -> dict[str, Decimal]:
    return {f'train_{percent.normalize():f}': percent for percent in map(read_percent, request.percents)}


def _counted(names: Sequence[str], request: SplitRequest) -> str:
    groups = f' in {len(group_names(names, request.group_by))} groups' if request.group_by else ''
    return f'{len(names)} names{groups}'


def _missed(count: int, percent: Decimal | None, among: Sequence[str]) -> str:
    """Say what was reached where whole groups, or at least one name, are off by more than 2 points."""
    reached = 100 * count / len(among)
    if percent is None or abs(reached - float(percent)) <= 2:
        return ''
    return f', {reached:.1f} % instead of {percent.normalize():f} %'


def _as_read(name: str) -> str:
    """What a list that holds this name and nothing else is read as."""
    (first, *rest) = [*name.lstrip('\ufeff').splitlines(), '']
    return '' if rest[1:] else first.strip().replace('\\', '/')


def _list_bytes(names: Sequence[str]) -> bytes:
    return ''.join(f'{name}\n' for name in names).encode()


def _earlier_draws(out: Path, lists: Iterable[str]) -> list[dict]:
    """What the record says of lists that this draw does not replace."""
    path = out / RECORD
    if not path.exists():
        return []
    replaced = {f'{name}.txt' for name in lists}
    try:
        draws = read_table(path)['draws']
        kept = [dict(draw, lists={name: entry for name, entry in draw['lists'].items() if name not in replaced})
                for draw in draws]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DatasetError(f'{path}: damaged, or not written by this tool ({error!r}); nothing was written. Remove '
                           'it, or write elsewhere.') from error
    return [draw for draw in kept if draw['lists']]


def _warnings(names: Sequence[str], request: SplitRequest, out: Path) -> list[str]:
    warnings = []
    held_out = request.val is not None or request.test is not None  # subsets of train may share an image
    if held_out and not request.group_by and (shared := look_like_tiles(names)):
        warnings.append(
            f'WARNING: names look like tiles of {len(shared)} common images ({first_of(shared)}). If they are, tiles '
            "of one image now stand in different lists; keep them together by --group-by '(.+)_\\d+'.")
    there = {path.name: set(path.read_text(encoding='utf-8', errors='replace').split('\n')) - {''}
             for path in sorted(out.glob('*.txt')) if path.stem in ('val', 'test') or path.stem.startswith('train')}
    for held in ('test.txt', 'val.txt'):
        held_stems = there.pop(held, set())
        for name, stems in there.items():
            if common := stems & held_stems:
                warnings.append(f'WARNING: {out / held} and {out / name} share {len(common)} names, for they come of '
                                'different draws; draw subsets of train by --from-list train.txt.')
    return warnings
