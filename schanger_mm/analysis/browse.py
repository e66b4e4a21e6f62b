"""Pictures of the samples that a config's pipeline produces."""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import BaseDataset, pseudo_collate
from mmengine.runner import set_random_seed

from schanger_mm.config.building import build
from schanger_mm.config.loading import ConfigError
from schanger_mm.datasets.transforms.loading import FileLoader
from schanger_mm.registry import DATASETS, MODELS, SCOPE
from schanger_mm.utils.band_order import COLOUR_BANDS, turned
from schanger_mm.utils.errors import SettingError
from schanger_mm.utils.files import refuse_existing, write_png
from schanger_mm.visualization.panel import MIN_CELL, PAPER, draw_change_panel, paint
from schanger_mm.visualization.report import format_table

SHEET = 'browse.png'
SHEET_COLUMNS, SHEET_CELL = 3, 800  # panels per row of the contact sheet, and their width in pixels
SPAN = 3.0  # normalised values from -SPAN to SPAN are shown from black to white
OUTLINE = (255, 0, 255)  # a colour of neither ground nor roofs


@dataclass(frozen=True)
class Browsed:
    """The written pictures, and statistics of the normalised batch (rows per date) if requested."""

    folder: Path
    files: list[Path]
    statistics: list[dict]

    def __str__(self) -> str:
        text = f'wrote {len(self.files)} pictures to {self.folder}: {self.files[0].name} to {self.files[-1].name}'
        if self.statistics:
            text += '\nwhat the network receives, over the pixels of all these samples (0 and 1 where the ' \
                    f'statistics of data_preprocessor fit):\n{format_table(self.statistics)}'
        return text


def browse_dataset(cfg: Config, out: str | Path, split: str = 'train', number: int = 12, seed: int = 36,
                   sheet: bool = False, normalised: bool = False, overwrite: bool = False) -> Browsed:
    """Draw samples of a split as they leave the pipeline: crop, geometry and colours as in training.

    A picture ``<name>.png`` shows ``before | after | truth`` (or ``image |
    truth``), and again with the label's outline over each date, which shows
    whether they are aligned; ignored pixels are grey. Nothing else is written,
    not even the decoded cache.

    Args:
        cfg: config with ``<split>_dataloader.dataset``.
        out: folder of the pictures.
        split: 'train', 'val' or 'test'.
        number: number of samples, chosen by the seed; all if the split has fewer.
        seed: seed of selection and augmentation.
        sheet: also draw all pictures on one sheet, ``browse.png``.
        normalised: also draw the output of the preprocessor, as one
            batch in training and one by one otherwise. A value of 0 is
            mid-grey, ``-SPAN`` black and ``SPAN`` white.
        overwrite: replace pictures of another run.

    Raises:
        ConfigError: the config lacks the split or, for ``normalised``, a ``data_preprocessor``.
        ExistsError: a picture exists and ``overwrite`` is False.
        SettingError: ``number`` below 1.
        DatasetError, MissingFileError: raised by the data set.
    """
    if number < 1:
        raise SettingError(f'--number {number}: expected 1 or more.')
    dataset = _build_split(cfg, split)
    preprocessor = _build_preprocessor(cfg) if normalised else None
    chosen = sorted(np.random.RandomState(seed).permutation(len(dataset))[:number].tolist())
    folder = Path(out)
    files = [folder / f'{name}.png' for name in _names(dataset, chosen)]
    refuse_existing(*files, folder / SHEET if sheet else None, overwrite=overwrite)

    bands = (cfg.get('visualizer') or {}).get('bands')
    samples = []
    for index in chosen:
        set_random_seed(seed + index)
        samples.append(dataset.pipeline(dataset.get_data_info(index)))
    set_random_seed(seed)
    received = _preprocess(preprocessor, samples, training=split == 'train') if preprocessor else []
    small = []
    for file, sample, batch in itertools.zip_longest(files, samples, received):
        picture = _draw(sample, batch, file.stem, dataset.metainfo['classes'][1], bands)
        write_png(file, picture)
        if sheet:
            small.append(_fit_width(picture, SHEET_CELL))
    if sheet:
        files = [*files, folder / SHEET]
        write_png(files[-1], _grid(small, SHEET_COLUMNS, gap=24))
    return Browsed(folder, files, _statistics(received) if received else [])


def _build_split(cfg: Config, split: str) -> BaseDataset:
    loader = cfg.get(f'{split}_dataloader')
    if not loader:
        there = [key for key in ('train', 'val', 'test') if cfg.get(f'{key}_dataloader')]
        raise ConfigError(f'--split {split}: the config has no {split}_dataloader, only {", ".join(there) or "none"}.')
    dataset = build(DATASETS, {'_scope_': SCOPE, **loader.dataset})
    if not isinstance(dataset, BaseDataset):
        raise ConfigError(f'{split}_dataloader.dataset: expected a data set with a pipeline of its own, found '
                          f'{type(dataset).__name__}; name one of the data sets that it wraps.')
    dataset.full_init()
    for step in dataset.pipeline.transforms:
        if isinstance(step, FileLoader):
            step.cache = None  # browsing must not write to the cache
    return dataset


def _build_preprocessor(cfg: Config) -> torch.nn.Module:
    settings = (cfg.get('model') or {}).get('data_preprocessor') or cfg.get('data_preprocessor')
    if not settings:
        raise ConfigError('--normalised: the config has no data_preprocessor.')
    return build(MODELS, {'_scope_': SCOPE, **settings})


def _names(dataset: BaseDataset, chosen: Sequence[int]) -> list[str]:
    """Name samples after date A's file, with a number if two would have the same name."""
    taken, names = {Path(SHEET).stem}, []
    for index in chosen:
        info = dataset.get_data_info(index)
        path = info['img_path']
        stem = info.get('name') or Path(path if isinstance(path, str) else path[0]).stem
        stem = name = stem.replace('/', '_')
        for count in itertools.count(2):
            if name not in taken:
                break
            name = f'{stem}_{count}'
        taken.add(name)
        names.append(name)
    return names


def _preprocess(preprocessor: torch.nn.Module, samples: list[dict], training: bool) -> list[dict]:
    """Return each sample's dates (C, H, W) RGB, label, shape before padding, and whether the dates were swapped."""
    converts = getattr(preprocessor, 'bgr_to_rgb', False) or getattr(preprocessor, '_channel_conversion', False)
    received = []
    for group in [samples] if training else [[sample] for sample in samples]:
        batch = preprocessor(pseudo_collate(copy.deepcopy(group)), training)
        for sample, values, packed in zip(group, batch['inputs'], batch['data_samples']):
            plain = preprocessor(pseudo_collate([copy.deepcopy(sample)]), False)['inputs'][0]
            h, w = plain.shape[1:]
            dates = values.chunk(_number_of_dates(sample))
            reverse = not converts and len(dates[0]) == COLOUR_BANDS
            received.append(dict(
                dates=[date.flip(0) if reverse else date for date in dates], shape=(h, w), label=_label(packed),
                swapped=not torch.equal(values[:, :h, :w], plain)))
    return received


def _number_of_dates(sample: dict) -> int:
    return 1 if isinstance(sample['data_samples'].img_path, str) else 2


def _label(packed) -> np.ndarray | None:
    return packed.gt_sem_seg.data[0].numpy() if 'gt_sem_seg' in packed else None


def _statistics(received: list[dict]) -> list[dict]:
    rows = []
    for i, name in enumerate(('first date', 'second date')[:len(received[0]['dates'])]):
        pixels = torch.cat([one['dates'][i][:, :one['shape'][0], :one['shape'][1]].flatten(1) for one in received], 1)
        bands = 'RGB' if len(pixels) == COLOUR_BANDS else range(1, 1 + len(pixels))
        rows.append({'input': name, **{f'{what} {band}': float(value) for what, values in (
            ('mean', pixels.mean(1)), ('std', pixels.std(1))) for band, value in zip(bands, values)}})
    return rows


def _draw(sample: dict, received: dict | None, name: str, positive: str, bands: Sequence[int] | None) -> np.ndarray:
    images = [paint(date.permute(1, 2, 0).numpy(), bands)
              for date in sample['inputs'].chunk(_number_of_dates(sample))]
    label = _label(sample['data_samples'])
    rows = [draw_change_panel(images, label, title=name, positive=positive)]
    if label is not None:
        outlined = [_outline(image, label) for image in images]
        rows.append(draw_change_panel(outlined, _enlarge(label), title='outline of the label', positive=positive))
    if received is not None:
        shown = [paint(turned(_to_grey_levels(date), -1), bands) for date in received['dates']]
        title = f'what the network receives, {-SPAN:g} black to {SPAN:g} white'
        title += ', dates swapped' if received['swapped'] else ''
        rows.append(draw_change_panel(shown, received['label'], title=title, positive=positive))
    return _grid(rows, columns=1)


def _outline(image: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Draw the inner edge of the label's regions; small pictures are enlarged first, so that it stays thin."""
    image, mask = _enlarge(image), _enlarge((label == 1).astype(np.uint8))
    width = 1 + max(mask.shape) // 512
    core = cv2.erode(mask, np.ones((3, 3), np.uint8), iterations=width, borderValue=1)
    image[(mask != 0) & (core == 0)] = OUTLINE
    return image


def _enlarge(array: np.ndarray) -> np.ndarray:
    """Return a copy, enlarged as the panel would do."""
    zoom = math.ceil(MIN_CELL / max(array.shape[:2]))
    return array.repeat(zoom, axis=0).repeat(zoom, axis=1)


def _to_grey_levels(date: torch.Tensor) -> np.ndarray:
    levels = (date.permute(1, 2, 0) / SPAN + 1) * 127.5
    return levels.clamp(0, 255).round().to(torch.uint8).numpy()


def _fit_width(picture: np.ndarray, width: int) -> np.ndarray:
    h, w = picture.shape[:2]
    return picture if w <= width else cv2.resize(picture, (width, round(h * width / w)), interpolation=cv2.INTER_AREA)


def _grid(pictures: Sequence[np.ndarray], columns: int, gap: int = 0) -> np.ndarray:
    """Put pictures side by side in rows, each at the top left of its cell."""
    width = max(picture.shape[1] for picture in pictures) + gap
    rows = [pictures[i:i + columns] for i in range(0, len(pictures), columns)]
    tops = np.cumsum([0, *(max(picture.shape[0] for picture in row) + gap for row in rows)])
    paper = np.full((tops[-1] - gap, width * len(rows[0]) - gap, 3), PAPER, np.uint8)
    for row, top in zip(rows, tops):
        for i, picture in enumerate(row):
            paper[top:top + picture.shape[0], i * width:i * width + picture.shape[1]] = picture
    return paper
