import numpy as np
import pytest
from PIL import Image

from schanger_mm.evaluation.predictions import PredictionWriter, image_name, image_paths


@pytest.mark.parametrize(('sample', 'name', 'paths'), [
    (dict(name='city/tile_1', img_path=['A/x.png', 'B/y.png']), 'city/tile_1', ['A/x.png', 'B/y.png']),
    (dict(img_path=['A/x.tif.png', 'B/y.png']), 'x.tif', ['A/x.tif.png', 'B/y.png']),
    (dict(img_path='images/z.jpg'), 'z', ['images/z.jpg']),
    (dict(name='n'), 'n', []),
    (dict(), None, []),
])
def test_names_and_paths(sample, name, paths):
    assert image_name(sample) == name and image_paths(sample) == paths


def test_predictions_are_0_and_255_pngs(tmp_path):
    prediction = np.array([[0, 1, 1], [1, 0, 0]])
    for dtype in (np.int64, np.float32, bool):
        writer = PredictionWriter(tmp_path)
        writer.write(prediction.astype(dtype), dict(name='city/tile.v1'))
        written = np.asarray(Image.open(tmp_path / 'predictions/city/tile.v1.png'))
        assert written.dtype == np.uint8 and written.tolist() == (255 * prediction).tolist()


def test_names_are_taken_once_per_evaluation(tmp_path):
    writer, prediction = PredictionWriter(tmp_path), np.zeros((2, 2))
    writer.write(prediction, dict(img_path='a/x.png'))
    with pytest.raises(ValueError, match=r'b/x.png and a/x.png would both be written to .*predictions/x.png'):
        writer.write(prediction, dict(img_path='b/x.png'))
    writer.write(prediction, dict(name='b/x', img_path='b/x.png'))
    writer.restart()
    writer.write(prediction, dict(img_path='b/x.png'))


def test_a_sample_without_a_name_is_refused(tmp_path):
    with pytest.raises(ValueError, match="neither name nor img_path .* add 'name' and 'img_path' to the meta_keys"):
        PredictionWriter(tmp_path).write(np.zeros((2, 2)), {})
