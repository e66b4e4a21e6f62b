import numpy as np
import pytest
import torch

from schanger_mm.models.semi.cutmix import draw_boxes, paste


def boxes_by_the_authors_rule(count, size, prob):
    """A box per view: area 2 to 40 %, aspect 0.3 to 1 / 0.3, drawn again until it fits (UniMatch's published rule)."""
    masks = np.zeros((count, *size), bool)
    for mask in masks:
        if np.random.rand() >= prob:
            continue
        area = np.random.uniform(0.02, 0.4) * size[0] * size[1]
        while True:
            ratio = np.random.uniform(0.3, 1 / 0.3)
            w, h = int(np.sqrt(area / ratio)), int(np.sqrt(area * ratio))
            y, x = np.random.randint(0, size[0]), np.random.randint(0, size[1])
            if x + w <= size[1] and y + h <= size[0]:
                break
        mask[y:y + h, x:x + w] = True
    return masks


def test_boxes_are_those_of_the_published_rule():
    np.random.seed(0)
    boxes = draw_boxes(300, (32, 48), prob=0.5)
    np.random.seed(0)
    assert np.array_equal(boxes.numpy(), boxes_by_the_authors_rule(300, (32, 48), 0.5))
    shares = boxes.float().mean((1, 2)).numpy()
    assert 120 < (shares > 0).sum() < 180
    assert 0.01 < shares[shares > 0].min() and shares.max() <= 0.4
    assert not draw_boxes(5, (8, 8), prob=0).any() and draw_boxes(5, (32, 32), prob=1).any((1, 2)).all()


def test_what_lies_in_a_box_is_replaced_in_all_channels():
    rng = np.random.default_rng(0)
    boxes = rng.random((3, 4, 5)) < 0.5
    onto, source = rng.random((2, 3, 6, 4, 5))
    expected = np.where(boxes[:, None], source, onto)
    found = paste(torch.from_numpy(boxes), torch.from_numpy(onto), torch.from_numpy(source))
    assert np.array_equal(found.numpy(), expected)
    found = paste(torch.from_numpy(boxes), torch.from_numpy(onto[:, 0]), torch.from_numpy(source[:, 0]))
    assert np.array_equal(found.numpy(), expected[:, 0])


@pytest.mark.parametrize('size', [(8, 400), (400, 8)])
def test_crops_too_long_for_any_box_get_one_as_wide_as_they_are(size):
    np.random.seed(0)
    boxes = draw_boxes(40, size, prob=1.0)
    sides = [tuple(int(line.any(axis).sum()) for axis in (1, 0)) for line in boxes]
    assert all(0 < height * width == int(box.sum()) <= 0.4 * 3200 for (height, width), box in zip(sides, boxes))
    assert sum(8 in one for one in sides) > 10
