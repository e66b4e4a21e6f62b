"""Draw panels of predictions during validation and test."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import BaseLoop
from mmengine.structures import BaseDataElement

from schanger_mm.datasets.transforms.loading import loader_of
from schanger_mm.evaluation.predictions import image_name, image_paths
from schanger_mm.registry import HOOKS
from schanger_mm.utils.errors import SettingError
from schanger_mm.visualization import ChangeVisualizer
from schanger_mm.visualization.change_visualizer import is_panel, read_picture


@HOOKS.register_module()
class ChangeVisualizationHook(Hook):
    """Draw every ``interval``-th image of a validation or test, from the files as they are on disk.

    Pictures are named after the image (its ``name``, else date A's stem).
    Validation hands them to the visualizer's backends with the iteration:
    ``LocalVisBackend`` writes
    ``<work_dir>/<time>/vis_data/vis_image/val_<name>_<iteration>.png``, where a
    ``/`` of a name becomes ``_``. Test does the same (``test_<name>``) or writes
    ``<test_out_dir>/<name>.png``, sub-folders included. The same images are
    drawn each time. With several processes the first draws
    from its share. An image that cv2 cannot read is left out of its panel, and
    this is logged once.

    Args:
        draw: draw at all.
        interval: draw images 0, interval, 2 * interval, ...
        max_images: at most so many per validation or test; None: no limit.
        show: open windows instead of writing.
        wait_time: seconds that a window stays; 0 is until a key is pressed.
        test_out_dir: folder of the test's panels (``--show-dir``).
        backend_args: of mmengine's file backend that reads the images.

    Raises:
        ValueError: ``interval`` below 1; and when drawing starts, a visualizer
            of another type, none of window, folder and backend to draw to, a
            ``test_out_dir`` in a folder of the data set, or files in it that
            are no pictures of an earlier test.
    """

    priority = 'NORMAL'

    def __init__(self,
                 draw: bool = False,
                 interval: int = 50,
                 max_images: int | None = None,
                 show: bool = False,
                 wait_time: float = 0.,
                 test_out_dir: str | None = None,
                 backend_args: dict | None = None):
        if interval < 1:
            raise SettingError(f'ChangeVisualizationHook: interval={interval}; expected 1 or more.')
        self.draw = draw
        self.interval = interval
        self.max_images = max_images
        self.show = show
        self.wait_time = wait_time
        self.test_out_dir = test_out_dir
        self.backend_args = backend_args
        self._warned = False
        self._restart()

    def _restart(self) -> None:
        self._seen = self._drawn = 0
        self._names: Counter[str] = Counter()

    def before_val_epoch(self, runner) -> None:
        """Count images from 0, and check that there is something to draw with."""
        self._restart()
        self._check(runner.visualizer, out_dir=None)

    def before_test_epoch(self, runner) -> None:
        """Count images from 0, and check that there is something to draw with."""
        self._restart()
        self._check(runner.visualizer, self.test_out_dir)

    def after_val_iter(self, runner, batch_idx: int, data_batch: dict | None = None,
                       outputs: Sequence[BaseDataElement] | None = None) -> None:
        """Draw from a batch of validation results."""
        self._draw_batch(runner, outputs, 'val')

    def after_test_iter(self, runner, batch_idx: int, data_batch: dict | None = None,
                        outputs: Sequence[BaseDataElement] | None = None) -> None:
        """Draw from a batch of test results."""
        self._draw_batch(runner, outputs, 'test')

    def _check(self, visualizer, out_dir: str | None) -> None:
        if not self.draw:
            return
        if not isinstance(visualizer, ChangeVisualizer):
            raise SettingError(
                'ChangeVisualizationHook draws with a ChangeVisualizer, the runner has a '
                f"{type(visualizer).__name__}; set visualizer=dict(type='schanger_mm.ChangeVisualizer', "
                "vis_backends=[dict(type='LocalVisBackend')]).")
        if not (self.show or out_dir or visualizer._vis_backends):
            raise SettingError(
                'ChangeVisualizationHook: draw=True, but the visualizer has no vis_backends to store panels; '
                "add vis_backends=[dict(type='LocalVisBackend')], or set test_out_dir or show.")

    def _draw_batch(self, runner, outputs: Sequence[BaseDataElement] | None, mode: str) -> None:
        if not self.draw or not is_main_process():
            return
        for sample in outputs or ():
            wanted = self._seen % self.interval == 0 and (
                self.max_images is None or self._drawn < self.max_images)
            if wanted:
                self._draw_one(runner, sample, mode)
                self._drawn += 1
            self._seen += 1

    def _draw_one(self, runner, sample: BaseDataElement, mode: str) -> None:
        paths = image_paths(sample)
        title = image_name(sample) or f'{self._seen:05d}'
        out_file = None
        if mode == 'test' and self.test_out_dir:
            name = self._own_name(title)
            out_file = str(Path(self.test_out_dir) / f'{name}.png')
            self._refuse_others(Path(out_file), [*paths, sample.get('seg_map_path')])
        else:  # backends write into one folder
            name = self._own_name(title.replace('/', '_'))
        runner.visualizer.add_datasample(
            f'{mode}_{name}', self._read(runner, paths, mode), sample, show=self.show,
            wait_time=self.wait_time, out_file=out_file, step=_iteration(runner), title=title)

    def _refuse_others(self, out_file: Path, inputs: Sequence[str | None]) -> None:
        folder = Path(self.test_out_dir or '').resolve()
        for path in filter(None, inputs):
            if folder.is_relative_to(Path(path).resolve().parent):
                raise SettingError(f'--show-dir {self.test_out_dir}: {Path(path).parent} is a folder of the data set, '
                                   'whose files the pictures would replace or join; use another folder.')
        if out_file.exists() and not is_panel(out_file):
            raise SettingError(f'--show-dir {self.test_out_dir}: {out_file} exists and is not a picture of an earlier '
                               'test; it was not changed: use another folder, or move it away.')

    def _own_name(self, name: str) -> str:
        """Number images of the same name (tiles of one file), so that none overwrites another."""
        self._names[name] += 1
        return name if self._names[name] == 1 else f'{name}_{self._names[name]}'

    def _read(self, runner, paths: Sequence[str], mode: str) -> list[np.ndarray]:
        """Read RGB images at their own bit depth; none of them where one cannot be read."""
        images = []
        loader = loader_of(getattr(getattr(runner, f'{mode}_dataloader', None), 'dataset', None))
        for path in paths:
            image = read_picture(path, loader, self.backend_args, getattr(runner.visualizer, 'bands', None))
            if image is None:
                if not self._warned:
                    print_log(f'ChangeVisualizationHook: cv2 cannot read {path}; such panels show the maps '
                              'only. This is reported once.', logger='current', level=logging.WARNING)
                self._warned = True
                return []
            images.append(image)
        return images


def _iteration(runner) -> int:
    """Return the training iteration, 0 in a test; asking the runner would build the training set."""
    return runner.iter if isinstance(runner._train_loop, BaseLoop) else 0
