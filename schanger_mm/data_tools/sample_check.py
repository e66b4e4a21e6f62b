"""Check one sample: decode its images and its label."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from schanger_mm.datasets.class_values import UNCHANGED, ClassValues
from schanger_mm.datasets.reading import IGNORED, palette_values, read_label
from schanger_mm.utils.errors import DatasetError, SettingError

from .image_forms import TIFF, form_of, read_any, valid_pixels
from .layout import LABEL, MAPS
from .pixels import Pixels, read_pixels

USUAL_THRESHOLD = 128
"""Threshold for a lossy mask of 0 and 255."""
LOSSY = 'lossy'


@dataclass(frozen=True)
class Task:
    """A sample to check: the name of its split, its stem, its files by role, and how its labels are read."""

    split: str
    stem: str
    paths: dict[str, Path]
    threshold: int | None = None
    ignore: int | None = None
    classes: ClassValues | None = None


@dataclass
class SampleFacts:
    """The findings about one sample; roles are those of ``paths``.

    Args:
        split: name of the split.
        stem: name of the sample.
        sizes: (height, width) by role, of the files that could be read.
        forms: '8-bit 3-band' and so on, by role.
        errors: why a file cannot be used, by role.
        digests: sha256 of the decoded pixels, by role of the images.
        blank: roles of the images that have one single value (no data).
        nodata: roles of the images, other than 8-bit colours, with pixels of the nodata value that their file names.
        label: '0/1', '0/255', 'all 0', 'palette' or 'lossy'; None without a
            label or where it cannot be used.
        palette: of a label with a palette, which index and colour is unchanged and which is changed.
        values: the first eight values of a lossy label, and how many it has.
        levels: pixels of each value, of a lossy label with at most three.
        changed: pixels that count as changed (or as building).
        ignored: number of ignored pixels.
        lost: the threshold takes every positive pixel away.
        strange: why the values of a class map are no classes, by role.
        classes: pixels of each class, by role of the class map and name; also those that are 'unchanged' and
            'unlabelled' where the list of classes has such a value.
        differing: pixels that the class maps call changed.
        half: pixels with a class at one date only, of maps with a value for "unchanged".
        mask_only: pixels that the label calls changed and the class maps unchanged.
        maps_only: pixels that the class maps call changed and the label unchanged.
    """

    split: str
    stem: str
    sizes: dict[str, tuple[int, int]] = field(default_factory=dict)
    forms: dict[str, str] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)
    blank: list[str] = field(default_factory=list)
    nodata: list[str] = field(default_factory=list)
    label: str | None = None
    palette: str | None = None
    values: str | None = None
    levels: dict[int, int] = field(default_factory=dict)
    changed: int = 0
    ignored: int = 0
    lost: bool = False
    strange: dict[str, str] = field(default_factory=dict)
    classes: dict[str, dict[str, int]] = field(default_factory=dict)
    differing: int = 0
    half: int = 0
    mask_only: int = 0
    maps_only: int = 0

    @property
    def name(self) -> str:
        """Split and stem."""
        return f'{self.split}/{self.stem}'

    @property
    def uniform(self) -> bool:
        """Return whether all images have a single value."""
        return bool(self.digests) and len(self.blank) == len(self.digests)


def check_label_options(threshold: int | None, ignore: int | None) -> None:
    """Reject invalid label options.

    Raises:
        ValueError: naming the option.
    """
    if threshold is not None and not 1 <= threshold <= 255:
        raise SettingError(f'--threshold: expected 1 to 255, found {threshold}')
    if ignore is not None and not 1 <= ignore <= 254:
        raise SettingError(f'--ignore: expected 1 to 254, found {ignore}')
    if threshold is not None and ignore is not None:
        raise SettingError('--threshold and --ignore: expected one of them; a lossy mask has no exact value to ignore.')


def check_sample(task: Task) -> SampleFacts:
    """Decode every file of a sample; problems are listed in ``errors`` and not raised."""
    facts = SampleFacts(task.split, task.stem)
    label, maps = None, {}
    for role, path in task.paths.items():
        try:
            pixels = read_pixels(path) if role in (LABEL, *MAPS) else read_any(path)
            facts.sizes[role], facts.forms[role] = pixels.array.shape[:2], pixels.form
            if role == LABEL:
                label = _check_label(facts, path, pixels, task)
            elif role in MAPS:
                if task.classes is not None:
                    maps[role] = task.classes.read(str(path))
            else:
                facts.digests[role] = _digest(pixels.array)
                if (pixels.array == pixels.array[:1, :1]).all():
                    facts.blank.append(role)
                if form_of(pixels.form) and path.suffix.lower() in TIFF and not valid_pixels(path).all():
                    facts.nodata.append(role)
        except DatasetError as error:
            (facts.strange if role in MAPS and role in facts.sizes else facts.errors)[role] = str(error)
    if task.classes is not None and len(maps) == len(MAPS):
        _compare_maps(facts, maps, label, task.classes)
    return facts


def label_values(samples: Iterable[SampleFacts]) -> list[int]:
    """Return all values in the labels of a data set; none if a label has more than three."""
    values: set[int] = set()
    for facts in samples:
        if facts.label == LOSSY and not facts.levels:
            return []
        values.update({0, int(facts.label[2:])} if facts.label in ('0/1', '0/255') else facts.levels)
    return sorted(values)


def third_value(values: Sequence[int]) -> int | None:
    """Return the value other than 0 and 255, or 0 and 1: it may mark nodata, which no threshold detects."""
    if len(values) != 3 or values[0] != 0:
        return None
    _, middle, top = values
    if middle == 1:
        return top
    return middle if top == 255 else None


def _compare_maps(facts: SampleFacts, maps: dict[str, np.ndarray], label: np.ndarray | None,
                  classes: ClassValues) -> None:
    """Count the classes of both dates, and where they contradict each other or the label, ``(H, W)`` of 0, 1, 255."""
    names = {**dict(enumerate(classes.names)), UNCHANGED: 'unchanged', IGNORED: 'unlabelled'}
    for role, one in maps.items():
        facts.classes[role] = {names[int(value)]: int(count) for value, count in zip(
            *np.unique(one, return_counts=True), strict=True)}
    before, after = (maps[role] for role in MAPS)
    if before.shape != after.shape:
        return
    changes = classes.changes(before, after)
    facts.differing = int((changes == 1).sum())
    facts.half = int(((before == UNCHANGED) != (after == UNCHANGED)).sum())
    if label is not None and label.shape == changes.shape:
        facts.mask_only = int(((label == 1) & (changes == 0)).sum())
        facts.maps_only = int(((label == 0) & (changes == 1)).sum())


def _check_label(facts: SampleFacts, path: Path, pixels: Pixels, task: Task) -> np.ndarray | None:
    try:
        exact = read_label(str(path), ignore=task.ignore)
    except DatasetError:  # values in between, or a file that no threshold helps: that is raised below
        exact = None
    counted = exact
    if exact is None or task.threshold is not None:
        try:
            counted = read_label(str(path), task.threshold or USUAL_THRESHOLD, ignore=task.ignore)
        except DatasetError:
            if exact is None:
                raise
            facts.lost, counted = True, np.zeros_like(exact)
    facts.changed, facts.ignored = int((counted == 1).sum()), int((counted == IGNORED).sum())
    channel = pixels.array if pixels.array.ndim == 2 else pixels.array[..., 0]
    if pixels.palette is not None and counted is not None:
        channel, read_by = palette_values(pixels.array, pixels.palette, task.ignore)
        facts.palette = _describe_palette(pixels.array, pixels.palette, counted, read_by)
    if exact is None:
        values, counts = np.unique(channel, return_counts=True)
        facts.label = LOSSY
        facts.values = f'{", ".join(map(str, values[:8]))}{", ..." if len(values) > 8 else ""} ({len(values)} values)'
        if len(values) <= 3:
            facts.levels = {int(value): int(count) for value, count in zip(values, counts, strict=True)}
    elif not (exact == 1).any():
        facts.label = 'all 0'
    else:
        facts.label = 'palette' if pixels.palette is not None else f'0/{int(channel[exact == 1].max())}'
    return counted


def _describe_palette(indices: np.ndarray, palette: Sequence[int], label: np.ndarray, read_by: str) -> str:
    parts = []
    for value, what in ((0, 'unchanged'), (1, 'changed'), (IGNORED, 'ignored')):
        used = np.unique(indices[label == value]).tolist()
        if used:
            colours = ', '.join(f'index {index} {tuple(palette[3 * index:3 * index + 3])}' for index in used[:2])
            parts.append(f'{what}: {colours}{", ..." if len(used) > 2 else ""}')
    return f'by {read_by}, {"; ".join(parts)}'


def _digest(array: np.ndarray) -> str:
    """Return the SHA-256 of shape, type and values, so that the file format does not matter."""
    digest = hashlib.sha256(f'{array.shape} {array.dtype}'.encode())
    digest.update(np.ascontiguousarray(array))
    return digest.hexdigest()
