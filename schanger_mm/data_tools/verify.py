"""Check a data set as unpacked: every file decoded, every pair and split compared."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from schanger_mm.datasets.errors import DatasetError
from schanger_mm.datasets.files import list_stems, natural_key
from schanger_mm.datasets.reading import COLOUR, wrong_form

from .layout import LABEL, Split, find_splits
from .parallel import run_parallel
from .sample_check import LOSSY, USUAL_THRESHOLD, SampleFacts, Task, check_sample

STRIDE = 16
"""Sides that are not multiples of it are padded by the software."""

PROBLEMS = {
    'folders': 'folders cannot be listed',
    'unpaired': 'files without a partner of the same stem',
    'unreadable': 'files are corrupt or cannot be used',
    'sizes': 'samples have files of different size (width x height)',
    'form': f'images are not {COLOUR}',
    'lossy': f'LOSSY labels (values other than 0/1 or 0/255): they need `label_threshold={USUAL_THRESHOLD}` in the '
             'dataset of the config, or, where the values are classes, a binary mask of each',
    'lost': 'labels lose every positive pixel by the threshold: leave `label_threshold` out',
    'leak': 'groups of samples with the same pixels stand in different splits',
}
"""What makes a data set fail, in words that follow a count."""

NOTES = {
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
        found: lines by kind, the keys of ``PROBLEMS`` and ``NOTES``.
        unpaired: number of files without partner, by split.
    """

    root: str
    splits: list[Split]
    facts: list[SampleFacts]
    threshold: int | None = None
    found: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    unpaired: dict[str, int] = field(default_factory=dict)

    @property
    def failed(self) -> bool:
        """Whether anything has to be put right before training."""
        return any(self.found.get(kind) for kind in PROBLEMS)

    def of(self, split: Split) -> list[SampleFacts]:
        """The samples of one split."""
        return [facts for facts in self.facts if facts.split == split.name]

    def as_dict(self) -> dict:
        """Everything that was found, for JSON."""
        return dict(
            root=self.root,
            failed=self.failed,
            threshold=self.threshold,
            splits={split.name: {role: str(folder) for role, folder in split.folders.items()}
                    for split in self.splits},
            problems={kind: self.found[kind] for kind in PROBLEMS if self.found.get(kind)},
            notes={kind: self.found[kind] for kind in NOTES if self.found.get(kind)},
            samples=[asdict(facts) for facts in self.facts])


def verify_dataset(root: str | Path, splits: Sequence[str] | None = None,
                   folders: Mapping[str, str | None] | None = None, single: bool = False,
                   threshold: int | None = None, workers: int | None = None) -> Verification:
    """Check pairing, sizes, image modes, label values, readability and duplicates.

    Args:
        root: the data set.
        splits, folders, single: see :func:`~schanger_mm.data_tools.layout.find_splits`.
        threshold: ``label_threshold`` that the training will use; lossy labels
            are a failure without it.
        workers: number of processes.

    Raises:
        FileNotFoundError, DatasetError: the folders cannot be found.
        ValueError: a threshold outside of 1 to 255.
    """
    if threshold is not None and not 1 <= threshold <= 255:
        raise ValueError(f'--threshold: expected 1 to 255, found {threshold}')
    result = Verification(str(root), find_splits(root, splits, folders, single), [], threshold)
    tasks = [task for split in result.splits for task in _tasks(split, result)]
    result.facts = list(run_parallel(check_sample, tasks, workers, 'checking samples'))
    for facts, task in zip(result.facts, tasks, strict=True):
        _check_one(facts, task, result)
    _find_duplicates(result)
    return result


def _tasks(split: Split, result: Verification) -> list[Task]:
    """Complete samples of a split; files without partner are reported."""
    files = {}
    for role, folder in split.folders.items():
        try:
            files[role] = list_stems(str(folder))
        except DatasetError as error:
            result.found['folders'].append(str(error))
    if len(files) < len(split.folders):
        return []
    stems = sorted(set().union(*files.values()), key=natural_key)
    tasks, lonely = [], 0
    for stem in stems:
        paths = {role: Path(there[stem]) for role, there in files.items() if stem in there}
        if len(paths) == len(files):
            tasks.append(Task(split.name, stem, paths, result.threshold))
            continue
        lonely += len(paths)
        missing = ' and '.join(str(split.folders[role]) for role in files if role not in paths)
        result.found['unpaired'].extend(f'{path}: nothing of that stem in {missing}' for path in paths.values())
    result.unpaired[split.name] = lonely
    return tasks


def _check_one(facts: SampleFacts, task: Task, result: Verification) -> None:
    found = result.found
    found['unreadable'].extend(facts.errors.values())
    if len(set(facts.sizes.values())) > 1:
        found['sizes'].append(', '.join(f'{task.paths[role]} is {w}x{h}' for role, (h, w) in facts.sizes.items()))
    elif any(side % STRIDE for size in facts.sizes.values() for side in size):
        found['padding'].append(facts.name)
    found['form'].extend(f'{task.paths[role]}: {wrong_form(form)}' for role, form in facts.forms.items()
                         if role != LABEL and form != COLOUR)
    if facts.label == LOSSY and result.threshold is None:
        found['lossy'].append(f'{task.paths[LABEL]}: {facts.values}')
    if facts.lost:
        found['lost'].append(f'{task.paths[LABEL]}: {facts.label}, threshold {result.threshold}')
    if facts.uniform:
        found['uniform'].append(facts.name)
    elif len(facts.digests) == 2 and len(set(facts.digests.values())) == 1:
        found['same_dates'].append(facts.name)


def _find_duplicates(result: Verification) -> None:
    groups = defaultdict(list)
    for facts in result.facts:
        complete = not set(facts.errors) - {LABEL}
        if complete and not facts.uniform:  # tiles without data are equal and leak nothing
            groups[tuple(facts.digests.values())].append(facts)
    for group in groups.values():
        if len(group) > 1:
            kind = 'repeated' if len({facts.split for facts in group}) == 1 else 'leak'
            result.found[kind].append(' = '.join(facts.name for facts in group))
