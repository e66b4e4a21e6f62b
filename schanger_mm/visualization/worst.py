"""Pictures of the images with the most wrong pixels."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmengine.logging import print_log
from mmengine.runner import Runner
from PIL import Image

from schanger_mm.datasets.transforms import LoadChangeLabel
from schanger_mm.datasets.transforms.loading import loader_of
from schanger_mm.evaluation.predictions import image_name, image_paths
from schanger_mm.evaluation.report import ImageCounts
from schanger_mm.utils.files import write_png
from schanger_mm.visualization import draw_change_panel
from schanger_mm.visualization.change_visualizer import read_picture


def draw_worst(folder: Path, predictions: Path, images: Sequence[ImageCounts], runner: Runner) -> None:
    """Draw ``01_<name>.png``, ``02_<name>.png``, ... in the given order, from the files.

    The truth is read by the test pipeline's ``LoadChangeLabel``; without it
    nothing is drawn, and the log says so.

    Args:
        folder: output folder; a ``/`` in a name becomes ``_``.
        predictions: folder of the 0/255 predictions, ``<name>.png``.
        images: what to draw, the worst first.
        runner: the runner of the test; its data set lists the files.
    """
    if not images:
        return
    dataset = runner.test_dataloader.dataset
    steps = getattr(getattr(dataset, 'pipeline', None), 'transforms', [])
    load_truth = next((step for step in steps if isinstance(step, LoadChangeLabel)), None)
    if load_truth is None:
        print_log(f'the worst images are not drawn: {type(dataset).__name__} has no LoadChangeLabel in a pipeline of '
                  'its own to read their truth with.', logger='current', level=logging.WARNING)
        return
    samples = {image_name(sample): sample for sample in map(dataset.get_data_info, range(len(dataset)))}
    bands = getattr(getattr(runner, 'visualizer', None), 'bands', None)
    digits = max(2, len(str(len(images))))
    for number, image in enumerate(images, start=1):
        sample = samples[image.name]
        pictures = [read_picture(path, loader_of(dataset), load_truth.backend_args, bands)
                    for path in image_paths(sample)]
        shown = [picture for picture in pictures if picture is not None]
        panel = draw_change_panel(
            shown if len(shown) == len(pictures) else [],  # as the visualization hook does
            load_truth.transform(dict(sample))['gt_seg_map'],
            np.asarray(Image.open(predictions / f'{image.name}.png')) // 255,
            f'{number}. {image.name}: {image.counts.fp + image.counts.fn:,} px wrong',
            positive=dataset.metainfo['classes'][1])
        write_png(folder / f'{number:0{digits}d}_{image.name.replace("/", "_")}.png', panel)
