"""Results of an evaluation: scores, their coverage of the official split, and the files that store both."""

from __future__ import annotations

import csv
import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from schanger_mm.datasets.benchmarks import TILE
from schanger_mm.evaluation.confusion import Confusion
from schanger_mm.evaluation.reliability import Reliability
from schanger_mm.utils.errors import SettingError
from schanger_mm.utils.files import whole_file
from schanger_mm.utils.text import first_of

TABLE, REPORT = 'per_image.csv', 'report.json'


@dataclass(frozen=True)
class ImageCounts:
    """The pixel counts of one image.

    Args:
        name: name of the image.
        tiles: its number of 256 px tiles, see :func:`count_tiles`.
        counts: its confusion matrix.
        reliability: its pixels by probability; None without probabilities.
    """

    name: str
    tiles: int
    counts: Confusion
    reliability: Reliability | None = None


def count_tiles(height: int, width: int) -> int:
    """Count the 256 px tiles that cover an image of this size: ``ceil(height / 256) * ceil(width / 256)``."""
    return math.ceil(height / TILE) * math.ceil(width / TILE)


@dataclass(frozen=True)
class Evaluation:
    """The counts of all images of a split, and metainfo of the data set.

    Published numbers cover a whole official test split, which is
    identified by its number of 256 px tiles (LEVIR-CD: 2048).

    Args:
        images: counts of every image.
        data_set: name of the data set, None if unknown.
        split: 'test' and so on, None if unknown.
        official_tiles: tiles of the official split, None if there is none.
    """

    images: Sequence[ImageCounts]
    data_set: str | None = None
    split: str | None = None
    official_tiles: int | None = None

    @classmethod
    def of(cls, images: Sequence[ImageCounts], dataset_meta: Mapping | None) -> Evaluation:
        """Take data set, split and official tiles from a data set's metainfo, where available."""
        meta = dataset_meta or {}
        return cls(images, meta.get('data_set'), meta.get('split'), meta.get('official_tiles'))

    @property
    def total(self) -> Confusion:
        """Return the confusion matrix over all pixels of all images."""
        return sum((image.counts for image in self.images), Confusion())

    @property
    def reliability(self) -> Reliability | None:
        """Return all pixels by probability; None if an image has none."""
        first, *others = [image.reliability for image in self.images] or [None]
        if first is None or None in others:
            return None
        return sum(filter(None, others), first)

    @property
    def tiles(self) -> int:
        """Return the number of 256 px tiles in all images."""
        return sum(image.tiles for image in self.images)

    @property
    def partial(self) -> bool | None:
        """Return whether the number of tiles differs from that of the official split; None if there is none."""
        return None if self.official_tiles is None else self.tiles != self.official_tiles

    @property
    def coverage(self) -> str:
        """Describe how much of the official split was scored."""
        name, split = self.data_set or 'the data set', self.split or 'test'
        if self.official_tiles is None:
            known = ', '.join(filter(None, (self.data_set, self.split)))
            counts = f'{_count(len(self.images), "image")}, {_count(self.tiles, "tile")} of up to {TILE} px'
            return f'{known}: {counts}' if known else counts
        if not self.partial:
            return f'the full official {split} split of {name} ({self.tiles} tiles of {TILE} px)'
        other = 'not comparable with published numbers'
        if self.tiles < self.official_tiles:
            return (f"PARTIAL: {self.tiles} of the {self.official_tiles} tiles of {name}'s official {split} split; "
                    f'{other}')
        return (f"NOT THE OFFICIAL SPLIT: {self.tiles} tiles, more than the {self.official_tiles} of {name}'s official "
                f'{split} split; {other}')

    def worst(self, count: int) -> list[ImageCounts]:
        """Return at most ``count`` images with the most wrong pixels, only those with errors; ties by name."""
        wrong = [image for image in self.images if image.counts.fp + image.counts.fn]
        return sorted(wrong, key=lambda image: (-image.counts.fp - image.counts.fn, image.name))[:count]

    def as_dict(self) -> dict:
        """Return all but the images as plain values; scores are in percent, and None if undefined."""
        total, reliability = self.total, self.reliability
        return {
            'data_set': self.data_set,
            'split': self.split,
            'images': len(self.images),
            'tiles': self.tiles,
            'official_tiles': self.official_tiles,
            'partial': self.partial,
            'coverage': self.coverage,
            'scores': {name: None if math.isnan(value) else value for name, value in total.scores().items()},
            'confusion': {'TP': total.tp, 'FP': total.fp, 'FN': total.fn, 'TN': total.tn, 'ignored': total.ignored},
            'calibration': None if reliability is None or math.isnan(reliability.error) else {
                'error': reliability.error, 'groups': reliability.rows()},
        }


def write_table(folder: Path, images: Sequence[ImageCounts]) -> None:
    """Write ``per_image.csv``: name, F1 in percent (empty if undefined), TP, FP, FN, TN.

    Raises:
        ValueError: two images share a name (processes of a distributed test do not see each other's names).
    """
    if twice := [name for name, count in Counter(image.name for image in images).items() if count > 1]:
        raise SettingError(f'{folder / TABLE}: more than one image is named {first_of(twice, most=5)}, and their '
                           'predictions overwrote each other; give the images names of their own.')
    with whole_file(folder / TABLE) as partial, partial.open('w', newline='', encoding='utf-8') as stream:
        writer = csv.writer(stream)
        writer.writerow(['name', 'F1', 'TP', 'FP', 'FN', 'TN'])
        for image in images:
            c = image.counts
            writer.writerow([image.name, '' if math.isnan(c.f1) else f'{c.f1:.4f}', c.tp, c.fp, c.fn, c.tn])


def write_report(folder: Path, content: Mapping) -> None:
    """Write ``report.json``, strictly JSON: no ``NaN``."""
    with whole_file(folder / REPORT) as partial:
        text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
        partial.write_text(text + '\n', encoding='utf-8')


def _count(number: int, what: str) -> str:
    return f'{number} {what}' if number == 1 else f'{number} {what}s'
