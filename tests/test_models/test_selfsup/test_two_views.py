"""The two views draw from the paper's distributions."""

import kornia.augmentation as K
import pytest
import torch

from schanger_mm.models.selfsup import TwoViews


def test_steps_and_their_probabilities_are_the_papers():
    horizontal, vertical, blur, jitter, crop = TwoViews().augment.children()
    assert [type(step) for step in (horizontal, vertical, blur, jitter, crop)] == [
        K.RandomHorizontalFlip, K.RandomVerticalFlip, K.RandomGaussianBlur, K.ColorJitter, K.RandomResizedCrop]
    assert [step.p for step in (horizontal, vertical, blur, jitter)] == [0.5, 0.5, 0.5, 0.8]
    assert crop.p * crop.p_batch == 1.0
    assert blur.flags['kernel_size'] == (3, 3)
    assert (jitter.brightness, jitter.contrast, jitter.saturation, jitter.hue) == (0.4, 0.4, 0.4, 0.1)


def test_blur_draws_sigma_from_a_tenth_to_two():
    blur = list(TwoViews().augment.children())[2]
    sigma = blur.generate_parameters(torch.Size((2000, 3, 8, 8)))['sigma']
    assert 0.1 <= sigma.min() < 0.12 and 1.98 < sigma.max() <= 2.0
    assert sigma.mean() == pytest.approx(1.05, abs=0.05)


def test_flips_come_for_half_of_the_images_and_independently():
    torch.manual_seed(0)
    view, _ = TwoViews((8, 8), scale=(1, 1), ratio=(1, 1))(torch.rand(2000, 3, 8, 8), torch.zeros(2000, 1, 8, 8))
    flipped = view.matrix[:, [0, 1], [0, 1]] < 0
    assert flipped.float().mean(dim=0).tolist() == pytest.approx([0.5, 0.5], abs=0.04)
    assert flipped.all(dim=1).float().mean() == pytest.approx(0.25, abs=0.04)


def test_crops_keep_four_fifths_of_the_area_and_more():
    torch.manual_seed(0)
    views = TwoViews((64, 64))(torch.rand(500, 3, 64, 64), torch.zeros(500, 1, 64, 64))
    for view in views:
        area = 1 / torch.linalg.det(view.matrix[:, :2, :2]).abs()
        assert 0.72 < area.min() < 0.85 and 0.95 < area.max() <= 1.02  # whole pixels, and the image's own limits
    assert not torch.equal(views[0].matrix, views[1].matrix)


def test_values_are_normalised_by_mean_and_std_one_half():
    images = torch.rand(8, 3, 16, 16)
    plain = TwoViews((16, 16), scale=(1, 1), ratio=(1, 1), jitter=(0, 0, 0, 0), blur_sigma=(1e-3, 1e-3))
    view, _ = plain(images, torch.zeros(8, 1, 16, 16))
    torch.testing.assert_close(view.image.amin(), 2 * images.amin() - 1, atol=1e-3, rtol=0)
    torch.testing.assert_close(view.image.amax(), 2 * images.amax() - 1, atol=1e-3, rtol=0)
    jittered, _ = TwoViews((16, 16))(images, torch.zeros(8, 1, 16, 16))
    assert -1 <= jittered.image.min() and jittered.image.max() <= 1


def test_masks_keep_their_values():
    masks = torch.tensor([0, 1, 255])[torch.randint(3, (8, 1, 32, 32))]
    for view in TwoViews((32, 32))(torch.rand(8, 3, 32, 32), masks):
        assert set(view.mask.unique().tolist()) == {0, 1, 255}
