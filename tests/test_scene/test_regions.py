import cv2
import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from schanger_mm.scene.regions import trace

MASKS = st.tuples(st.integers(1, 12), st.integers(1, 12)).flatmap(
    lambda shape: arrays(np.uint8, shape, elements=st.integers(0, 1)))


def strips(mask, height):
    values = np.arange(mask.size).reshape(mask.shape) % 250
    return ((mask[row:row + height], values[row:row + height]) for row in range(0, len(mask), height))


def found(mask, height, connectivity):
    regions = list(trace(strips(mask, height), connectivity))
    return sorted((r.first, r.pixels, r.value_sum, r.box, r.outline().wkb) for r in regions)


@settings(deadline=None, max_examples=60)
@given(mask=MASKS, height=st.integers(1, 12), connectivity=st.sampled_from([4, 8]))
def test_strips_of_any_height_give_the_same_regions(mask, height, connectivity):
    assert found(mask, height, connectivity) == found(mask, len(mask), connectivity)


@settings(deadline=None, max_examples=60)
@given(mask=MASKS, connectivity=st.sampled_from([4, 8]))
def test_regions_are_the_connected_components(mask, connectivity):
    regions = list(trace(strips(mask, 3), connectivity))
    outlines = [region.outline() for region in regions]

    assert len(regions) == cv2.connectedComponents(mask, connectivity=connectivity)[0] - 1
    assert sum(region.pixels for region in regions) == mask.sum()
    for region, outline in zip(regions, outlines):
        assert outline.is_valid
        assert outline.area == region.pixels
        assert outline.bounds == region.box
    assert shapely.union_all(outlines).area == mask.sum()  # none covers another's ground


@pytest.mark.parametrize('height', [1, 2, 5])
def test_a_hole_stays_a_hole_across_strips(height):
    mask = np.ones((5, 5), np.uint8)
    mask[2, 2] = 0

    region, = trace(strips(mask, height))

    assert region.outline().equals_exact(
        shapely.normalize(shapely.Polygon(shapely.box(0, 0, 5, 5).exterior, [shapely.box(2, 2, 3, 3).exterior])))


def test_corners_join_only_with_connectivity_8():
    mask = np.eye(3, dtype=np.uint8)

    assert len(found(mask, 1, 4)) == 3
    region, = trace(strips(mask, 1), connectivity=8)
    assert region.outline().geom_type == 'MultiPolygon'
    assert (region.pixels, region.first, region.box) == (3, (0, 0), (0, 0, 3, 3))


def test_two_arms_that_meet_below_are_one_region():
    mask = np.array([[1, 0, 1], [1, 0, 1], [1, 1, 1]], np.uint8)

    region, = trace(strips(mask, 1))

    assert region.pixels == 7
    assert region.value_sum == sum(np.flatnonzero(mask))


def test_a_region_is_handed_over_before_the_rows_below_it_are_read():
    read = []

    def rows():
        for row in range(100):
            read.append(row)
            yield np.full((1, 4), row % 2, np.uint8), np.zeros((1, 4), np.uint8)

    next(trace(rows()))

    assert len(read) == 3  # the region in row 1 is complete once row 2 is seen


def test_an_unchanged_map_has_no_regions():
    assert found(np.zeros((7, 5), np.uint8), 2, 4) == []
