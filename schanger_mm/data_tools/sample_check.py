"""What there is to know about one sample: its images and its label, decoded."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from schanger_mm.datasets.errors import DatasetError
from schanger_mm.datasets.reading import read_label

from .layout import LABEL
from .pixels import Pixels, read_pixels

USUAL_THRESHOLD = 128
"""Where a lossy mask of 0 and 255 is cut."""
LOSSY = 'lossy'


@dataclass(frozen=True)
class Task:
    """A sample to check: the name of its split, its stem and its files by role."""

    split: str
    stem: str
    paths: dict[str, Path]
    threshold: int | None = None


@dataclass
class SampleFacts:
    """What was found in one sample; roles are those of ``paths``.

    Args:
        split: name of the split.
        stem: name of the sample.
        sizes: (height, width) by role, of the files that could be read.
        forms: '8-bit 3-band' and so on, by role.
        errors: why a file cannot be used, by role.
        digests: sha256 of the decoded pixels, by role of the images.
        uniform: all images have one single value (no data).
        label: '0/1', '0/255', 'all 0' or 'lossy'; None without a label or
            where it cannot be used.
        values: the first eight values of a lossy label, and how many it has.
        changed: pixels that count as changed (or as building).
        lost: the threshold takes every positive pixel away.
    """

    split: str
    stem: str
    sizes: dict[str, tuple[int, int]] = field(default_factory=dict)
    forms: dict[str, str] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)
    uniform: bool = False
    label: str | None = None
    values: str | None = None
    changed: int = 0
    lost: bool = False

    @property
    def name(self) -> str:
        """Split and stem."""
        return f'{self.split}/{self.stem}'


def check_sample(task: Task) -> SampleFacts:
    """Decode every file of a sample; what is wrong stands in ``errors``, nothing is raised."""
    facts = SampleFacts(task.split, task.stem)
    uniform = []
    for role, path in task.paths.items():
        try:
            pixels = read_pixels(path)
            facts.sizes[role], facts.forms[role] = pixels.array.shape[:2], pixels.form
            if role == LABEL:
                _check_label(facts, path, pixels, task.threshold)
            else:
                facts.digests[role] = _digest(pixels.array)
                uniform.append((pixels.array == pixels.array[:1, :1]).all())
        except DatasetError as error:
            facts.errors[role] = str(error)
    facts.uniform = bool(uniform) and bool(all(uniform))
    return facts


def _check_label(facts: SampleFacts, path: Path, pixels: Pixels, threshold: int | None) -> None:
    try:
        lossless = read_label(str(path))
    except DatasetError:  # values in between, or a file that no threshold helps: that is raised below
        lossless = None
    top = int(pixels.array.max())
    facts.lost = lossless is not None and threshold is not None and 0 < top < threshold
    counted = lossless
    if lossless is None:
        counted = read_label(str(path), threshold or USUAL_THRESHOLD)
    facts.changed = 0 if facts.lost else int(counted.sum())
    if lossless is None:
        values = np.unique(pixels.array)
        facts.label = LOSSY
        facts.values = f'{", ".join(map(str, values[:8]))}{", ..." if len(values) > 8 else ""} ({len(values)} values)'
    else:
        facts.label = f'0/{top}' if lossless.any() else 'all 0'


def _digest(array: np.ndarray) -> str:
    """Sha256 of shape, type and values, so that the file format does not matter."""
    digest = hashlib.sha256(f'{array.shape} {array.dtype}'.encode())
    digest.update(np.ascontiguousarray(array))
    return digest.hexdigest()
