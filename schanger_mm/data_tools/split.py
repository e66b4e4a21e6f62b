"""Write split lists: hold out validation and test, draw few-label subsets, part labelled from unlabelled pairs."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from schanger_mm.utils.errors import DatasetError, MissingFileError, SettingError
from schanger_mm.utils.files import as_json, read_table, refuse_existing, write_atomic
from schanger_mm.utils.names import list_stems, natural_key, strip_suffix
from schanger_mm.utils.text import first_of

from .draw import count_of, group_names, look_like_tiles, rank_groups, read_percent, read_share, take
from .lists import listed_names

RECORD = 'split.json'
RULE = ('groups (single names without group_by) are ranked by sha256 of "<seed>:<group>"; from the lowest rank on, '
        'val takes whole groups until its count is reached, then test; train is the rest. train_P takes groups of '
        'train in the same order until P percent of its names are reached, so that a smaller subset is part of a '
        'larger one. A fraction or percentage becomes a count by rounding half up, at least 1. With a folder of '
        'labels, val and test take names with labels only, counts and fractions are of these, and the other names of '
        'their groups are in no list. labelled holds the names of train with labels (the first of them up to its '
        'count, where one is given), unlabelled all others of train.')


@dataclass(frozen=True)
class SplitRequest:
    """What to draw.

    Args:
        seed: of the ranking.
        val, test: a fraction (``'0.1'``) or a number of names (``'64'``); None
            holds nothing out.
        percents: sizes of the subsets of train, in percent (``'5'``).
        group_by: regular expression whose group holds names together.
        labelled: a fraction or a number of the names of train that keep
            their labels; the rest of train is unlabelled. None: all that have one, if a folder of labels is given.
    """

    seed: int = 36
    val: str | None = None
    test: str | None = None
    percents: Sequence[str] = ()
    group_by: str | None = None
    labelled: str | None = None


def write_splits(folder: str | Path, out: str | Path, request: SplitRequest, from_list: str | Path | None = None,
                 overwrite: bool = False, command: str = '', list_split: str | None = None,
                 suffix: str | None = None, labels: str | Path | None = None, label_suffix: str | None = None) -> str:
    """List the images of a folder, draw, and write one list per split.

    Lists hold one stem per line in natural order: ``val.txt``, ``test.txt``
    and ``train.txt`` where something is held out, ``train_5.txt`` for 5 %; ``labelled.txt``
    and ``unlabelled.txt`` for semi-supervised training.
    ``split.json`` next to them says how they were drawn, one entry per draw.

    Args:
        folder: the images.
        out: folder of the lists.
        request: what to draw; the rule is :data:`RULE`.
        from_list: draw from the names in this list instead of all.
        overwrite: replace lists that exist.
        command: what the user typed, for ``split.json``.
        list_split: ``from_list`` is a table with lines ``name,split``; draw
            from those of this split.
        suffix: ending of the files, such as ``_pre.png``, which is no part of
            a name; None takes any image.
        labels: folder of the labels that exist; names without a file there are unlabelled.
        label_suffix: ending of those files, if it is not that of an image.

    Returns:
        A summary of what was written.

    Raises:
        FileNotFoundError: no such folder or list.
        FileExistsError: lists are there already.
        ValueError: a share or expression that makes no sense, or none at all.
        DatasetError: no names, names without images, or too few of them; a
            ``split.json`` of something else.
    """
    names, out = _names(Path(folder), from_list, list_split, suffix), Path(out)
    if unlike := [name for name in names if _as_read(name) != name]:
        raise DatasetError(f'{folder}: {len(unlike)} names cannot be in a list, which has one per line, without '
                           f'spaces at its ends: {first_of([repr(name) for name in unlike])}. Rename these files.')
    known = None if labels is None else _labels(Path(labels), names, label_suffix)
    lists = draw_lists(names, request, known)
    contents = {out / f'{name}.txt': _list_bytes(stems) for name, stems in lists.items()}
    if not overwrite:
        refuse_existing(*contents)
    earlier = _earlier_draws(out, lists)
    draw = dict(
        command=command,
        source=Path(folder).as_posix(),
        from_list=None if from_list is None else Path(from_list).as_posix(),
        list_split=list_split,
        suffix=suffix,
        seed=request.seed, val=request.val, test=request.test, percents=list(request.percents),
        group_by=request.group_by,
        labels=None if labels is None else Path(labels).as_posix(),
        labelled=request.labelled,
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
             + _missed(len(stems), shares.get(name),
                       known or names if name in ('val', 'test') else lists.get('train', names))
             for name, stems in lists.items()]
    return '\n'.join([f'{folder}: {_counted(names, request)}', *lines, f'{out / RECORD}: how they were drawn',
                      *_warnings(names, request, out)])


def draw_lists(names: Sequence[str], request: SplitRequest,
               with_labels: Collection[str] | None = None) -> dict[str, list[str]]:
    """Draw the lists by :data:`RULE`.

    Args:
        names: all names.
        request: what to draw.
        with_labels: names that have a label; None: all of them, as far as it matters.

    Returns:
        Names in natural order, by list ('val', 'test', 'train', 'train_5', 'labelled', 'unlabelled').

    Raises:
        ValueError, DatasetError: see :func:`write_splits`.
    """
    shares, percents = _held_out(request), _percents(request)
    parts_labels = with_labels is not None or request.labelled is not None
    if not shares and not percents and not parts_labels:
        raise SettingError('nothing to draw: pass --val or --test to hold names out, --percent for subsets, or '
                           '--labels or --labelled to part labelled from unlabelled names.')
    if percents and parts_labels:
        raise SettingError('--percent together with --labels or --labelled: draw the labelled part with --labelled, '
                           'whose rest is the unlabelled part.')
    groups = group_names(names, request.group_by)
    usable = groups if with_labels is None else _only(groups, with_labels)
    rest = rank_groups(groups, request.seed)
    drawn = {}
    for name, share in shares.items():
        taken = take([group for group in rest if group in usable], usable,
                     count_of(share, sum(map(len, usable.values()))))
        drawn[name] = _stems(taken, usable)
        rest = [group for group in rest if group not in set(taken)]
        if not rest:
            raise DatasetError(f'--{name} {share}: nothing of {len(names)} names in {len(groups)} groups is left for '
                               'train; ask for fewer.')
    if shares:
        drawn['train'] = _stems(rest, groups)
    in_train = sum(len(groups[group]) for group in rest)
    for name, percent in percents.items():
        drawn[name] = _stems(take(rest, groups, count_of(percent / 100, in_train)), groups)
    if parts_labels:
        drawn.update(_parted([group for group in rest if group in usable], usable, _stems(rest, groups), request))
    return drawn


def _parted(ranked: Sequence[str], usable: Mapping[str, list[str]], train: list[str],
            request: SplitRequest) -> dict[str, list[str]]:
    """Part train into names whose labels are used, and all others."""
    count = sum(len(usable[group]) for group in ranked)
    share = count if request.labelled is None else read_share(request.labelled, '--labelled')
    labelled = _stems(take(ranked, usable, share if isinstance(share, int) else count_of(share, count)), usable)
    unlabelled = sorted(set(train) - set(labelled), key=natural_key)
    if not labelled or not unlabelled:
        raise DatasetError(f'of {len(train)} names for training, {len(labelled)} are labelled and {len(unlabelled)} '
                           'unlabelled; expected one of each or more. '
                           + ('Ask for fewer with --labelled.' if labelled else 'Hold fewer out, or label more.'))
    return dict(labelled=labelled, unlabelled=unlabelled)


def _only(groups: Mapping[str, list[str]], names: Collection[str]) -> dict[str, list[str]]:
    """Return the groups reduced to some names, those without any left out."""
    known = set(names)
    reduced = {group: [stem for stem in stems if stem in known] for group, stems in groups.items()}
    return {group: stems for group, stems in reduced.items() if stems}


def _stems(taken: Iterable[str], groups: Mapping[str, list[str]]) -> list[str]:
    return sorted((stem for group in taken for stem in groups[group]), key=natural_key)


def _labels(folder: Path, names: Sequence[str], suffix: str | None) -> list[str]:
    """Return the names that have a label."""
    if not folder.is_dir():
        raise MissingFileError(f'--labels: no folder {folder}; expected the folder with the labels that exist.')
    stems = list_stems(str(folder), suffix)
    found = [name for name in names if name in stems]
    if not found:
        raise DatasetError(f'--labels {folder}: none of its {len(stems)} files belongs to an image; the images are '
                           f'{first_of(list(names), most=3)}, the labels {first_of(sorted(stems), most=3)}. Labels and '
                           'images of one pair have one name up to the suffix (--label-suffix).')
    return found


def _names(folder: Path, from_list: str | Path | None, list_split: str | None, suffix: str | None) -> list[str]:
    if not folder.is_dir():
        raise MissingFileError(f'no folder {folder}; expected the folder with the images to list.')
    if list_split is not None and from_list is None:
        raise SettingError(f'--list-split {list_split}: needs --from-list, a table with lines name,split.')
    stems = list_stems(str(folder), suffix)
    if from_list is None:
        return sorted(stems, key=natural_key)
    return listed_names(from_list, stems, folder, list_split, [suffix] if suffix else [])


def _held_out(request: SplitRequest) -> dict[str, Decimal | int]:
    return {name: read_share(share, f'--{name}')
            for name, share in (('val', request.val), ('test', request.test)) if share is not None}


def _percents(request: SplitRequest) -> dict[str, Decimal]:
    return {f'train_{percent.normalize():f}': percent for percent in map(read_percent, request.percents)}


def _counted(names: Sequence[str], request: SplitRequest) -> str:
    groups = f' in {len(group_names(names, request.group_by))} groups' if request.group_by else ''
    return f'{len(names)} names{groups}'


def _missed(count: int, percent: Decimal | None, among: Sequence[str]) -> str:
    """Report the actual share if whole groups, or at least one name, miss the target by more than 2 points."""
    reached = 100 * count / len(among)
    if percent is None or abs(reached - float(percent)) <= 2:
        return ''
    return f', {reached:.1f} % instead of {percent.normalize():f} %'


def _as_read(name: str) -> str:
    """Return what is read from a list that holds only this name."""
    (first, *rest) = [*name.lstrip('\ufeff').splitlines(), '']
    return '' if rest[1:] else first.strip().replace('\\', '/')


def _list_bytes(names: Sequence[str]) -> bytes:
    return ''.join(f'{name}\n' for name in names).encode()


def _earlier_draws(out: Path, lists: Iterable[str]) -> list[dict]:
    """Return what the record says about lists that this draw does not replace."""
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
            "of one image are now in different lists; keep them together with --group-by '(.+)_\\d+'.")
    there = {path.name: {strip_suffix(line, None) or line
                         for line in path.read_text(encoding='utf-8', errors='replace').split('\n')} - {''}
             for path in sorted(out.glob('*.txt'))
             if path.stem in ('val', 'test', 'labelled', 'unlabelled') or path.stem.startswith('train')}
    for held in ('test.txt', 'val.txt'):
        held_stems = there.pop(held, set())
        for name, stems in there.items():
            if common := stems & held_stems:
                warnings.append(f'WARNING: {out / held} and {out / name} share {len(common)} names, because they come '
                                'from different draws; draw subsets of train with --from-list train.txt.')
    return warnings
