import numpy as np
import pytest
import torch

from schanger_mm.models.semi.pseudo_labels import PseudoLabels, consistency_loss, quality

RNG = np.random.default_rng(0)


def probabilities(logits):
    """Softmax over the channels; one channel stands for (0, z)."""
    if logits.shape[1] == 1:
        logits = np.concatenate([np.zeros_like(logits), logits], axis=1)
    e = np.exp(logits - logits.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def reference(logits, weak, ignore, threshold):
    """Cross-entropy summed over confident pixels, divided by all valid ones."""
    p, p_weak = probabilities(logits), probabilities(weak)
    label, confidence = p_weak.argmax(1), p_weak.max(1)
    each = -np.log(np.take_along_axis(p, label[:, None], 1)[:, 0])
    counts = (confidence >= threshold) & ~ignore
    return (each * counts).sum() / (~ignore).sum(), counts.sum() / (~ignore).sum(), label, confidence


@pytest.mark.parametrize('channels', [1, 2])
@pytest.mark.parametrize('threshold', [0.0, 0.7, 0.95])
def test_the_loss_is_that_of_a_numpy_reference(channels, threshold):
    logits, weak = 3 * RNG.standard_normal((2, 3, channels, 6, 7))
    ignore = RNG.random((3, 6, 7)) < 0.3
    loss, share, label, confidence = reference(logits, weak, ignore, threshold)
    pseudo = PseudoLabels.of(torch.from_numpy(weak), torch.from_numpy(ignore))
    assert np.array_equal(pseudo.label.numpy(), label)
    np.testing.assert_allclose(pseudo.confidence.numpy(), confidence, rtol=1e-6)
    assert consistency_loss(torch.from_numpy(logits), pseudo, threshold).item() == pytest.approx(loss, rel=1e-6)
    assert pseudo.share(threshold).item() == pytest.approx(share)
    assert 0 < share < 1 or threshold == 0


@pytest.mark.parametrize('channels', [1, 2])
@pytest.mark.parametrize('case', ['nothing confident', 'nothing valid'])
def test_an_empty_set_gives_a_loss_of_zero_and_zero_gradients(channels, case):
    logits = torch.full((2, channels, 4, 4), 1e30).requires_grad_()  # its cross-entropy overflows
    weak = torch.zeros(2, channels, 4, 4)
    pseudo = PseudoLabels.of(weak, torch.full((2, 4, 4), case == 'nothing valid'))
    loss = consistency_loss(logits, pseudo, 0.95)
    loss.backward()
    assert loss.item() == 0 and not logits.grad.any() and pseudo.share(0.95).item() == 0


def test_everything_about_a_pixel_is_pasted_alike():
    labels = [torch.from_numpy(RNG.integers(0, 2, (2, 3, 4))) for _ in range(2)]
    confidences = [torch.from_numpy(RNG.random((2, 3, 4))) for _ in range(2)]
    ignores = [torch.from_numpy(RNG.random((2, 3, 4)) < 0.5) for _ in range(2)]
    mine, other = (PseudoLabels(*parts) for parts in zip(labels, confidences, ignores))
    boxes = torch.from_numpy(RNG.random((2, 3, 4)) < 0.5)
    for found, one, two in zip(mine.mixed(boxes, other), mine, other):
        assert np.array_equal(found.numpy(), np.where(boxes.numpy(), two.numpy(), one.numpy()))


def test_quality_counts_confident_pixels_with_a_known_truth():
    label, truth = np.array([[[1, 1, 0, 0, 1, 0]]]), np.array([[[1, 0, 1, 0, 255, 0]]])
    confidence, ignore = np.array([[[.99, .99, .99, .99, .99, .5]]]), np.zeros((1, 1, 6), bool)
    pseudo = PseudoLabels(*map(torch.from_numpy, (label, confidence, ignore)))
    found = quality(pseudo, torch.from_numpy(truth), 0.95)
    assert found['pseudo_accuracy'].item() == 0.5  # one hit, one false alarm, one miss, one right background
    assert found['pseudo_F1'].item() == pytest.approx(2 / 4)
    nothing = quality(pseudo, torch.from_numpy(truth), 1.0)
    assert {key: value.item() for key, value in nothing.items()} == dict(pseudo_accuracy=1, pseudo_F1=1)
