"""Change detection on rasters and arrays, from Python.

What works on rasters is imported where it is used: rasterio and its
companions are an extra, and this module is imported with the package.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from schanger_mm.optional import require

if TYPE_CHECKING:
    from schanger_mm.scene.source import PairSpec

EXTRA = 'geo'


@dataclass(frozen=True)
class SceneResult:
    """Where the results of a scene are, and what was found.

    Args:
        paths: path of each file by its name, such as ``change.tif``.
        summary: what ``summary.json`` holds.
    """

    paths: dict[str, str]
    summary: dict


@dataclass(frozen=True)
class ArrayResult:
    """Changes between two arrays.

    Args:
        probability: ``(H, W)`` float32 in 0..1.
        changed: ``(H, W)`` bool, probability above the threshold.
    """

    probability: np.ndarray
    changed: np.ndarray


class ChangeDetector:
    """A trained network, loaded once and applied to any number of pairs.

    Example::

        detector = ChangeDetector('work_dirs/levir/best.pth')
        result = detector.predict('2019.tif', '2023.tif', out='changes')
        print(result.paths['change.gpkg'], result.summary['pixels'])

    Args:
        model: a config file, a checkpoint of our training (which holds its
            config), an exported file, or a published checkpoint such as
            ``'levir-base'``.
        weights: checkpoint for a config, or the name of a published one.
        device: such as ``'cuda:0'``; None: the GPU where there is one.
        precision: ``'fp32'``, ``'bf16'`` or, on a GPU, ``'fp16'``.
        trust: load a ``.pt2`` export, which can run code; nothing else needs it.

    Raises:
        ImportError: rasterio and its companions are not installed.
        ValueError: the model cannot be loaded; says why.
    """

    def __init__(self, model: str | Path, weights: str | Path | None = None, device: str | None = None,
                 precision: str = 'fp32', trust: bool = False):
        require('rasterio', EXTRA, 'Predicting scenes')
        from schanger_mm.scene.model import SceneModel
        device = device or ('cuda' if torch.cuda.is_available() else 'cpu')
        self.model = SceneModel.load(str(model), None if weights is None else str(weights), device, precision,
                                     trust)

    def predict(self, before: str | Path, after: str | Path, out: str | Path, *, bands: Sequence[int] | None = None,
                scale: str | None = None, nodata: float | None = None, align: bool = False, gsd: float | None = None,
                workers: int | None = None, scheduler: str | None = None, **settings) -> SceneResult:
        """Predict a pair of rasters of any size.

        Args:
            before, after: rasters on one grid, earlier date first.
            out: folder for ``change.tif``, ``probability.tif``, ``change.gpkg``,
                ``summary.json`` and ``report.html``.
            bands: red, green and blue, counted from 1; None where both have three.
            scale: how values become 0..255, such as ``'0:3000'``; see :class:`Scaling`.
            nodata: value of pixels without data, where the rasters do not name it.
            align: warp the later date onto the grid of the earlier one.
            gsd: read both at this ground sampling distance, metres.
            workers: predict on so many processes (Dask).
            scheduler: predict on a running Dask cluster.
            **settings: fields of :class:`schanger_mm.scene.run.Settings`, such as ``threshold``.

        Raises:
            SceneError: in words; see :func:`schanger_mm.scene.run.predict_scene`.
        """
        from schanger_mm.scene.run import Settings, predict_scene
        spec = pair_spec(str(before), str(after), bands, scale, nodata, align, gsd)
        runner = None
        if workers is not None or scheduler is not None:
            from schanger_mm.scene.dask_runner import DaskRunner
            runner = DaskRunner(workers, scheduler)
        summary = predict_scene(spec, self.model, out, Settings(**settings), runner)
        return SceneResult(summary.pop('outputs'), summary)

    def predict_array(self, before: np.ndarray, after: np.ndarray, *, window: int = 256, overlap: int = 128,
                      batch_size: int = 4, threshold: float | None = None) -> ArrayResult:
        """Predict two images in memory, in the windows that rasters are predicted in.

        Args:
            before, after: ``(H, W, 3)`` uint8, RGB, of one size.
            window, overlap, batch_size, threshold: as in :class:`Settings`.

        Raises:
            SceneError: arrays of another kind.
        """
        from schanger_mm.scene.arrays import predict_arrays
        probability = predict_arrays(before, after, self.model, window, overlap, batch_size)
        return ArrayResult(probability, probability > (self.model.threshold if threshold is None else threshold))


def pair_spec(before: str, after: str, bands: Sequence[int] | None = None, scale: str | None = None,
              nodata: float | None = None, align: bool = False, gsd: float | None = None) -> PairSpec:
    """Make a :class:`PairSpec` from what a user writes.

    Raises:
        SceneError: values out of range, or a scaling rule that is none.
    """
    from schanger_mm.scene.scaling import Scaling
    from schanger_mm.scene.source import PairSpec
    return PairSpec(before, after, None if bands is None else tuple(bands),
                    None if scale is None else Scaling.parse(scale), align, gsd, nodata)
