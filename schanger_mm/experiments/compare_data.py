"""The folders of a comparison, and what they are in a config."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mmengine.config import Config
from mmengine.registry import DefaultScope

from schanger_mm.data_tools.image_forms import header_of_any
from schanger_mm.datasets.reading import COLOUR, GREY
from schanger_mm.engine.trained_on import digests_of, without_empty_tiles
from schanger_mm.registry import DATASETS, SCOPE
from schanger_mm.utils.errors import DatasetError, MissingFileError
from schanger_mm.utils.files import sha256_of
from schanger_mm.utils.names import list_stems, natural_key


@dataclass(frozen=True)
class Data:
    """Folders of the images of a comparison.

    Args:
        train: folder of the training pairs, with the folders ``before``, ``after`` and ``label`` in it.
        val: folder of the validation pairs, with the same folders in it.
        images: folder of single images for pre-training; None for none.
        masks: folder of their masks.
        before, after, label: names of folders.
        label_threshold: mask value from which a pixel is changed, for lossy masks.
    """

    train: Path
    val: Path
    images: Path | None = None
    masks: Path | None = None
    before: str = 'A'
    after: str = 'B'
    label: str = 'label'
    label_threshold: int | None = None

    def names(self) -> dict[str, list[str]]:
        """List the names of training pairs, those among them with a label, validation pairs and single images.

        Raises:
            MissingFileError: a folder is missing, also one of labels or masks.
        """
        folders = {'train': self.folders(self.train), 'val': self.folders(self.val),
                   'images': [self.images] if self.images else [], 'masks': [self.masks] if self.masks else []}
        for role, folder in ((role, folder) for role, group in folders.items() for folder in group):
            if not folder.is_dir():
                raise MissingFileError(f'--{role}: no folder {folder}; expected --train and --val to hold '
                                       f'{self.before}, {self.after} and {self.label} (--before, --after, --label), '
                                       '--images to hold images, and --masks their masks.')
        names = {role: sorted(list_stems(str(folders[role][0])), key=natural_key) for role in ('train', 'val', 'images')
                 if folders[role]}
        labels = list_stems(str(self.train / self.label))
        return {**names, 'labelled': [name for name in names['train'] if name in labels]}

    def folders(self, root: Path) -> list[Path]:
        """Return the folders of both dates and of the labels."""
        return [root / name for name in (self.before, self.after, self.label)]

    def refuse_other_forms(self) -> None:
        """Look at the first image of each folder of pairs.

        Raises:
            DatasetError: it cannot be read, or is neither an 8-bit colour nor an 8-bit grey image.
        """
        for folder in (root / name for root in (self.train, self.val) for name in (self.before, self.after)):
            for path in sorted(list_stems(str(folder)).values(), key=natural_key)[:1]:
                if (form := header_of_any(path)[1]) not in (COLOUR, GREY):
                    raise DatasetError(
                        f'{path}: expected an {COLOUR} image, found {form}. The configs of --arms read 8-bit colours; '
                        'for other images give configs of the same names whose loading transforms have `bands` and '
                        '`scale` (--configs DIR; docs/bands.md).')

    def refuse_overlap(self) -> None:
        """Compare the validation images with the training pairs and the single images, as ``schanger test`` does.

        Raises:
            DatasetError: images of validation pairs, of either date, are trained on.
        """
        trained: dict[int, str] = {}
        for folders in (self.folders(self.train)[:2], [self.images] if self.images else []):
            digests = _digests(folders)
            places = set(without_empty_tiles([digests]))
            trained |= {digest: path for path, digest in digests.items() if digest in places}
        scored = _digests(self.folders(self.val)[:2])
        if both := [path for path, digest in scored.items() if digest in trained]:
            raise DatasetError(
                f'--val: {len(both)} of its {len(scored)} images are trained on, by the content of their files; the '
                f'first is {both[0]}, the same as {trained[scored[both[0]]]}. Scores on them say little about new '
                'images: remove them from --val, or from --train and --images.')

    def pairs(self, place: str, root: Path, labelled: bool = True) -> dict[str, object]:
        """Return the settings of a data set of all pairs; ``place`` is where it stands in a config."""
        settings: dict[str, object] = dict(data_root=root, before=self.before, after=self.after, ann_file='')
        if labelled:
            settings['label'] = self.label
            if self.label_threshold is not None:
                settings['label_threshold'] = self.label_threshold
        return {f'{place}.{key}': value for key, value in settings.items()}

    def singles(self, place: str) -> dict[str, object]:
        """Return the settings of a data set of single images."""
        settings: dict[str, object] = {
            'data_root': self.images, 'data_prefix.img_path': self.images, 'data_prefix.seg_map_path': self.masks}
        if self.label_threshold is not None:
            settings['label_threshold'] = self.label_threshold
        return {f'{place}.{key}': value for key, value in settings.items()}


def read_images(cfg: Config, options: Mapping[str, object]) -> None:
    """Check the data sets of a training, and read its images once, into their cache if they have one.

    Args:
        cfg: its config.
        options: settings that differ from the config's.

    Raises:
        DatasetError: images, labels or masks do not fit each other, or one cannot be read.
        FileNotFoundError: a file is missing.
    """
    cfg = copy.deepcopy(cfg)
    cfg.merge_from_dict({key: str(value) if isinstance(value, Path) else value for key, value in options.items()})
    datasets = [cfg.train_dataloader.dataset]
    if any(key.startswith('val_dataloader.') for key in options):
        datasets.append(cfg.val_dataloader.dataset)
    for dataset in datasets:
        for part in (dataset, dataset.get('labelled'), dataset.get('unlabelled')):
            if isinstance(part, dict) and 'pipeline' in part:
                part['pipeline'] = [step for step in part['pipeline']
                                    if step['type'].rpartition('.')[2].startswith('Load')]
        with DefaultScope.overwrite_default_scope(SCOPE):
            built = DATASETS.build(dataset)
        for place in range(len(built)):
            built[place]


def content_of(*folders: Path) -> str:
    """Return the number of images in folders and a SHA-256 of their names and content, wherever the folders are."""
    files = [(place, stem, path) for place, folder in enumerate(folders)
             for stem, path in sorted(list_stems(str(folder)).items())]
    lines = ''.join(f'{place} {stem} {sha256_of(path)}\n' for place, stem, path in files)
    return f'{len(files)} files, {hashlib.sha256(lines.encode()).hexdigest()}'


def _digests(folders: Sequence[Path]) -> dict[str, int]:
    """Return the images of folders in natural order, and the content digest of each."""
    files = [path for folder in folders for path in sorted(list_stems(str(folder)).values(), key=natural_key)]
    return {path: digest for found in digests_of([(path, ) for path in files]) for path, digest in found.items()}
