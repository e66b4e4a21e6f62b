"""Change detection on rasters and arrays, from Python.

Code for rasters is imported where it is used: rasterio and related packages
are an extra, and this module is imported with the package.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from schanger_mm.utils.optional import require

if TYPE_CHECKING:
    from schanger_mm.deploy.load import Model
    from schanger_mm.geo.pair import PairSpec

EXTRA = 'geo'


@dataclass(frozen=True)
class SceneResult:
    """The result files of a scene, and a summary.

    Args:
        paths: path of each file by its name, such as ``change.tif``.
        summary: the content of ``summary.json``.
    """

    paths: dict[str, str]
    summary: dict


@dataclass(frozen=True)
class ArrayResult:
    """Changes between two arrays.

    Args:
        probability: ``(H, W)`` float32 in 0..1.
        changed: ``(H, W)`` bool, probability above the threshold.
        before, after: of a network with classes: ``(H, W)`` uint8, the class of each pixel of a date, changed or not,
            as a place in ``classes``; else None.
        classes: names of the classes; empty without them.
    """

    probability: np.ndarray
    changed: np.ndarray
    before: np.ndarray | None = None
    after: np.ndarray | None = None
    classes: tuple[str, ...] = ()


class ChangeDetector:
    """A trained network, loaded once and applied to any number of pairs.

    Example::

        detector = ChangeDetector('work_dirs/levir/best.pth')
        result = detector.predict('2019.tif', '2023.tif', out='changes')
        print(result.paths['change.gpkg'], result.summary['pixels'])

    Args:
        model: a config file, a checkpoint of our training (which holds its
            config), an exported file, a model of the Hugging Face hub
            (``'hf://org/name'``), or a published checkpoint such as ``'levir-base'``.
        weights: checkpoint for a config, or the name of a published one.
        device: such as ``'cuda:0'``; None: the GPU if there is one.
        precision: ``'fp32'``, ``'bf16'`` or, on a GPU, ``'fp16'``.
        semantic: config or checkpoint of a segmentation network for single images, which classifies each date; for
            a ``model`` that predicts change only.
        semantic_weights: checkpoint for ``semantic``, if that is a config.

    Raises:
        MissingPackageError: rasterio or related packages are not installed.
        SceneError: the model cannot be loaded; the message says why.
    """

    def __init__(self, model: str | Path, weights: str | Path | None = None, device: str | None = None,
                 precision: str = 'fp32', semantic: str | Path | None = None,
                 semantic_weights: str | Path | None = None):
        require('rasterio', EXTRA, 'Predicting scenes')
        from schanger_mm.deploy.load import load_model
        from schanger_mm.utils.errors import SettingError
        if semantic is None and semantic_weights is not None:
            raise SettingError(f'--semantic-weights {semantic_weights}: expected --semantic CONFIG beside it.')
        single = None if semantic is None else (str(semantic), None if semantic_weights is None else
                                                str(semantic_weights))
        self.model = load_model(str(model), None if weights is None else str(weights), device, precision,
                                semantic=single)

    @classmethod
    def from_pretrained(cls, model: str | Path, revision: str | None = None, device: str | None = None,
                        precision: str = 'fp32') -> ChangeDetector:
        """Load a model of the Hugging Face hub; see docs/hub.md.

        Args:
            model: ``'org/name'``, or a folder with ``model.safetensors`` and ``config.json``.
            revision: branch, tag or commit; None: the newest commit of ``main``.
            device, precision: as of the class.

        Raises:
            HubError: there is no such model, it cannot be reached, or it holds no plain weights.
            SceneError: the model cannot be loaded; the message says why.
        """
        from schanger_mm.checkpoints.hub import address_of
        return cls(address_of(model, revision), device=device, precision=precision)

    def predict(self, before: str | Path, after: str | Path, out: str | Path, *,
                bands: str | Sequence[int] | Sequence[Sequence[int]] | None = None,
                scale: str | None = None, nodata: float | None = None, align: bool = False, gsd: float | None = None,
                ignore_alpha: bool = False, remote: bool = False, asset: str | None = None,
                workers: int | None = None, scheduler: str | None = None, progress: str = 'bar',
                show_bands: str | Sequence[int] | None = None, **settings) -> SceneResult:
        """Predict a pair of rasters of any size.

        Args:
            before, after: rasters on one grid, earlier date first; with ``remote`` also addresses of GeoTIFFs and STAC
                items.
            out: folder for ``change.tif``, ``probability.tif``, ``change.gpkg``,
                ``summary.json`` and ``report.html``; with classes also ``class_before.tif``, ``class_after.tif`` and
                ``change.qml``.
            bands: as many as the network takes, counted from 1, red first of three, or one such list per date, as
                numbers or as text (``'3,2,1/4,3,2'``); None: those of the training, or all if both have so many.
            scale: how values become 0..255, such as ``'0:3000'``; see :class:`Scaling`; None: as in the training.
            nodata: value of pixels without data, if the rasters do not define it.
            align: warp the later date onto the grid of the earlier one.
            gsd: read both at this ground sampling distance, metres.
            ignore_alpha: treat a band marked as alpha as an ordinary band, such as near infrared.
            remote: read addresses, ``https://`` and ``s3://``, and STAC items; see docs/scenes.md.
            asset: name of the raster in STAC items; None: the only GeoTIFF with the role data or visual.
            workers: number of processes to predict on (Dask).
            scheduler: predict on a running Dask cluster.
            progress: ``'bar'``, on terminals, or ``'json'``: lines of JSON on stderr.
            show_bands: bands that the page shows as red, green and blue, from 1 in the order of the network.
            **settings: fields of :class:`schanger_mm.scene.run.Settings`, such as ``threshold``.

        Raises:
            SceneError: see :func:`schanger_mm.scene.run.predict_scene`.
            LockedError: another process writes to ``out``.
        """
        from schanger_mm.scene.look import parse_shown
        from schanger_mm.scene.plan import Settings
        from schanger_mm.scene.run import predict_scene
        from schanger_mm.utils.files import results_folder
        from schanger_mm.utils.locking import locked
        spec = pair_spec(os.fspath(before), os.fspath(after), bands, scale, nodata, align, gsd, ignore_alpha, remote,
                         asset, self.model)
        if show_bands is not None:
            settings['show_bands'] = parse_shown(show_bands) if isinstance(show_bands, str) else tuple(show_bands)
        runner = None
        if workers is not None or scheduler is not None:
            from schanger_mm.scene.workers import DaskRunner
            runner = DaskRunner(workers, scheduler)
        with locked(results_folder(out)):
            summary = predict_scene(spec, self.model, out, Settings(**settings), runner, progress=progress)
        return SceneResult(summary.pop('outputs'), summary)

    def predict_array(self, before: np.ndarray, after: np.ndarray, *, window: int = 256, overlap: int = 128,
                      batch_size: int = 4, threshold: float | None = None) -> ArrayResult:
        """Predict two images in memory, in windows as for rasters.

        Args:
            before, after: ``(H, W, C)`` uint8 of one size, RGB if C is 3, otherwise in the order of the training; of a
                network that was trained on scaled values also float32, scaled to 0..255.
            window, overlap, batch_size, threshold: as in :class:`Settings`.

        Raises:
            SceneError: other arrays.
        """
        from schanger_mm.scene.serial import predict_arrays, predict_semantic_arrays
        options = (before, after, self.model, window, overlap, batch_size)
        classes = self.model.class_names
        one = other = None
        if classes:
            probability, one, other = predict_semantic_arrays(*options)
        else:
            probability = predict_arrays(*options)
        changed = probability > (self.model.threshold if threshold is None else threshold)
        return ArrayResult(probability, changed, one, other, classes)


def pair_spec(before: str, after: str, bands: str | Sequence[int] | Sequence[Sequence[int]] | None = None,
              scale: str | None = None, nodata: float | None = None, align: bool = False, gsd: float | None = None,
              ignore_alpha: bool = False, remote: bool = False, asset: str | None = None,
              model: Model | None = None) -> PairSpec:
    """Make a :class:`PairSpec` from a user's options, with as many bands as ``model`` takes (None: three).

    Raises:
        SceneError: values out of range, an invalid scaling rule, or a STAC item that leads to no raster.
    """
    from schanger_mm.geo.errors import SceneError
    from schanger_mm.geo.pair import PairSpec, as_bands, parse_bands
    from schanger_mm.geo.raster import BANDS
    from schanger_mm.geo.reading import Reading
    from schanger_mm.geo.scaling import Scaling
    from schanger_mm.geo.stac import is_item, raster_of
    if asset is not None and not (is_item(before) or is_item(after)):
        raise SceneError(f'--asset {asset}: neither date is a STAC item (.json, or .../items/ID).')
    before, after = (raster_of(date, asset, remote) for date in (before, after))
    count, trained = (BANDS, Reading()) if model is None else (model.bands, model.reading)
    return PairSpec(before, after, parse_bands(bands) if isinstance(bands, str) else as_bands(bands),
                    None if scale is None else Scaling.parse(scale), align, gsd, nodata, ignore_alpha, remote,
                    count, trained)
