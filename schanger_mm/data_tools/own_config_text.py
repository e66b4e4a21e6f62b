"""The text of a config for a folder of one's own pairs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from schanger_mm.data_tools.image_forms import PERCENTILES, ImageForm
from schanger_mm.data_tools.layout import LABEL, MAPS, TWO_DATES, Split
from schanger_mm.data_tools.sample_check import USUAL_THRESHOLD
from schanger_mm.datasets.class_values import ClassValues
from schanger_mm.geo.scaling import Range
from schanger_mm.utils.band_order import COLOUR_BANDS

BASE = 'schanger_mm::schanger/custom.py'
SEMANTIC_BASE = 'schanger_mm::semantic/semantic_custom.py'
TRAIN, VAL, TEST = 'train', 'val', 'test'
KEYS = dict(zip((*TWO_DATES, LABEL, *MAPS), ('img_path_from', 'img_path_to', 'seg_map_path', 'seg_map_path_from',
                                             'seg_map_path_to')))
"""Keys of ``data_prefix`` by role."""


@dataclass
class Part:
    """What one data loader reads: folders, files by role and stem, stems, and the list (or table) that names them."""

    split: Split
    files: dict[str, dict[str, str]]
    names: list[str]
    ann_file: Path | None = None
    list_split: str | None = None


@dataclass
class ImageSettings:
    """How images of other bands or depth are read.

    Args:
        form: their form.
        scale: the values that become 0 and 255; None for 8-bit images.
        mean, std: of each band in 0..255, date A first; three bands are R, G, B.
    """

    form: ImageForm
    scale: Range | None
    mean: list[float]
    std: list[float]

    def comment(self) -> list[str]:
        """Say what was found."""
        low, high = PERCENTILES
        scaled = '' if self.scale is None else (
            f' Values from {self.scale.low:g} to {self.scale.high:g} become 0 to 255, others are clipped: percentiles '
            f'{low} and {high}')
        return [f'# Images are {self.form.text}.{scaled}', *(
            [] if self.scale is None else ['# of the pairs decoded, rounded outwards to two digits.'])]

    def pipelines(self) -> list[str]:
        """Return the lines that define how images are read and normalised."""
        loader = _call(self.form.settings(str(self.scale)))[len('dict'):]
        lines = ['train_pipeline = _base_.train_pipeline', f'train_pipeline[0].update{loader}']
        if self.form.bands != COLOUR_BANDS:
            lines += ['# Hue and saturation are of colours; bands of a sensor differ by gains.',
                      "train_pipeline[2]['transforms'][5]['transforms'][0]['transforms'][1] = [dict(type='BandGain')]"]
        order = '' if self.form.bands == COLOUR_BANDS else ',\n    bgr_to_rgb=False'
        return [*lines, 'test_pipeline = _base_.test_pipeline', f'test_pipeline[0].update{loader}',
                '# Mean and standard deviation of the training images, date A first, as `schanger stats` has them.',
                f'data_preprocessor = dict(\n    mean={self.mean},\n    std={self.std}{order})', '']


def config_text(out: Path, root: Path, parts: Mapping[str, Part], findings: str, label: Mapping[str, int],
                classes: ClassValues | None = None, images: ImageSettings | None = None, cut: str = '') -> str:
    """Return the config as text.

    Args:
        out: its file.
        root: the data set.
        parts: what is read, by name.
        findings: one line about images and masks.
        label: settings by which the masks are read.
        classes: the classes of both dates, if there are class maps.
        images: how images are read that are not 8-bit with three bands.
        cut: options by which tiles of rasters chose and scaled bands.
    """
    named = {} if classes is None else _class_settings(classes)
    loaders = {name: {**_settings(root, parts.get(name) or parts[VAL]), **label, **named}
               for name in (TRAIN, VAL, TEST)}
    shared = {key: value for key, value in loaders[TRAIN].items()
              if all(settings.get(key) == value for settings in loaders.values())}
    counts = ', '.join(f'{len(parts[name].names)} {what}' for name, what in (
        (TRAIN, 'to train'), (VAL, 'to validate'), (TEST, 'to test')) if name in parts)
    lines = [f'# SChanger-small on the pairs in {root}, written by `schanger config new`:',
             f'#   schanger train {out.name}',
             f'# {counts}; {findings}.']
    if 'label_threshold' in label:
        lines.append(f'# Masks have values between 0 and 255, as lossy files do: from {USUAL_THRESHOLD} up they count '
                     'as changed.')
    if 'label_ignore' in label:
        lines.append(f'# Mask value {label["label_ignore"]} is taken for nodata. If it is a class, write masks of 0 '
                     'and 255.')
    if cut:
        lines.append(f'# The tiles were cut with {cut}; `schanger predict` needs the same options.')
    if images is not None:
        lines += images.comment()
    if classes is not None:
        lines += _about_classes(classes, LABEL in parts[TRAIN].split.folders)
    if TEST not in parts:
        lines.append('# There are no test pairs: `schanger test` scores the validation pairs, which is optimistic, '
                     'since the best checkpoint is chosen on them.')
    lines += [f"_base_ = '{base_of(classes)}'", '', *([] if images is None else images.pipelines()),
              f'pairs = {_call(shared)}']
    for name, settings in loaders.items():
        own = {key: value for key, value in settings.items() if key not in shared}
        read = '' if images is None else f', pipeline={"train" if name == TRAIN else "test"}_pipeline'
        lines.append(f'{name}_dataloader = dict(dataset={_call(own, "**pairs")[:-1]}{read}))')
    colours = images is None or images.form.bands == COLOUR_BANDS
    model = [] if colours else [f'backbone=dict(in_channels={images.form.bands})']
    if classes is not None:
        model.append(f'decode_head=dict(semantic=dict(num_classes={len(classes.names)}))')
    if model:
        lines.append(f'model = dict({", ".join(model)})')
    if images is None:
        ending = ["# Mean and standard deviation of your images, instead of ImageNet's: `schanger stats` prints them."]
    elif colours:
        ending = []
    else:
        ending = ['# To start from weights for colours, say which bands are red, green and blue:',
                  "# custom_hooks = [*_base_.custom_hooks, dict(type='InflateBandsHook', rgb=(3, 2, 1))]"]
    return '\n'.join([
        *lines, '', *ending,
        "# Weights to start from (`schanger fetch pretrain small` fetches the authors'):",
        "# load_from = 'checkpoints/schanger_small_pretrain_mm.pth'",
        '# Without a GPU, for objects of 20 px or more: averages over 2 x 2 px are four times as fast:',
        f'#   schanger train {out.name} --cfg-options model.backbone.stride=2',
        f'# A longer training: `schanger train {out.name} --max-iters 20000`; 3000 iterations are the default.', ''])


def _call(settings: Mapping[str, object], prefix: str = '') -> str:
    return f'dict({", ".join(filter(None, [prefix, *(f"{key}={value!r}" for key, value in settings.items())]))})'


def _settings(root: Path, part: Part) -> dict[str, object]:
    """Return the settings of the data set that reads a part."""
    suffixes, semantic = part.split.suffixes, bool(part.split.maps)
    settings: dict[str, object] = dict(data_root=root.resolve().as_posix())
    folders = {role: folder.relative_to(root).as_posix() for role, folder in part.split.folders.items()}
    settings |= dict(data_prefix={KEYS[role]: folder for role, folder in folders.items()}) if semantic else folders
    if dates := {KEYS[role] if semantic else role: suffixes[role] for role in TWO_DATES if role in suffixes}:
        settings['img_suffix'] = dates
    if LABEL in suffixes:
        settings['seg_map_suffix'] = suffixes[LABEL]
    if part.ann_file is not None:
        settings['ann_file'] = part.ann_file.resolve().as_posix()
    if part.list_split is not None:
        settings['list_split'] = part.list_split
    return settings


def base_of(classes: ClassValues | None) -> str:
    """Return the config that a written one inherits."""
    return BASE if classes is None else SEMANTIC_BASE


def _class_settings(classes: ClassValues) -> dict[str, object]:
    special = dict(unchanged=classes.unchanged, unlabelled=classes.unlabelled)
    return dict(classes=list(classes.names), values=list(classes.values),
                **{name: value for name, value in special.items() if value is not None})


def _about_classes(classes: ClassValues, masked: bool) -> list[str]:
    lines = ['# Give the classes their names; `unlabelled=VALUE` in `pairs` names a value that is no class.']
    if classes.unchanged is not None:
        lines.append(f'# The value {classes.unchanged} means "unchanged": both dates have it at the same pixels. Is it '
                     'a class? Then move it to `values`.')
    if masked:
        lines.append('# Changed is what the masks say; without `seg_map_path` in the folders, where the classes '
                     'differ.')
    return lines
