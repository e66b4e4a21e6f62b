from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from schanger_mm.registry import VISUALIZERS
from schanger_mm.visualization import ChangeVisualizer, draw_change_panel
from schanger_mm.visualization.change_visualizer import is_panel

IMAGES = [np.full((32, 32, 3), 90, np.uint8), np.full((32, 32, 3), 160, np.uint8)]
TRUTH = torch.zeros(1, 32, 32, dtype=torch.int64)
TRUTH[:, :8] = 1
PREDICTION = TRUTH.roll(4, 1)


def data_sample(truth=TRUTH, prediction=PREDICTION):
    sample = SegDataSample()
    if truth is not None:
        sample.gt_sem_seg = PixelData(data=truth)
    if prediction is not None:
        sample.pred_sem_seg = PixelData(data=prediction)
    return sample


def test_the_panel_is_stored_by_the_backend(tmp_path):
    visualizer = VISUALIZERS.build(dict(type='ChangeVisualizer', name=tmp_path.name, save_dir=str(tmp_path),
                                        vis_backends=[dict(type='LocalVisBackend')]))
    panel = visualizer.add_datasample('val_x', IMAGES, data_sample(), step=30)
    stored = cv2.imread(str(tmp_path / 'vis_data' / 'vis_image' / 'val_x_30.png'))[..., ::-1]
    assert (stored == panel).all()
    assert (panel == draw_change_panel(IMAGES, TRUTH, PREDICTION, 'val_x')).all()


def test_the_panel_goes_to_a_file(tmp_path):
    file = str(tmp_path / 'new' / 'x.png')
    panel = ChangeVisualizer().add_datasample('x', IMAGES, data_sample(), out_file=file)
    assert (cv2.imread(file)[..., ::-1] == panel).all()
    assert is_panel(Path(file))
    cv2.imwrite(file, panel)
    assert not is_panel(Path(file)) and not is_panel(tmp_path) and not is_panel(tmp_path / 'none.png')


@pytest.mark.parametrize(('sample', 'kwargs', 'truth', 'prediction'), [
    (data_sample(truth=None), {}, None, PREDICTION),
    (data_sample(prediction=None), {}, TRUTH, None),
    (data_sample(), dict(draw_gt=False), None, PREDICTION),
    (data_sample(), dict(draw_pred=False), TRUTH, None),
    (None, {}, None, None),
])
def test_what_is_absent_or_switched_off_is_not_drawn(sample, kwargs, truth, prediction):
    panel = ChangeVisualizer().add_datasample('x', IMAGES, sample, **kwargs)
    assert (panel == draw_change_panel(IMAGES, truth, prediction, 'x')).all()


def test_the_class_name_comes_from_the_data_set():
    visualizer = ChangeVisualizer()
    visualizer.dataset_meta = dict(classes=('background', 'building'))
    panel = visualizer.add_datasample('x', IMAGES[0], data_sample(), title='')
    assert (panel == draw_change_panel(IMAGES[0], TRUTH, PREDICTION, '', positive='building')).all()


def test_a_misfit_is_named():
    with pytest.raises(ValueError, match='ChangeVisualizer: x: the prediction is 9 x 32'):
        ChangeVisualizer().add_datasample('x', IMAGES, data_sample(prediction=PREDICTION[:, :9]))


def test_classes_of_changed_pixels_are_drawn_for_both_dates():
    sample = data_sample()
    for date, value in (('from', 0), ('to', 1)):
        sample.set_data({f'pred_sem_seg_{date}': PixelData(data=torch.full((1, 32, 32), value))})
    visualizer = ChangeVisualizer()
    plain = visualizer.add_datasample('x', IMAGES, sample)
    visualizer.dataset_meta = dict(classes=('unchanged', 'changed'), semantic_classes=('unchanged', 'field', 'house'),
                                   semantic_palette=[[255, 255, 255], [0, 155, 0], [230, 30, 100]])
    panel = visualizer.add_datasample('x', IMAGES, sample)
    assert panel.shape[1] > plain.shape[1]
    for colour in ((0, 155, 0), (230, 30, 100)):  # eight of 32 columns, each pixel eight times as large, and the legend
        count = (panel == colour).all(axis=2).sum()
        assert 8 * 32 * 64 < count < 8 * 32 * 64 + 2000
        assert not (plain == colour).all(axis=2).any()
