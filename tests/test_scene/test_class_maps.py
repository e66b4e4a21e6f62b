import numpy as np
import pytest

from schanger_mm.geo.errors import SceneError
from schanger_mm.scene.block import quantise
from schanger_mm.scene.class_maps import class_colours, classes_of, encode, with_classes


def test_a_block_with_classes_has_three_layers():
    maps = np.random.default_rng(0).random((7, 4, 5)).astype(np.float32)
    maps[:, 0, 0] = np.nan
    found = encode(maps, 0.3, 3)
    assert found.shape == (3, 4, 5) and found.dtype == np.uint8 and (found[:, 0, 0] == 255).all()
    np.testing.assert_array_equal(found[0], quantise(maps[0], 0.3))
    np.testing.assert_array_equal(found[1][0, 1:], maps[1:4, 0, 1:].argmax(axis=0))
    np.testing.assert_array_equal(found[2][1:], maps[4:, 1:].argmax(axis=0))
    assert (encode(np.full((4, 5), np.nan, np.float32), 0.5, 3) == 255).all()  # no window had data
    np.testing.assert_array_equal(encode(maps[0], 0.3, 0), quantise(maps[0], 0.3))


def test_a_network_without_classes_is_used_as_it_is(truth):
    class Plain:
        def predict(self, images):
            return images[:, 0, 0]

    plain, images = Plain(), np.zeros((2, 2, 3, 4, 4), np.float32)
    assert with_classes(plain) is plain and classes_of(plain) == ()
    assert with_classes(truth()).predict(images).shape == (2, 5, 4, 4)
    with pytest.raises(SceneError, match='truth: it has 255 classes; class maps of scenes hold at most 254'):
        classes_of(truth(('x', ) * 255))


def test_colours_differ_and_backgrounds_are_grey():
    colours = class_colours([f'class {index}' for index in range(30)])
    assert len(set(colours)) == 30 and all(0 <= value <= 255 for colour in colours for value in colour)
    assert class_colours(['other', 'building']) == [(210, 206, 196), colours[0]]
