"""SaDL's pieces against the authors' numbers."""

import pytest
import torch
from safetensors.torch import load_file

from schanger_mm.models.selfsup import consistency_loss, discrimination_loss, gather_points, swap_background


@pytest.fixture(scope='module')
def pieces(data):
    return load_file(data / 'sadl_pieces.safetensors')


def classes(pieces, name):
    return [pieces[f'loss.{name}.bg'], pieces[f'loss.{name}.fg']]


def test_background_swap(pieces):
    result, alpha = swap_background(*(pieces[f'swap.{key}'] for key in ('image', 'mask', 'other_image', 'other_mask')))
    torch.testing.assert_close(result, pieces['swap.result'], rtol=0, atol=1e-5)
    torch.testing.assert_close(alpha, pieces['swap.alpha'], rtol=0, atol=1e-5)


def test_background_swap_at_the_border(pieces):
    """Reflected borders: the same holds on the outermost 8 px, where masks reach the edge."""
    result, _ = swap_background(*(pieces[f'swap.{key}'] for key in ('image', 'mask', 'other_image', 'other_mask')))
    difference = (result - pieces['swap.result']).abs()
    difference[..., 8:-8, 8:-8] = 0
    assert difference.max() <= 1e-5


def test_point_features(pieces):
    features, expected = pieces['sample.features'], pieces['sample.result_bcnk']
    points = pieces['sample.points_xy'].unflatten(1, (2, -1))  # class 0 first
    assert torch.equal(gather_points(features, points, stride=4).permute(0, 3, 2, 1), expected)


def test_losses_and_their_total(pieces):
    losses = dict(
        consistency=(consistency_loss(classes(pieces, 'pred1'), classes(pieces, 'proj2'))
                     + consistency_loss(classes(pieces, 'pred2'), classes(pieces, 'proj1'))) / 2,
        discrimination=(discrimination_loss(*classes(pieces, 'repr1'))
                        + discrimination_loss(*classes(pieces, 'repr2'))) / 2,
        synthetic=consistency_loss(classes(pieces, 'pred_syn')[1:], classes(pieces, 'proj1')[1:]))
    losses['total'] = losses['consistency'] + losses['discrimination'] + 0.5 * losses['synthetic']
    for name, value in losses.items():
        assert value.item() == pytest.approx(pieces[f'loss.{name}'].item(), abs=1e-6), name
