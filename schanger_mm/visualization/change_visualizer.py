"""The visualizer of change maps."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import mmcv
import numpy as np
from mmengine.dist import master_only
from mmengine.fileio import get
from mmengine.structures import BaseDataElement
from mmengine.visualization import Visualizer
from PIL import Image, PngImagePlugin

from schanger_mm.datasets.transforms.loading import LoadImage
from schanger_mm.evaluation.confusion import as_map
from schanger_mm.registry import VISUALIZERS
from schanger_mm.utils.errors import SettingError
from schanger_mm.utils.files import whole_file
from schanger_mm.visualization import colours
from schanger_mm.visualization.panel import draw_change_panel, paint

MARK = 'Software', 'schanger_mm, change panel'
"""Text in a PNG file that identifies our pictures."""


@VISUALIZERS.register_module()
class ChangeVisualizer(Visualizer):
    """mmengine's visualizer, drawing ``before | after | truth | prediction`` panels.

    See :func:`draw_change_panel` for what a panel shows. Of a sample with the
    classes of both dates, it also shows the class of changed pixels before and after, in the colours of the data set's
    ``semantic_palette``. Texts take the
    positive class's name from the data set's ``classes``.

    Args:
        name: name of the instance.
        ignore_index: truth value of ignored pixels.
        bands: numbers, from 1, of the bands that are shown as red, green and blue where images have more than three;
            None: those of :func:`~schanger_mm.visualization.panel.paint`.
        **kwargs: those of :class:`mmengine.visualization.Visualizer`.
    """

    def __init__(self, name: str = 'visualizer', ignore_index: int = 255, bands: Sequence[int] | None = None, **kwargs):
        super().__init__(name, **kwargs)
        self.ignore_index = ignore_index
        self.bands = bands

    @master_only
    def add_datasample(self,
                       name: str,
                       image: np.ndarray | Sequence[np.ndarray],
                       data_sample: BaseDataElement | None = None,
                       draw_gt: bool = True,
                       draw_pred: bool = True,
                       show: bool = False,
                       wait_time: float = 0,
                       out_file: str | None = None,
                       step: int = 0,
                       title: str | None = None) -> np.ndarray:
        """Draw one sample; show it, write it to a file or pass it to the backends.

        Args:
            name: identifier for backends and window.
            image: a list of two RGB images ``(H, W, 3)``, date A first, or one image.
            data_sample: an mmseg ``SegDataSample`` with ``gt_sem_seg`` and / or
                ``pred_sem_seg``; None draws the images alone.
            draw_gt: draw the truth, if any, and colour the prediction by it.
            draw_pred: draw the prediction, if any.
            show: open a window instead of storing.
            wait_time: seconds to leave it open; 0 is until a key is pressed.
            out_file: write the panel there instead of passing it to the
                backends; a ``.png`` contains :data:`MARK`.
            step: iteration under which backends store it.
            title: text above the panel; ``name`` by default.

        Returns:
            The panel, RGB uint8 ``(height, width, 3)``; None on other processes than the first.

        Raises:
            ValueError: the sample's truth and prediction do not fit together.
        """
        truth = data_sample.gt_sem_seg.data if draw_gt and 'gt_sem_seg' in (data_sample or ()) else None
        prediction = (
            data_sample.pred_sem_seg.data if draw_pred and 'pred_sem_seg' in (data_sample or ()) else None)
        try:
            panel = draw_change_panel(image, truth, prediction, name if title is None else title,
                                      self.ignore_index, self._positive_name(),
                                      **self._classes(data_sample if draw_pred else None))
        except ValueError as error:
            raise SettingError(f'ChangeVisualizer: {name}: {error}') from error
        if show:
            self.show(panel, win_name=name, wait_time=wait_time)
        elif out_file is not None:
            _write(Path(out_file), panel)
        else:
            self.add_image(name, panel, step)
        return panel

    def _classes(self, sample: BaseDataElement | None) -> dict:
        """Return pictures of the predicted classes of both dates and their legend, nothing without classes."""
        meta = self.dataset_meta or {}
        names, palette = meta.get('semantic_classes'), meta.get('semantic_palette')
        keys = dict(before='pred_sem_seg_from', after='pred_sem_seg_to')
        if not names or not palette or sample is None or any(key not in sample for key in keys.values()):
            return {}
        changed = as_map(sample.pred_sem_seg.data) == 1
        table = np.array([colours.GROUND, *palette[1:]], np.uint8)
        cells = []
        for date, key in keys.items():
            index = np.where(changed, as_map(sample.get(key).data).astype(np.int64) + 1, 0)
            cells.append((f'{date}: class', table[index.clip(max=len(table) - 1)]))
        return dict(classes=cells, class_colours=list(zip(names[1:], map(tuple, palette[1:]))))

    def _positive_name(self) -> str:
        classes = list((self.dataset_meta or {}).get('classes') or [])
        return str(classes[1]) if len(classes) == 2 else 'changed'


def is_panel(path: Path) -> bool:
    """Return whether a file is a picture that :class:`ChangeVisualizer` wrote."""
    try:
        with Image.open(path) as picture:
            return picture.info.get(MARK[0]) == MARK[1]
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):  # not a picture, or a damaged one
        return False


def _write(path: Path, panel: np.ndarray) -> None:
    if path.suffix.lower() != '.png':
        mmcv.imwrite(mmcv.rgb2bgr(panel), str(path))
        return
    mark = PngImagePlugin.PngInfo()
    mark.add_text(*MARK)
    with whole_file(path) as partial:
        Image.fromarray(panel).save(partial, format='PNG', pnginfo=mark, compress_level=1)


def read_picture(path: str, loader: LoadImage | None = None, backend_args: dict | None = None,
                 bands: Sequence[int] | None = None) -> np.ndarray | None:
    """Read an image to be shown.

    Args:
        path: its file.
        loader: the transform that loads the images of the data set; one that reads bands reads this one, too.
        backend_args: as in ``mmengine.fileio``.
        bands: which bands are shown, see :func:`~schanger_mm.visualization.panel.paint`.

    Returns:
        RGB ``(H, W, 3)`` at its own bit depth, not rotated, as in training; None if cv2 cannot read it.
    """
    if loader is not None and loader.reading is not None:
        return paint(loader.reading.read(path, loader.backend_args), bands)
    flag = cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH | cv2.IMREAD_IGNORE_ORIENTATION
    image = mmcv.imfrombytes(get(path, backend_args=backend_args), flag=flag)
    return None if image is None else image[..., ::-1]
