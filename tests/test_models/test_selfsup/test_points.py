"""Points of two views lie on the same ground."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from schanger_mm.models.selfsup import ClassPointSampler, TwoViews, gather_points, map_points
from schanger_mm.models.selfsup.points import inside

SIZE = 64


def ground(n, size=SIZE):
    """Images whose red and green say where a pixel was, x and y in [0, 1]."""
    y, x = torch.meshgrid(torch.arange(size), torch.arange(size), indexing='ij')
    return (torch.stack([x, y, torch.zeros_like(x)]).float() / 255).repeat(n, 1, 1, 1)


def geometry_only(scale, ratio, size=SIZE):
    views = TwoViews(size=(size, size), scale=scale, ratio=ratio, jitter=(0, 0, 0, 0), mean=0.0, std=1.0)
    views.augment = type(views.augment)(*(step for step in views.augment.children() if 'Blur' not in str(type(step))),
                                        data_keys=['input', 'mask'])
    return views


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.3, 1.0), st.floats(0.5, 1.0))
def test_a_point_is_on_the_same_ground_in_both_views(seed, scale, ratio):
    torch.manual_seed(seed)
    masks = (torch.rand(4, 1, SIZE, SIZE) < 0.3).long()
    view1, view2 = geometry_only((scale, 1.0), (ratio, 1 / ratio))(ground(4), masks)
    points, valid = ClassPointSampler(8)(masks, (view1.matrix, view2.matrix), (SIZE, SIZE))
    for view in (view1, view2):
        places = map_points(points, view.matrix)
        assert inside(places, (SIZE, SIZE))[valid].all()
        shown = 255 * gather_points(view.image, places, stride=1)[..., :2]  # where on the original the view says it is
        cell = 4 / min(view.matrix[:, 0, 0].abs().min(), 1.0)  # one feature cell of stride 4, on the original
        assert ((shown - points)[valid].abs() <= cell).all()
        assert (shown - points)[valid].abs().median() <= 0.75


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6))
def test_points_are_of_their_class_and_balanced(seed):
    torch.manual_seed(seed)
    masks = (torch.rand(3, 1, SIZE, SIZE) < 0.05).long()
    masks[:, :, :8] = 255
    view1, view2 = geometry_only((0.5, 1.0), (0.8, 1.2))(ground(3), masks)
    points, valid = ClassPointSampler()(masks, (view1.matrix, view2.matrix), (SIZE, SIZE))
    assert points.shape == (3, 2, 16, 2) and valid.all()
    for image in range(3):
        for label in (0, 1):
            x, y = points[image, label].T
            assert (masks[image, 0, y, x] == label).all()


@pytest.mark.parametrize('label', [0, 1, 255])
def test_a_class_without_pixels_is_marked_and_not_drawn(label):
    masks = torch.full((2, 1, SIZE, SIZE), label)
    same = torch.eye(3).expand(2, 3, 3)
    points, valid = ClassPointSampler(4)(masks, (same, same), (SIZE, SIZE))
    assert valid.tolist() == [[label == 0, label == 1]] * 2
    assert (points[~valid] == 0).all()


def test_what_only_one_view_shows_is_not_drawn():
    masks = torch.zeros(1, 1, SIZE, SIZE, dtype=torch.long)
    masks[..., 40:] = 1
    left = torch.tensor([[[1., 0, 0], [0, 1, 0], [0, 0, 1]]])
    shifted = torch.tensor([[[1., 0, 30], [0, 1, 0], [0, 0, 1]]])  # shows x from 0 to 33 of the original
    points, valid = ClassPointSampler(64)(masks, (left, shifted), (SIZE, SIZE))
    assert valid.tolist() == [[True, False]]
    assert points[0, 0, :, 0].max() <= SIZE - 1 - 30


def test_drawing_repeats_with_the_seed():
    masks = (torch.rand(2, 1, SIZE, SIZE) < 0.5).long()
    same = torch.eye(3).expand(2, 3, 3)
    draws = []
    for _ in range(2):
        torch.manual_seed(5)
        draws.append(ClassPointSampler(8)(masks, (same, same), (SIZE, SIZE))[0])
    assert torch.equal(*draws)


def test_mixed_precision_does_not_move_points():
    masks = (torch.rand(2, 1, SIZE, SIZE) < 0.5).long()
    matrix = torch.tensor([[1.137, 0, -3.3], [0, 1.291, -7.7], [0, 0, 1]]).expand(2, 3, 3)
    points, _ = ClassPointSampler(512)(masks, (torch.eye(3).expand(2, 3, 3), ), (SIZE, SIZE))
    exact = map_points(points, matrix)
    with torch.autocast('cpu', torch.bfloat16):
        assert torch.equal(map_points(points, matrix), exact)
