import pytest
import torch
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from schanger_mm.models import BiTemporalPreProcessor
from schanger_mm.models.semi import ViewsPreProcessor
from schanger_mm.utils.errors import SettingError


def sample(*shape, fill=None):
    data = SegDataSample()
    data.gt_sem_seg = PixelData(data=torch.zeros(1, *shape[-2:], dtype=torch.long))
    inputs = torch.randint(0, 255, shape, dtype=torch.uint8)
    return inputs if fill is None else torch.full_like(inputs, fill), data


def batch(*samples):
    return dict(inputs=[one for one, _ in samples], data_samples=[data for _, data in samples])


@pytest.fixture
def swaps():
    """A preprocessor that swaps the dates of half of all pairs."""
    return ViewsPreProcessor(BiTemporalPreProcessor(mean=[0.0] * 6, std=[1.0] * 6, bgr_to_rgb=False, swap_prob=0.5))


@pytest.mark.parametrize('size', [(16, 16), (10, 12)])  # as a batch, and padded one by one
def test_all_views_of_a_pair_swap_alike(swaps, size):
    views = [sample(3, 6, *size) for _ in range(20)]
    for pair, _ in views:
        pair[1], pair[2] = pair[0], pair[0]
    labelled = [sample(6, *size) for _ in range(3)]
    out = swaps(batch(views[0], *labelled, *views[1:]), training=True)
    weak, first, second = out['inputs']['views']
    assert torch.equal(weak, first) and torch.equal(weak, second)
    straight = torch.stack([pair[0].float() for pair, _ in views])
    kept = [torch.equal(one[:, :size[0], :size[1]], same) for one, same in zip(weak, straight)]
    assert 3 < sum(kept) < 17
    assert out['inputs']['labelled'].shape == (3, 6, 16, 16)
    assert len(out['data_samples']['labelled']) == 3 and len(out['data_samples']['unlabelled']) == 20
    ignored = torch.stack([data.gt_sem_seg.data for data in out['data_samples']['unlabelled']]) == 255
    assert ignored.float().mean().item() == pytest.approx(1 - size[0] * size[1] / 256)


def test_the_detectors_preprocessor_gets_what_has_no_views(swaps):
    pairs = [sample(6, 16, 16, fill=value) for value in (3, 7)]
    out = swaps(batch(*pairs), training=False)
    assert out['inputs'].shape == (2, 6, 16, 16) and out['inputs'][1, 0, 0, 0] == 7


def test_a_batch_of_views_alone_is_refused(swaps):
    with pytest.raises(SettingError, match=r'a batch has 0 labelled pairs, .*sampler=dict\(type=SemiSampler\)'):
        swaps(batch(sample(3, 6, 16, 16)), training=True)
    with pytest.raises(SettingError, match=r'unlabelled ones with \[2, 3\] views'):
        swaps(batch(sample(6, 16, 16), sample(3, 6, 16, 16), sample(2, 6, 16, 16)), training=True)
    with pytest.raises(SettingError, match='views of an unlabelled pair, which only a semi-supervised model takes'):
        swaps.inner(batch(sample(3, 6, 16, 16)), training=True)
