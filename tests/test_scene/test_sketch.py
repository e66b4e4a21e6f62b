import numpy as np
import shapely

from schanger_mm.scene.sketch import NOWHERE, Sketch


def test_a_small_scene_is_drawn_pixel_by_pixel():
    sketch = Sketch(50, 40, 100)
    sketch.add([shapely.box(10, 5, 20, 8), shapely.box(12, 6, 13, 7)], np.array([2, 4], np.uint8))
    assert (sketch.groups == 2).sum() == 29 and sketch.groups[6, 12] == 4
    part = sketch.at((10, 5, 10, 4), (20, 8))
    assert part.shape == (8, 20) and (part[:6] != NOWHERE).all() and (part[6:] == NOWHERE).all()


def test_a_large_scene_keeps_its_small_polygons():
    sketch = Sketch(10_000, 5_000, 500)
    sketch.add([shapely.box(3_333, 2_001, 3_334, 2_002)], np.array([1], np.uint8))
    sketch.add([], np.array([], np.uint8))
    assert sketch.groups.shape == (250, 500) and (sketch.groups == 1).sum() == 1
    assert (sketch.at((3_300, 2_000, 100, 20), (100, 20))[1, 33]) == 1
