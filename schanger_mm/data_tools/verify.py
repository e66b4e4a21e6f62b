"""Check a data set after unpacking: decode every file, compare every pair and split."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from schanger_mm.datasets.class_values import ClassValues
from schanger_mm.datasets.reading import COLOUR
from schanger_mm.utils.errors import DatasetError, SettingError
from schanger_mm.utils.names import natural_key

from .class_list import OPTION, find_classes
from .duplicates import find_duplicates
from .image_forms import judge_forms
from .layout import LABEL, MAPS, Split, find_splits
from .lists import listed_names, splits_of_lists
from .parallel import run_parallel
from .sample_check import (
    LOSSY,
    USUAL_THRESHOLD,
    SampleFacts,
    Task,
    check_label_options,
    check_sample,
    label_values,
    third_value,
)

STRIDE = 16
"""Sides that are not multiples of it are padded by the software."""

PROBLEMS = {
    'folders': 'folders cannot be listed',
    'unpaired': 'files without a partner of the same stem',
    'unreadable': 'files are corrupt or cannot be used',
    'sizes': 'samples have files of different size (width x height)',
    'form': f'images are not {COLOUR}',
    'mixed': 'images have another form than most',
    'lossy': f'LOSSY labels (values other than 0/1 or 0/255): they need `label_threshold={USUAL_THRESHOLD}` in the '
             'dataset of the config, or, where the values are classes, a binary mask of each',
    'third': 'labels hold a third value: if it is nodata, set `label_ignore` to it (--ignore here), not '
             '`label_threshold`; if it is a class, write a binary mask of each',
    'lost': 'labels lose every positive pixel by the threshold: set `label_threshold=None` in the dataset of the '
            'config',
    'classes': f'class maps hold values that are not in the list of classes ({OPTION})',
    'no_classes': 'lists of classes cannot be made',
    'leak': 'groups of samples in different splits have the same pixels, at both dates or at one',
}
"""Problems that make a data set fail, as text that follows a count."""

NOTES = {
    'bands': 'form of all images for which the config needs settings (`schanger config new` writes them)',
    'nodata': 'images have pixels without data, which a training takes as values (mask them by `label_ignore`)',
    'one_date': 'classes are at one date only',
    'half': 'splits have class maps with a class at one date only in some pixels, which training ignores',
    'contradiction': 'splits have masks that contradict the class maps; training takes the mask',
    'empty': 'splits have no positive pixel in any label, so nothing can be learnt there and F1 is 0 or undefined',
    'padding': f'samples have a side that is not a multiple of {STRIDE} (padded and cropped back by the software)',
    'repeated': 'groups of samples with the same pixels within one split',
    'same_dates': 'pairs have the same pixels at both dates',
    'uniform': 'samples are of one colour all over (no data)',
}
"""What is worth knowing and no failure."""


@dataclass
class Verification:
    """What was found in a data set.

    Args:
        root: the data set.
        splits: splits that were checked.
        facts: one entry per complete sample.
        threshold: the value from which a label counts as positive, if any.
        ignore: the value of a label's pixels that do not count, if any.
        label_values: see :func:`~schanger_mm.data_tools.sample_check.label_values`.
        found: lines by kind, the keys of ``PROBLEMS`` and ``NOTES``.
        unpaired: number of files without partner, by split.
        classes: the classes of both dates; None without class maps, or if they cannot be told.
        listed: whether the user named the classes.
    """

    root: str
    splits: list[Split]
    facts: list[SampleFacts]
    threshold: int | None = None
    ignore: int | None = None
    label_values: list[int] = field(default_factory=list)
    found: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    unpaired: dict[str, int] = field(default_factory=dict)
    classes: ClassValues | None = None
    listed: bool = False

    @property
    def failed(self) -> bool:
        """Return whether anything has to be fixed before training."""
        return any(self.found.get(kind) for kind in PROBLEMS)

    @property
    def third(self) -> int | None:
        """Return a third label value that may be nodata, unless another is ignored already."""
        return third_value(self.label_values) if self.ignore is None else None

    def of(self, split: Split) -> list[SampleFacts]:
        """Return the samples of one split."""
        return [facts for facts in self.facts if facts.split == split.name]

    def as_dict(self) -> dict:
        """Return all findings, for JSON."""
        return dict(
            root=self.root,
            failed=self.failed,
            threshold=self.threshold,
            ignore=self.ignore,
            label_values=self.label_values,
            **({} if self.classes is None else dict(classes=self.classes.as_dict())),
            splits={split.name: {role: str(folder) for role, folder in split.folders.items()}
                    for split in self.splits},
            problems={kind: self.found[kind] for kind in PROBLEMS if self.found.get(kind)},
            notes={kind: self.found[kind] for kind in NOTES if self.found.get(kind)},
            samples=[asdict(facts) for facts in self.facts])


def verify_dataset(root: str | Path, splits: Sequence[str] | None = None,
                   folders: Mapping[str, str | None] | None = None, single: bool = False,
                   threshold: int | None = None, workers: int | None = None, ignore: int | None = None,
                   lists: Sequence[str | Path] = (), list_splits: Sequence[str] | None = None,
                   suffixes: Mapping[str, str | None] | None = None,
                   classes: ClassValues | None = None) -> Verification:
    """Check pairing, sizes, image modes, label values, class maps, readability and duplicates.

    Args:
        root: the data set.
        splits, folders, single, suffixes: see :func:`~schanger_mm.data_tools.layout.find_splits`.
        threshold: ``label_threshold`` that the training will use; lossy labels
            are a failure without it.
        workers: number of processes.
        ignore: ``label_ignore`` that the training will use, instead of a threshold.
        lists, list_splits: the splits of one folder, see
            :func:`~schanger_mm.data_tools.lists.splits_of_lists`; what stands
            in none of them is not looked at.
        classes: the classes of both dates; None: the values in the class maps,
            if there are such, see
            :func:`~schanger_mm.data_tools.class_list.find_classes`.

    Raises:
        FileNotFoundError, DatasetError: the folders or lists cannot be found,
            or a list names what is not there.
        ValueError: invalid options, or lists together with several splits;
            classes without class maps.
    """
    check_label_options(threshold, ignore)
    result = Verification(str(root), find_splits(root, splits, folders, single, suffixes), [], threshold, ignore,
                          classes=classes, listed=classes is not None)
    if classes is not None and not any(split.maps for split in result.splits):
        raise SettingError(f'{OPTION}: {root} has no class maps of both dates; name their folders with --label-before '
                           f'and --label-after, or omit {OPTION}.')
    if lists or list_splits:
        tasks = _listed_tasks(result, lists, list_splits)
    else:
        tasks = [task for split in result.splits for task in _tasks(split, _files(split, result), result)]
    if classes is None:
        result.classes = _classes_in(tasks, workers, result)
        tasks = [replace(task, classes=result.classes) for task in tasks]
    result.facts = list(run_parallel(check_sample, tasks, workers, 'checking samples'))
    result.label_values = label_values(result.facts)
    for facts, task in zip(result.facts, tasks, strict=True):
        _check_one(facts, task, result)
    _check_forms(tasks, result)
    for split in result.splits:
        labelled = [facts for facts in result.of(split) if facts.label is not None or (
            facts.classes and LABEL not in split.folders)]
        if labelled and not any(facts.changed or facts.lost or (facts.label is None and facts.differing)
                                for facts in labelled):
            result.found['empty'].append(f'{split.name}: none in {len(labelled)} labels')
        _compare_dates(split, result)
    for kind, line in find_duplicates(result.facts):
        result.found[kind].append(line)
    return result


def _classes_in(tasks: Sequence[Task], workers: int | None, result: Verification) -> ClassValues | None:
    """Return the classes that the class maps of all splits hold; None without such, or if that cannot be told."""
    pairs = [(task.paths[MAPS[0]], task.paths[MAPS[1]]) for task in tasks if set(MAPS) <= set(task.paths)]
    try:
        return find_classes(pairs, workers) if pairs else None
    except DatasetError as error:
        result.found['no_classes'].append(str(error))
        return None


def _check_forms(tasks: Sequence[Task], result: Verification) -> None:
    """Report images that are not of the most frequent form, or that no training takes in this form."""
    forms = {str(task.paths[role]): form for facts, task in zip(result.facts, tasks, strict=True)
             for role, form in facts.forms.items() if role not in (LABEL, *MAPS)}
    taken, wrong = judge_forms(forms)
    result.found['form' if taken is None else 'mixed'].extend(wrong)
    if taken is not None:
        result.found['bands'].append(taken.needs())


def _compare_dates(split: Split, result: Verification) -> None:
    """Note classes of one date only, and pixels at which masks and class maps contradict each other."""
    facts = [each for each in result.of(split) if each.classes]
    names = {role: {name for each in facts for name in each.classes[role]} for role in MAPS} if facts else {}
    for role, other in zip(MAPS, reversed(MAPS)):
        result.found['one_date'].extend(f'{split.name}: {name} ({role.removeprefix("label_")})' for name in sorted(
            names.get(role, set()) - names.get(other, set()) - {'unchanged', 'unlabelled'}))
    half, differing = sum(each.half for each in facts), sum(each.differing for each in facts)
    if half:
        result.found['half'].append(f'{split.name} ({half} px, {half / (half + differing):.2%} of those with a class)')
    mask_only, maps_only = sum(each.mask_only for each in facts), sum(each.maps_only for each in facts)
    changed = sum(each.changed for each in facts)
    if mask_only or maps_only:
        result.found['contradiction'].append(
            f'{split.name} ({mask_only / max(changed, 1):.2%} of the changed pixels of the mask have equal classes, '
            f'{maps_only / max(differing, 1):.2%} of the pixels with different classes are unchanged in the mask)')


def _listed_tasks(result: Verification, lists: Sequence[str | Path], list_splits: Sequence[str] | None) -> list[Task]:
    """Return samples by the splits of lists, which replace the single split of the folder."""
    wanted = splits_of_lists(lists, list_splits)
    if len(result.splits) > 1:
        raise SettingError(f'{result.root}: --list makes the splits of one folder, found the splits '
                           f'{", ".join(split.name for split in result.splits)}; choose one with --splits.')
    folder, = result.splits
    files = _files(folder, result)
    known = set().union(*files.values())
    result.splits = [replace(folder, name=name) for name in wanted]
    tasks = []
    for split, (file, of) in zip(result.splits, wanted.values(), strict=True):
        names = set(listed_names(file, known, ' or '.join(map(str, folder.folders.values())), of,
                                 list(folder.suffixes.values()))) if files else set()
        listed = {role: {stem: path for stem, path in there.items() if stem in names} for role, there in files.items()}
        tasks.extend(_tasks(split, listed, result))
    return tasks


def _files(split: Split, result: Verification) -> dict[str, dict[str, str]]:
    """Return files by role and stem; none if a folder cannot be listed, which is reported."""
    files = {}
    for role in split.folders:
        try:
            files[role] = split.list_files(role)
        except DatasetError as error:
            result.found['folders'].append(str(error))
    return files if len(files) == len(split.folders) else {}


def _tasks(split: Split, files: dict[str, dict[str, str]], result: Verification) -> list[Task]:
    """Return the complete samples of a split; files without a partner are reported."""
    if not files:
        return []
    stems = sorted(set().union(*files.values()), key=natural_key)
    tasks, lonely = [], 0
    for stem in stems:
        paths = {role: Path(there[stem]) for role, there in files.items() if stem in there}
        if len(paths) == len(files):
            tasks.append(Task(split.name, stem, paths, result.threshold, result.ignore, result.classes))
            continue
        lonely += len(paths)
        missing = ' and '.join(str(split.folders[role]) for role in files if role not in paths)
        result.found['unpaired'].extend(f'{path}: nothing of that stem in {missing}' for path in paths.values())
    result.unpaired[split.name] = lonely
    return tasks


def _check_one(facts: SampleFacts, task: Task, result: Verification) -> None:
    found = result.found
    found['unreadable'].extend(facts.errors.values())
    found['nodata'].extend(str(task.paths[role]) for role in facts.nodata)
    found['classes'].extend(facts.strange.values())
    if len(set(facts.sizes.values())) > 1:
        found['sizes'].append(', '.join(f'{task.paths[role]} is {w}x{h}' for role, (h, w) in facts.sizes.items()))
    elif any(side % STRIDE for size in facts.sizes.values() for side in size):
        found['padding'].append(facts.name)
    if facts.label == LOSSY and result.threshold is None:
        found['lossy' if result.third is None else 'third'].append(f'{task.paths[LABEL]}: {facts.values}')
        if result.third is not None:
            facts.ignored = facts.levels.get(result.third, 0)
            facts.changed = sum(count for value, count in facts.levels.items() if value not in (0, result.third))
    if facts.lost:
        found['lost'].append(f'{task.paths[LABEL]}: {facts.label}, threshold {result.threshold}')
    if facts.uniform:
        found['uniform'].append(facts.name)
    elif len(facts.digests) == 2 and len(set(facts.digests.values())) == 1:
        found['same_dates'].append(facts.name)
