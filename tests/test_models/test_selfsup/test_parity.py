"""SaDL's pieces, and the losses that it makes of them, against the authors' numbers."""

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from schanger_mm.models.selfsup import BackgroundSwap, View, gather_points
from schanger_mm.registry import MODELS

MIRRORED = torch.tensor([[-1., 0, 63], [0, 1, 0], [0, 0, 1]])  # an image of 64 px


@pytest.fixture(scope='module')
def pieces(data):
    return load_file(data / 'sadl_pieces.safetensors')


def classes(pieces, name):
    return torch.cat([pieces[f'loss.{name}.bg'], pieces[f'loss.{name}.fg']])


def test_background_swap(pieces):
    result, alpha = BackgroundSwap()(*(pieces[f'swap.{key}'] for key in ('image', 'mask', 'other_image', 'other_mask')))
    torch.testing.assert_close(result, pieces['swap.result'], rtol=0, atol=1e-5)
    torch.testing.assert_close(alpha, pieces['swap.alpha'], rtol=0, atol=1e-5)


def test_background_swap_at_the_border(pieces):
    """Reflected borders: the same holds on the outermost 8 px, where masks reach the edge."""
    result, _ = BackgroundSwap()(*(pieces[f'swap.{key}'] for key in ('image', 'mask', 'other_image', 'other_mask')))
    difference = (result - pieces['swap.result']).abs()
    difference[..., 8:-8, 8:-8] = 0
    assert difference.max() <= 1e-5


def test_point_features(pieces):
    features, expected = pieces['sample.features'], pieces['sample.result_bcnk']
    points = pieces['sample.points_xy'].unflatten(1, (2, -1))  # class 0 first
    assert torch.equal(gather_points(features, points, stride=4).permute(0, 3, 2, 1), expected)


class Known(nn.Module):
    """Answers what it knows, sample by sample, and refuses the rest; no gradient goes through it."""

    def __init__(self, questions, answers):
        super().__init__()
        self.questions, self.answers = torch.cat(questions), nn.Parameter(torch.cat(answers))
        self.asked = []

    def forward(self, samples):
        self.asked.append(len(samples))
        away = (samples.detach().flatten(1)[:, None] - self.questions.flatten(1)).abs().amax(dim=-1)
        assert away.amin(dim=1).max() <= 1e-5, 'asked about something else than the views and points of the fixture'
        return self.answers[away.argmin(dim=1)]


class KnownLevels(Known):
    def forward(self, images):
        return (super().forward(images), )


class GivenPoints:
    def __init__(self, points):
        self.points = points

    def __call__(self, masks, matrices, size):
        return self.points, torch.ones(self.points.shape[:2], dtype=torch.bool)


@pytest.fixture
def known(pieces):
    """The real SaDL around an encoder, a projector and a predictor that answer with the authors' tensors.

    Four images, five points per class, each in a cell of its own. View 1 is
    the image of the background swap, whose partner is the batch in reverse
    order; view 2 is mirrored. Drawn, because the authors' file lacks them: the
    points and projections of the synthetic view.
    """
    assert torch.equal(pieces['swap.other_image'], pieces['swap.image'][[3, 2, 1, 0]])
    cells = torch.stack([torch.randperm(256)[:10] for _ in range(4)]).view(4, 2, 5)
    points = 4 * torch.stack([cells % 16, cells // 16], dim=-1) + torch.randint(4, (4, 2, 5, 2))

    def feature_maps(rows, columns=cells % 16):
        maps = torch.zeros(4, 12, 16, 16)
        for label, of_class in enumerate(rows.view(2, 4, 5, 12)):
            for image in range(4):
                maps[image][:, cells[image, label] // 16, columns[image, label]] = of_class[image].T
        return maps

    images = [pieces['swap.image'], torch.rand(4, 3, 64, 64), pieces['swap.result']]
    rows = [classes(pieces, 'repr1'), classes(pieces, 'repr2'), torch.rand(40, 12)]
    projections = [classes(pieces, 'proj1'), classes(pieces, 'proj2'), torch.rand(40, 16)]
    predictions = [classes(pieces, f'pred{view}') for view in ('1', '2', '_syn')]
    maps = [feature_maps(rows[0]), feature_maps(rows[1], 15 - cells % 16), feature_maps(rows[2])]
    net = MODELS.build(dict(
        type='SaDL', backbone=dict(type=KnownLevels, questions=images, answers=maps), neck=None,
        projector=dict(type=Known, questions=rows, answers=projections),
        predictor=dict(type=Known, questions=projections, answers=predictions),
        views=dict(type=nn.Identity), sampler=dict(type=GivenPoints, points=points)))
    mask = pieces['swap.mask'].clone()
    mask[:, :, 20:44][mask[:, :, 20:44] == 0] = 255  # ignored: no foreground
    return net, (View(images[0], mask, torch.eye(3).expand(4, 3, 3)),
                 View(images[1], mask.flip(-1), MIRRORED.expand(4, 3, 3)), mask)


def test_every_loss_and_the_total_are_the_authors(known, pieces):
    net, views = known
    losses = net.loss(*views)
    total, _ = net.parse_losses(losses)
    found = dict(consistency=losses['loss_consistency'], discrimination=losses['loss_discrimination'],
                 synthetic=losses['loss_synthetic'] / 0.5, total=total)
    for name, value in found.items():
        assert value.item() == pytest.approx(pieces[f'loss.{name}'].item(), abs=1e-6), name
    assert net.projector.asked == [40] * 3  # both classes together
    assert net.predictor.asked == [20] * 6  # each class alone


def test_no_gradient_reaches_the_targets(known):
    """Projections are targets here and nothing else: what predicts them does not hand gradients on."""
    net, views = known
    total, _ = net.parse_losses(net.loss(*views))
    total.backward()
    assert net.projector.answers.grad is None or not net.projector.answers.grad.any()
    learning = [bool(rows.any(dim=1).all()) for rows in net.predictor.answers.grad.split(20)]
    assert learning == [True, True, True, True, False, True]  # all but the synthetic view's background
