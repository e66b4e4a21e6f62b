"""Change maps of ordinary images, from just a checkpoint; for rasters of any size see :class:`ChangeDetector`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from itertools import chain, groupby
from pathlib import Path

import numpy as np
import torch
from mmseg.structures import SegDataSample

from schanger_mm.apis.inputs import ImagePair, Images, list_pairs
from schanger_mm.datasets.bitemporal import BiTemporalDataset
from schanger_mm.datasets.class_values import COLOURS
from schanger_mm.datasets.transforms import LoadImage, PackBiTemporalInputs
from schanger_mm.deploy.card import backend_of
from schanger_mm.deploy.trained_reading import loading_of
from schanger_mm.geo.errors import SceneError
from schanger_mm.geo.reading import valid_bands
from schanger_mm.utils.errors import DivergedError
from schanger_mm.utils.files import refuse_existing, write_png
from schanger_mm.visualization import ChangeVisualizer
from schanger_mm.visualization.panel import paint

CLASS_MAPS = dict(before='pred_sem_seg_from', after='pred_sem_seg_to')
"""Folder of the class maps of a date, and their key in a sample."""
PLAIN_STEPS = {'LoadBiTemporalImages', 'LoadChangeLabel', 'LoadSemanticLabels', 'PackBiTemporalInputs'}


class ChangeInferencer:
    """A trained network, applied to pairs of images as ``schanger test`` applies it.

    Example::

        inferencer = ChangeInferencer('work_dirs/levir/best.pth')
        found = inferencer('2019/', '2023/', batch_size=4, out_dir='changes')
        print(dict(zip(found['names'], (mask.mean() for mask in found['predictions']))))

    A checkpoint of our training holds config, classes and palette; nothing in
    it is executed. The interface follows mmseg's inferencer, which cannot be
    the base class because it executes the config of a checkpoint.

    Args:
        model: a checkpoint of our training, or a file that ``schanger publish``
            made from one; a config (with ``weights``); a model of the Hugging
            Face hub (``'hf://org/name'``); or a published checkpoint such as
            ``'levir-base'``.
        weights: checkpoint for a config.
        device: such as ``'cuda:0'``; None: the GPU if there is one.
        precision: ``'fp32'``, ``'bf16'`` or, on a GPU, ``'fp16'``.

    Attributes:
        dataset_meta: ``classes``, two names, and ``palette``, two RGB colours; of a network with classes also
            ``semantic_classes`` and ``semantic_palette``, of which the first is "unchanged".

    Raises:
        SceneError: the model cannot be loaded, or its test pipeline does more than load images.
    """

    def __init__(self, model: str | Path, weights: str | Path | None = None, device: str | None = None,
                 precision: str = 'fp32'):
        from schanger_mm.deploy.model import SceneModel  # imports other modules of this package
        device = device or ('cuda' if torch.cuda.is_available() else 'cpu')
        if backend_of(str(model)) is not None:
            raise SceneError(f'MODEL {model} is an exported network, which ChangeDetector and `schanger predict` run; '
                             'use its checkpoint here.')
        loaded = SceneModel.load(str(model), None if weights is None else str(weights), device, precision)
        self.network, self.weights, self.temperature = loaded.network, loaded.weights, loaded.temperature
        self.allow_grey = _reading(loaded.cfg, str(model))
        self.bands, loading = loaded.bands, loading_of(loaded.cfg, loaded.bands)
        visualizer = loaded.cfg.get('visualizer')
        shown = visualizer.get('bands') if isinstance(visualizer, dict) else None
        self._shown = shown if valid_bands(shown) else None
        self._load = LoadImage(**loading) if loading else None
        self.dataset_meta = _dataset_meta(loaded.weights, loaded.checkpoint_meta)
        if loaded.semantic_classes:
            self.dataset_meta['semantic_classes'] = ('unchanged', *loaded.class_names)
            self.dataset_meta['semantic_palette'] = _class_palette(loaded.weights, loaded.checkpoint_meta,
                                                                   loaded.semantic_classes)
        self._pack = PackBiTemporalInputs()

    @classmethod
    def from_pretrained(cls, model: str | Path, revision: str | None = None, device: str | None = None,
                        precision: str = 'fp32') -> ChangeInferencer:
        """Load a model of the Hugging Face hub; see :meth:`schanger_mm.apis.ChangeDetector.from_pretrained`."""
        from schanger_mm.checkpoints.hub import address_of
        return cls(address_of(model, revision), device=device, precision=precision)

    def __call__(self, before: Images, after: Images, *, names: Sequence[str] | None = None,
                 channel_order: str = 'rgb', batch_size: int = 1, return_datasamples: bool = False,
                 return_vis: bool = False, show: bool = False, wait_time: float = 0, opacity: float = 0.5,
                 out_dir: str | Path | None = None, img_out_dir: str = 'vis', pred_out_dir: str = 'pred',
                 overwrite: bool = False) -> dict[str, list] | list[SegDataSample]:
        """Predict pairs; all inputs are checked before the first is predicted.

        Args:
            before, after, names, channel_order: see :func:`~schanger_mm.apis.inputs.list_pairs`.
            batch_size: pairs per step; consecutive pairs of the same size share
                one. It changes probabilities only by rounding.
            return_datasamples: return mmseg's samples instead of a dict.
            return_vis: return pictures, too.
            show: open each picture in a window.
            wait_time: seconds to leave it open; 0: until a key is pressed.
            opacity: opacity of the palette's colour on changed pixels of the later image.
            out_dir: folder of the files; None writes none.
            img_out_dir: folder in it for pictures, ``<name>.png``; empty writes none.
            pred_out_dir: folder in it for maps of 0 and 255, ``<name>.png``; of a network with classes also
                ``before/<name>.png`` and ``after/<name>.png``, the class of every pixel, from 0, with a palette; empty
                writes none.
            overwrite: replace files of an earlier call.

        Returns:
            Lists in the order of the pairs, even for a single one: ``names``,
            ``predictions`` ((H, W) uint8, 1 changed), ``probabilities`` ((H, W)
            float32), of a network with classes ``classes_before`` and ``classes_after`` ((H, W) uint8, the class of
            every pixel, from 0), and, if requested, ``visualization`` ((H, W, 3) uint8
            RGB). Or the samples, with ``pred_sem_seg``, ``seg_logits`` as mmseg
            makes them, and the metainfo ``name``, ``img_path``, ``classes`` and
            ``palette``.

        Raises:
            InputError, SceneError: wrong inputs, see :func:`list_pairs`; a value out of range; a
                file that two outputs, or an input and an output, would share;
                or a network that yields NaN.
            ExistsError: a file to be written exists; nothing was predicted.
        """
        if batch_size < 1 or not 0 <= opacity <= 1:
            raise SceneError(f'expected a batch_size of 1 or more and an opacity of 0 to 1, found {batch_size} and '
                             f'{opacity}.')
        pairs = list_pairs(before, after, names, channel_order, self.allow_grey, self.bands,
                           self._load)
        masks, pictures = ([] if out_dir is None or not folder else
                           [Path(out_dir, folder, f'{pair.name}.png') for pair in pairs]
                           for folder in (pred_out_dir, img_out_dir))
        maps = {date: [Path(str(out_dir), pred_out_dir, date, f'{pair.name}.png') for pair in pairs]
                for date in CLASS_MAPS if masks and 'semantic_classes' in self.dataset_meta}
        every = [*masks, *chain(*maps.values())]
        _check_outputs(every, pictures, pairs)
        if not overwrite:
            refuse_existing(*every, *pictures)
        samples, visualization = [], []
        for index, (pair, image, sample) in enumerate(self._predict(pairs, batch_size)):
            samples.append(sample)
            if masks:
                write_png(masks[index], self._mask(sample) * 255)
            for date, files in maps.items():
                write_png(files[index], _class_map(sample, date), self.dataset_meta['semantic_palette'][1:])
            if pictures or show or return_vis:
                picture = self.draw(image, self._mask(sample), opacity)
                if pictures:
                    write_png(pictures[index], picture)
                if show:
                    ChangeVisualizer(f'show_{id(self)}').show(picture, win_name=pair.name, wait_time=wait_time)
                if return_vis:
                    visualization.append(picture)
        if return_datasamples:
            return samples
        return dict(names=[pair.name for pair in pairs], predictions=[self._mask(sample) for sample in samples],
                    probabilities=[self._probability(sample) for sample in samples],
                    **self._classes(samples),
                    **(dict(visualization=visualization) if return_vis else {}))

    def draw(self, image: np.ndarray, mask: np.ndarray, opacity: float = 0.5) -> np.ndarray:
        """Draw the palette's colour over the changed pixels of an RGB image ``(H, W, 3)`` uint8."""
        colour = np.array(self.dataset_meta['palette'][1], np.float32)
        return np.where(mask[..., None] == 1, (1 - opacity) * image + opacity * colour, image).round().astype(np.uint8)

    def _predict(self, pairs: list[ImagePair], batch_size: int) -> Iterator[tuple[ImagePair, np.ndarray,
                                                                                  SegDataSample]]:
        """Yield each pair with its later image (as a picture, RGB) and its sample, on the CPU."""
        for _, group in groupby(pairs, key=lambda pair: pair.size):
            same = list(group)
            for start in range(0, len(same), batch_size):
                yield from self._step(same[start:start + batch_size])

    def _step(self, pairs: list[ImagePair]) -> Iterator[tuple[ImagePair, np.ndarray, SegDataSample]]:
        images = [pair.read(self.allow_grey, self._load) for pair in pairs]
        packed = [self._pack(dict(img=dates, img_path=pair.paths, name=pair.name, img_shape=pair.size,
                                  ori_shape=pair.size)) for pair, dates in zip(pairs, images, strict=True)]
        with torch.inference_mode():
            samples = self.network.test_step(dict(inputs=[item['inputs'] for item in packed],
                                                  data_samples=[item['data_samples'] for item in packed]))
        for pair, dates, sample in zip(pairs, images, samples, strict=True):
            if not torch.isfinite(sample.seg_logits.data).all():
                raise DivergedError.at(self.weights, pair.name)
            sample.set_metainfo(self.dataset_meta)
            yield pair, paint(dates[1], self._shown), sample.cpu()

    @staticmethod
    def _classes(samples: Sequence[SegDataSample]) -> dict[str, list[np.ndarray]]:
        """Return the class maps of each date, nothing of a network without classes."""
        return {f'classes_{date}': [_class_map(sample, date) for sample in samples]
                for date, key in CLASS_MAPS.items() if samples and key in samples[0]}

    @staticmethod
    def _mask(sample: SegDataSample) -> np.ndarray:
        return sample.pred_sem_seg.data[0].numpy().astype(np.uint8)

    def _probability(self, sample: SegDataSample) -> np.ndarray:
        values = sample.seg_logits.data  # with one channel, mmseg has already made probabilities
        if len(values) == 2:
            probability = (values / self.temperature).softmax(dim=0)[1]
        elif self.temperature == 1:
            probability = values[0]
        else:
            probability = (values[0].double().logit() / self.temperature).sigmoid()
        return probability.float().numpy()


def _class_map(sample: SegDataSample, date: str) -> np.ndarray:
    return sample.get(CLASS_MAPS[date]).data[0].numpy().astype(np.uint8)


def _check_outputs(masks: list[Path], pictures: list[Path], pairs: list[ImagePair]) -> None:
    def places(files: list) -> set[str]:
        return {os.path.realpath(file).casefold() for file in files}  # many file systems do not tell cases apart

    if len(places(masks)) < len(masks):
        raise SceneError('names: the class maps of a pair are in the folders before and after, where another pair of '
                         'such a name has its map of changes; pass other names=[...].')
    if both := sorted(places(masks) & places(pictures)):
        raise SceneError(f'pred_out_dir and img_out_dir: map and picture would both be {both[0]}; name two folders, or '
                         "disable one with ''.")
    inputs = [date for pair in pairs for date in (pair.before, pair.after) if isinstance(date, str)]
    if lost := sorted(places(inputs) & (places(masks) | places(pictures))):
        raise SceneError(f'out_dir: {lost[0]} is an image that is read here, and would be replaced; use another '
                         'folder.')


def _reading(cfg, model: str) -> bool:
    """Return whether the test pipeline accepts grey images.

    Raises:
        SceneError: it changes images in a way that is not supported here.
    """
    loader = cfg.get('test_dataloader') or {}
    steps = (loader.get('dataset') or {}).get('pipeline') or []
    kinds = {str(step.get('type')).split('.')[-1]: step for step in steps}
    if others := sorted(kinds.keys() - PLAIN_STEPS):
        raise SceneError(f'{model}: its test pipeline has {", ".join(others)}, which only `schanger test` carries out; '
                         f'expected none but {", ".join(sorted(PLAIN_STEPS))}.')
    return bool(kinds.get('LoadBiTemporalImages', {}).get('allow_grey', False))


def _class_palette(weights: str, meta: dict, classes: int) -> list[list[int]]:
    """Return the colours (R, G, B) of "unchanged" and of the classes: those of the data set, if they are known.

    Raises:
        SceneError: what the checkpoint has is no palette.
    """
    found = meta.get('dataset_meta')
    palette = found.get('semantic_palette') if isinstance(found, dict) else None
    if palette is None:
        return [[255, 255, 255], *(list(COLOURS[index % len(COLOURS)]) for index in range(classes))]
    try:
        colours = [[int(value) for value in colour] for colour in palette]
    except (TypeError, ValueError) as error:
        raise SceneError(f'{weights}: its semantic_palette {palette} cannot be read ({error}).') from error
    if len(colours) != classes + 1 or not all(len(colour) == 3 and 0 <= min(colour) <= max(colour) <= 255
                                              for colour in colours):
        raise SceneError(f'{weights}: its semantic_palette is {palette}; expected {classes + 1} RGB colours of 0..255: '
                         'unchanged, and the classes.')
    return colours


def _dataset_meta(weights: str, meta: dict) -> dict:
    """Return classes and palette of a checkpoint; by default, those of all change data sets."""
    found = meta.get('dataset_meta')
    result = {key: (found.get(key) if isinstance(found, dict) else None) or default
              for key, default in BiTemporalDataset.METAINFO.items()}
    try:
        classes = tuple(str(name) for name in result['classes'])
        palette = [[int(value) for value in colour] for colour in result['palette']]
    except (TypeError, ValueError) as error:
        raise SceneError(f'{weights}: its dataset_meta {result} cannot be read ({error}).') from error
    if len(classes) != 2 or [len(colour) for colour in palette] != [3, 3] or not all(
            0 <= value <= 255 for colour in palette for value in colour):
        raise SceneError(f'{weights}: its dataset_meta has classes {classes} and palette {palette}; expected two names '
                         'and two RGB colours of 0..255: unchanged, changed.')
    return dict(classes=classes, palette=palette)
