"""Find the splits of a data set and the folders in them, under the names of the published archives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from schanger_mm.utils.errors import DatasetError, MissingFileError
from schanger_mm.utils.names import is_leftover, list_stems, natural_key
from schanger_mm.utils.text import first_of

PAIRS = (('A', 'B'), ('Image1', 'Image2'), ('time1', 'time2'), ('t1', 't2'), ('im1', 'im2'))
IMAGES = (('images',), ('image',), ('img',))
LABELS = ('label', 'OUT', 'labels', 'mask', 'masks', 'gt')
CLASS_MAPS = (('label_a', 'label_b'), ('labelA', 'labelB'), ('label1', 'label2'))
LABEL, NONE = 'label', 'none'
MAPS = ('label_before', 'label_after')
"""Roles of the class maps of both dates."""
TWO_DATES, ONE_DATE = ('before', 'after'), ('image',)
_FIRST = ('train', 'val', 'test')


@dataclass(frozen=True)
class Split:
    """One split: its name, and its folders by role.

    Roles are 'before' and 'after', or 'image', 'label' if there is one, and
    'label_before' and 'label_after' if both dates have class maps.
    ``suffixes`` are endings of files by role; without one, any image.
    """

    name: str
    folders: dict[str, Path]
    suffixes: dict[str, str] = field(default_factory=dict)

    @property
    def images(self) -> dict[str, Path]:
        """Return the folders without the labels and class maps."""
        return {role: folder for role, folder in self.folders.items() if role not in (LABEL, *MAPS)}

    @property
    def maps(self) -> dict[str, Path]:
        """Return the folders of the class maps of both dates; empty if there are none."""
        return {role: folder for role, folder in self.folders.items() if role in MAPS}

    def list_files(self, role: str) -> dict[str, str]:
        """Map stem to path for the files of a role, see :func:`~schanger_mm.utils.names.list_stems`."""
        return list_stems(str(self.folders[role]), self.suffixes.get(role))


def find_splits(root: str | Path, names: Sequence[str] | None = None, given: Mapping[str, str | None] | None = None,
                single: bool = False, suffixes: Mapping[str, str | None] | None = None) -> list[Split]:
    """Find the folders of images and labels below ``root``.

    Args:
        root: the data set as unpacked.
        names: sub-folders that are splits; ``['none']`` for ``root`` itself;
            None looks for them: ``root`` if it holds the folders, otherwise
            each sub-folder that does.
        given: folder names by role ('before', 'after', 'image', 'label',
            'label_before', 'label_after') where they are not those of a
            published archive; ``label='none'`` for no labels,
            ``label_before='none'`` for no class maps.
        single: images of one date; False takes these only where there are no
            pairs.
        suffixes: endings of files by role, such as ``before='_pre.png'``,
            where they are not suffixes of images; dates in one folder need
            them. Class maps have that of 'label'.

    Returns:
        The splits: train, val, test, then others in natural order.

    Raises:
        FileNotFoundError: no such folder.
        DatasetError: the folders cannot be found, or not without doubt.
    """
    splits = _find(Path(root), names, given, single)
    endings = {role: suffix for role, suffix in (suffixes or {}).items() if suffix is not None}
    if LABEL in endings and any(split.maps for split in splits):
        endings |= dict.fromkeys(MAPS, endings[LABEL])
    for split in splits:
        files = [(folder, endings.get(role)) for role, folder in split.images.items()]
        if len(set(files)) < len(files):
            raise DatasetError(f'{files[0][0]}: both dates are the files of this folder; give each date its own ending '
                               'by --before-suffix and --after-suffix.')
    return [replace(split, suffixes=endings) for split in splits]


def _find(root: Path, names: Sequence[str] | None, given: Mapping[str, str | None] | None,
          single: bool) -> list[Split]:
    if not root.is_dir():
        raise MissingFileError(f'no folder {root}; expected the folder of a data set.')
    wanted = {role: name for role, name in (given or {}).items() if name is not None}
    if len(wanted.keys() & set(TWO_DATES)) == 1:
        absent, = set(TWO_DATES) - wanted.keys()
        raise DatasetError(f'--{absent} is missing: name the folders of both dates, or none of them.')
    roles = _roles(root, names, wanted, single)
    if names == [NONE]:
        return [_split(root.resolve().name, root, _images(root, roles, wanted), wanted, roles)]
    if names is not None:
        missing = [str(root / name) for name in names if not (root / name).is_dir()]
        if missing:
            raise MissingFileError(f'no folder {first_of(missing)}; {_has(root)}. Name the splits with --splits, or '
                                   'pass `--splits none` if there are none.')
        return [_split(name, root / name, _images(root / name, roles, wanted), wanted, roles) for name in names]
    here = _images(root, roles, wanted)
    below = {path.name: images for path in _sub_folders(root) if (images := _images(path, roles, wanted))}
    if here and below:
        raise DatasetError(f'{root}: both it and {first_of(list(below))} in it contain images; choose with --splits '
                           '(`--splits none` for the folder itself).')
    if here:
        return [_split(root.resolve().name, root, here, wanted, roles)]
    if not below:
        raise DatasetError(_not_found(root, roles, wanted))
    order = [name for name in _FIRST if name in below] + [name for name in below if name not in _FIRST]
    return [_split(name, root / name, below[name], wanted, roles) for name in order]


def _roles(root: Path, names: Sequence[str] | None, wanted: Mapping[str, str], single: bool) -> tuple[str, ...]:
    """Return the roles of the images: those of pairs, unless single images are requested or nothing else exists."""
    if single:
        return ONE_DATE
    named = [root / name for name in names or [] if name != NONE and (root / name).is_dir()]
    places = named or [root, *_sub_folders(root)]
    pairs = 'before' in wanted or any(_images(place, TWO_DATES, wanted) for place in places)
    return ONE_DATE if not pairs and any(_images(place, ONE_DATE, wanted) for place in places) else TWO_DATES


def _images(folder: Path, roles: tuple[str, ...], wanted: Mapping[str, str]) -> dict[str, Path]:
    """Return the image folders by role; empty if one is missing."""
    if roles[0] in wanted:
        paths = {role: folder / wanted[role] for role in roles}
        return paths if all(path.is_dir() for path in paths.values()) else {}
    there = {path.name.lower(): path for path in _sub_folders(folder)}
    for option in IMAGES if roles == ONE_DATE else PAIRS:
        if all(name.lower() in there for name in option):
            return {role: there[name.lower()] for role, name in zip(roles, option, strict=True)}
    return {}


def _split(name: str, folder: Path, images: dict[str, Path], wanted: Mapping[str, str],
           roles: tuple[str, ...]) -> Split:
    if not images:
        raise DatasetError(_not_found(folder, roles, wanted))
    maps = {} if roles == ONE_DATE else _class_maps(folder, wanted)
    if wanted.get(LABEL) == NONE:
        return Split(name, images | maps)
    there = {path.name.lower(): path for path in _sub_folders(folder) if path not in (images | maps).values()}
    if LABEL in wanted:
        found = [folder / wanted[LABEL]] if (folder / wanted[LABEL]).is_dir() else []
    else:
        found = [there[option.lower()] for option in LABELS if option.lower() in there]
    if maps and not found and LABEL not in wanted:  # changes are where the classes differ
        return Split(name, images | maps)
    if len(found) != 1:
        what = f'found {" and ".join(path.name for path in found)}' if found else _has(folder)
        raise DatasetError(f'{folder}: expected one folder of labels ({_options(wanted.get(LABEL), LABELS)}), {what}. '
                           f'Name it with --label (`--label {NONE}` for no labels).')
    return Split(name, dict(images, **{LABEL: found[0]}, **maps))


def _class_maps(folder: Path, wanted: Mapping[str, str]) -> dict[str, Path]:
    """Return the folders of the class maps of both dates by role; empty if there are none.

    Raises:
        DatasetError: one date has a folder and the other none.
    """
    named = {role: wanted[role] for role in MAPS if role in wanted}
    if NONE in named.values():
        return {}
    if named:
        found = {role: folder / name for role, name in named.items() if (folder / name).is_dir()}
        expected = [' and '.join(named.get(role, f'--{role.replace("_", "-")} NAME') for role in MAPS)]
    else:
        there = {path.name.lower(): path for path in _sub_folders(folder)}
        options = [{role: there[name.lower()] for role, name in zip(MAPS, option, strict=True) if name.lower() in there}
                   for option in CLASS_MAPS]
        found = max(options, key=len)
        expected = [' and '.join(option) for option in CLASS_MAPS]
    if len(found) == 2 or not (found or named):
        return found
    what = f'found {" and ".join(path.name for path in found.values())}' if found else _has(folder)
    raise DatasetError(f'{folder}: expected the class maps of both dates ({", or ".join(expected)}), {what}. Name them '
                       f'with --label-before and --label-after (`--label-before {NONE}` for no class maps).')


def _not_found(folder: Path, roles: tuple[str, ...], wanted: Mapping[str, str]) -> str:
    known = IMAGES if roles == ONE_DATE else PAIRS
    options = ' and '.join(wanted[role] for role in roles) if roles[0] in wanted else \
        ', or '.join(' and '.join(option) for option in known)
    other = '' if roles == ONE_DATE else ', or of images of one date with --image'
    return (f'{folder}: expected the folders {options}, in it or in its splits; {_has(folder)}. '
            f'Name them with {" and ".join(f"--{role}" for role in roles)}{other}.')


def _options(name: str | None, known: Sequence[str]) -> str:
    return name if name is not None else ', '.join(known)


def _has(folder: Path) -> str:
    names = [path.name for path in _sub_folders(folder)]
    return f'it has the sub-folders {first_of(names)}' if names else 'it has no sub-folders'


def _sub_folders(folder: Path) -> list[Path]:
    found = (path for path in folder.iterdir() if path.is_dir() and not is_leftover(path.name))
    return sorted(found, key=lambda path: natural_key(path.name))
