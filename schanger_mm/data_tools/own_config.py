"""Write a config for a folder of one's own pairs, after looking at them."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from schanger_mm.data_tools.class_list import OPTION, find_classes
from schanger_mm.data_tools.image_forms import ImageForm, check_bands, judge_forms, measure_scale
from schanger_mm.data_tools.layout import LABEL, MAPS, NONE, TWO_DATES, Split, find_splits
from schanger_mm.data_tools.lists import listed_names
from schanger_mm.data_tools.own_config_text import TEST, TRAIN, VAL, ImageSettings, Part, base_of, config_text
from schanger_mm.data_tools.parallel import run_parallel
from schanger_mm.data_tools.sample_check import (
    LOSSY,
    USUAL_THRESHOLD,
    SampleFacts,
    Task,
    check_sample,
    label_values,
    third_value,
)
from schanger_mm.data_tools.split import SplitRequest, write_splits
from schanger_mm.data_tools.stats import Task as StatisticsTask
from schanger_mm.data_tools.stats import mean_of_samples, sample_statistics
from schanger_mm.data_tools.tile_record import recorded_ignore, recorded_options
from schanger_mm.datasets.bands import BandReading
from schanger_mm.datasets.class_values import ClassValues
from schanger_mm.geo.scaling import Range
from schanger_mm.utils.errors import DatasetError, SettingError
from schanger_mm.utils.files import refuse_existing, write_text
from schanger_mm.utils.names import natural_key
from schanger_mm.utils.text import first_of

OTHER_NAMES = {'training': TRAIN, 'valid': VAL, 'validation': VAL, 'testing': TEST}
"""Names of splits besides those three."""
LIST_FOLDERS = ('.', 'list', 'lists', 'splits')
"""Folders below the data that may hold train.txt and val.txt."""
LOOKED_AT = 8
"""Pairs per split that are decoded."""
ENOUGH = 10
"""With fewer pairs, none are held out for a test."""


def write_own_config(root: str | Path, out: str | Path | None = None, splits: Sequence[str] | None = None,
                     folders: Mapping[str, str | None] | None = None,
                     suffixes: Mapping[str, str | None] | None = None, group_by: str | None = None,
                     overwrite: bool = False, command: str = '', classes: ClassValues | None = None) -> str:
    """Write a config that trains on the pairs of a folder.

    Where neither folders nor lists set pairs apart for validation, some are
    drawn (and, of ten or more pairs, some for a test); the lists are written
    next to the config.

    Args:
        root: the data set.
        out: the config to write; None: the folder's name with ``.py``, in the working directory.
        splits, folders, suffixes: see :func:`~schanger_mm.data_tools.layout.find_splits`.
        group_by: regular expression whose group holds names together in the draw.
        overwrite: replace the config and its lists if they exist.
        command: what the user typed, for the record of the draw.
        classes: the classes of both dates; None: the values in the class maps, if there are such.

    Returns:
        What was found, what was written and how to go on.

    Raises:
        FileNotFoundError, DatasetError: there are no pairs, some are incomplete, or a training could not read them.
        SettingError: ``out`` is not a Python file, there are neither labels nor class maps, or ``classes`` without
            class maps.
        ExistsError: the config or its lists exist.
    """
    root = Path(root)
    out = Path(out if out is not None else f'{re.sub("[^a-zA-Z0-9-]+", "_", root.resolve().name) or "own"}.py')
    if out.suffix != '.py':
        raise SettingError(f'--out {out}: expected a file that ends in .py.')
    refuse_existing(out, overwrite=overwrite)
    parts = find_parts(root, splits, folders, suffixes)
    classes = _classes(root, parts, classes)
    facts = [fact for name, part in parts.items() for fact in _look_at(name, part, classes)]
    form = _image_form(parts, facts)
    scale = None if form is None else _scale(parts, facts, form)
    ignore, cut = recorded_ignore(root), recorded_options(root)
    label = _label_settings(facts) if ignore is None else dict(label_ignore=ignore)
    drawn = ''
    if VAL not in parts:
        drawn = _draw(parts, out.with_name(f'{out.stem}_splits'), group_by, overwrite, command)
    images = None if form is None else _measured(parts[TRAIN], form, scale)
    write_text(out, config_text(out, root, parts, _findings(facts, classes), label, classes, images, cut), overwrite)
    lines = [f'{name}: {len(part.names)} pairs in {", ".join(map(str, part.split.folders.values()))}'
             for name, part in parts.items()]
    as_cut = f'the tiles were cut with {cut}: give `schanger predict` the same options' if cut else ''
    return '\n'.join([*lines, _findings(facts, classes), *filter(None, [as_cut, drawn]),
                      f'{out}: inherits {base_of(classes)}; next:',
                      f'  schanger browse {out}    # what will training see?', f'  schanger train {out}'])


def find_parts(root: Path, splits: Sequence[str] | None = None, folders: Mapping[str, str | None] | None = None,
               suffixes: Mapping[str, str | None] | None = None) -> dict[str, Part]:
    """Find the pairs for training, validation and test; the latter two may be absent.

    Raises:
        FileNotFoundError, DatasetError: see :func:`write_own_config`.
    """
    found = find_splits(root, splits, folders, suffixes=suffixes)
    if wrong := [split.name for split in found if tuple(split.images) != TWO_DATES]:
        raise DatasetError(f'{root}: {first_of(wrong)} has images of one date, and change detection needs pairs; see '
                           '`schanger config show pretrain_inria` for a pre-training on single images.')
    by_name = {OTHER_NAMES.get(split.name.lower(), split.name.lower()): split for split in found}
    if len(found) == 1 and (splits or not {VAL, TEST} & set(by_name)):
        (split, ) = found
        files = _files(split)
        lists = _find_lists(root)
        parts = {name: Part(split, files, listed_names(path, set().union(*files.values()), root, of,
                                                       list(split.suffixes.values())), path, of)
                 for name, (path, of) in lists.items()} or {TRAIN: _whole(split)}
    else:
        if TRAIN not in by_name:
            raise DatasetError(f'{root}: expected a split named {TRAIN}, found {first_of(list(by_name))}; rename one, '
                               'or pass --splits NAME to draw training and validation from it.')
        parts = {name: _whole(by_name[name]) for name in (TRAIN, VAL, TEST) if name in by_name}
    for name, part in parts.items():
        _refuse_incomplete(root, part, name == TRAIN)
    return parts


def _files(split: Split) -> dict[str, dict[str, str]]:
    return {role: split.list_files(role) for role in split.folders}


def _whole(split: Split) -> Part:
    files = _files(split)
    return Part(split, files, sorted(set().union(*files.values()), key=natural_key))


def _find_lists(root: Path) -> dict[str, tuple[Path, str | None]]:
    """Find lists train.txt and val.txt, or a table with lines ``name,split``: list and split of the table, by part."""
    found: dict[str, dict[str, tuple[Path, str | None]]] = {}
    for folder in LIST_FOLDERS:
        lists: dict[str, tuple[Path, str | None]] = {
            name: (path, None) for name in (TRAIN, VAL, TEST) if (path := root / folder / f'{name}.txt').is_file()}
        if {TRAIN, VAL} <= set(lists):
            found[str(root / folder / f'{TRAIN}.txt')] = lists
    for table in sorted(root.glob('*.csv')):
        with open(table, encoding='utf-8-sig', errors='replace', newline='') as file:
            named = {row[1].strip().casefold() for row in csv.reader(file) if len(row) == 2}
        if {TRAIN, VAL} <= named:
            found[str(table)] = {name: (table, name) for name in (TRAIN, VAL, TEST) if name in named}
    if len(found) > 1:
        raise DatasetError(f'{root}: expected one set of lists, found {first_of(list(found))}; move the others away.')
    return next(iter(found.values()), {})


def _refuse_incomplete(root: Path, part: Part, trained: bool) -> None:
    missing = [f'{part.split.folders[role]} has no {name}' for name in part.names for role, there in part.files.items()
               if name not in there]
    if missing:
        masks_only = all(name in there for role, there in part.files.items() if role != LABEL for name in part.names)
        unlabelled = (f' Pairs without a mask can be learnt from, too: `schanger split {part.split.folders["before"]} '
                      f'--labels {part.split.folders[LABEL]} --out {root / "splits"}` and docs/own_pairs.md.'
                      ) if masks_only and trained else ''
        raise DatasetError(f'{root}: {len(missing)} files are missing in {len(part.names)} pairs: '
                           f'{first_of(missing, most=3)}. Add them or remove their partners; `schanger verify {root}` '
                           f'lists all.{unlabelled}')


def _classes(root: Path, parts: Mapping[str, Part], given: ClassValues | None) -> ClassValues | None:
    """Return the classes of the class maps; None if there are no maps.

    Raises:
        DatasetError: some parts have class maps and others none, or their values are no classes.
        SettingError: neither masks nor class maps, or classes without class maps.
    """
    having = [name for name, part in parts.items() if part.split.maps]
    if having and len(having) < len(parts):
        raise DatasetError(f'{root}: {", ".join(having)} has class maps of both dates and '
                           f'{", ".join(set(parts) - set(having))} has none; add them, or pass --label-before {NONE}.')
    if not having:
        if given is not None:
            raise SettingError(f'{OPTION}: {root} has no class maps of both dates; name their folders with '
                               f'--label-before and --label-after, or omit {OPTION}.')
        if any(LABEL not in part.split.folders for part in parts.values()):
            raise SettingError(f'--label {NONE}: a training needs the masks; name their folder.')
        return None
    if given is not None:
        return given
    return find_classes([(Path(part.files[MAPS[0]][name]), Path(part.files[MAPS[1]][name])) for part in parts.values()
                         for name in part.names])


def _look_at(name: str, part: Part, classes: ClassValues | None) -> list[SampleFacts]:
    """Decode some pairs, spread over a part.

    Raises:
        DatasetError: one cannot be read, or its files do not fit together.
    """
    found = []
    for stem in part.names[::max(1, len(part.names) // LOOKED_AT)][:LOOKED_AT]:
        task = Task(name, stem, {role: Path(there[stem]) for role, there in part.files.items()}, classes=classes)
        facts = check_sample(task)
        if errors := [*facts.errors.values(), *facts.strange.values()]:
            raise DatasetError(errors[0])
        if len(set(facts.sizes.values())) > 1:
            raise DatasetError('the files of a pair have different sizes: ' + ', '.join(
                f'{task.paths[role]} is {width}x{height}' for role, (height, width) in facts.sizes.items())
                + '; cut or resample them to one grid.')
        found.append(facts)
    return found


def _image_form(parts: Mapping[str, Part], facts: Sequence[SampleFacts]) -> ImageForm | None:
    """Return the form of the images that were decoded; None for 8-bit colours.

    Raises:
        DatasetError: they have several, or one that no training reads.
    """
    form, wrong = judge_forms({parts[fact.split].files[role][fact.stem]: fact.forms[role] for fact in facts
                               for role in TWO_DATES})
    if wrong:
        raise DatasetError(wrong[0])
    return form


def _scale(parts: Mapping[str, Part], facts: Sequence[SampleFacts], form: ImageForm) -> Range | None:
    """Check the bands of all images, and return which values become 0 and 255; None for 8-bit ones.

    Raises:
        DatasetError: images have different numbers of bands, or the values are all the same.
    """
    check_bands([path for part in parts.values() for path in _images(part, part.names)], form)
    train = parts[TRAIN]
    return None if form.bytes else measure_scale(_images(train, [fact.stem for fact in facts if fact.split == TRAIN]))


def _measured(train: Part, form: ImageForm, scale: Range | None) -> ImageSettings:
    """Compute mean and standard deviation of the training images, as ``schanger stats`` does."""
    dates = []
    for role in TWO_DATES:
        tasks = [StatisticsTask(Path(train.files[role][name]), None, BandReading(scale=scale)) for name in train.names]
        found = list(run_parallel(sample_statistics, tasks, None, f'reading {role}'))
        dates.append(mean_of_samples(found, train.split.folders[role]))
    mean, std = (255 * np.concatenate([date[index] for date in dates]) for index in (0, 1))
    return ImageSettings(form, scale, mean.round(3).tolist(), std.round(3).tolist())


def _images(part: Part, names: Sequence[str]) -> list[Path]:
    return [Path(part.files[role][name]) for role in TWO_DATES for name in names]


def _label_settings(facts: Sequence[SampleFacts]) -> dict[str, int]:
    """Return the settings by which masks of these values are read; none for 0 and 1, or 0 and 255.

    Raises:
        DatasetError: the values are those of neither a lossy mask nor one with nodata.
    """
    odd = [fact for fact in facts if fact.label == LOSSY]
    if not odd:
        return {}
    values = label_values(facts)
    third = third_value(values)
    if third is not None and values[-1] == 255:
        return dict(label_ignore=third)
    if values or not any(fact.changed for fact in odd):
        raise DatasetError(f'the mask of {odd[0].name} has the values {odd[0].values}, expected 0 and 1, or 0 and '
                           '255. If they are classes, write a mask of 0 and 255 for those that count as changed.')
    return dict(label_threshold=USUAL_THRESHOLD)


def _findings(facts: Sequence[SampleFacts], classes: ClassValues | None) -> str:
    """Describe sizes, masks and classes of the pairs that were decoded, in one line."""
    sizes = sorted({size for fact in facts for size in fact.sizes.values()})
    (low, high), (narrow, wide) = ((min(sides), max(sides)) for sides in zip(*sizes))
    size = f'{narrow} x {low} px' if len(sizes) == 1 else f'{narrow} to {wide} x {low} to {high} px'
    labels = sorted({str(fact.label if fact.values is None else fact.values) for fact in facts if fact.label})
    masks = f'masks are {first_of(labels, " or ", most=3)}' if labels else ''
    maps = '' if classes is None else f'class maps have {len(classes.names)} classes'
    missing, images = sum(len(fact.nodata) for fact in facts), len(TWO_DATES) * len(facts)
    nodata = '' if not missing else (
        f'; {missing} of {images} images have pixels without data, which a training takes as values')
    return f'of {len(facts)} pairs decoded, images have {size} and {", ".join(filter(None, [masks, maps]))}{nodata}'


def _draw(parts: dict[str, Part], folder: Path, group_by: str | None, overwrite: bool, command: str) -> str:
    """Set pairs of the training apart for validation, and for a test if there is none; write the lists."""
    train = parts[TRAIN]
    if len(train.names) < 2:
        raise DatasetError(f'{train.split.folders["before"]}: expected two pairs at least, one to train and one to '
                           f'validate; found {len(train.names)}.')
    test = '0.2' if TEST not in parts and len(train.names) >= ENOUGH else None
    request = SplitRequest(val='0.1', test=test, group_by=group_by)
    said = write_splits(train.split.folders['before'], folder, request, overwrite=overwrite, command=command,
                        suffix=train.split.suffixes.get('before'))
    for name in (TRAIN, VAL, *([TEST] if test else [])):
        path = folder / f'{name}.txt'
        parts[name] = Part(train.split, train.files, listed_names(path, train.names, folder), path)
    return said
