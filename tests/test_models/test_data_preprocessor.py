import pytest
import torch
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from schanger_mm.models import BiTemporalPreProcessor

MEAN, STD = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [1.0, 2.0, 4.0, 8.0, 16.0, 32.0]


def batch(*sizes):
    samples = []
    for h, w in sizes:
        sample = SegDataSample(metainfo=dict(img_shape=(h, w), ori_shape=(h, w)))
        sample.gt_sem_seg = PixelData(data=torch.zeros(1, h, w, dtype=torch.long))
        samples.append(sample)
    inputs = [torch.randint(0, 256, (6, h, w), dtype=torch.uint8) for h, w in sizes]
    return dict(inputs=inputs, data_samples=samples)


def normalised(image, date):
    """BGR image of one date with that date's RGB statistics."""
    rgb = image.float().flip(0)
    part = slice(3 * date, 3 * date + 3)
    return (rgb - torch.tensor(MEAN[part]).view(3, 1, 1)) / torch.tensor(STD[part]).view(3, 1, 1)


def test_each_date_has_its_own_statistics_and_becomes_rgb():
    data = batch((16, 16))
    a, b = data['inputs'][0].chunk(2)
    out = BiTemporalPreProcessor(MEAN, STD)(data)['inputs']
    torch.testing.assert_close(out[0], torch.cat([normalised(a, 0), normalised(b, 1)]))


def test_swapped_dates_keep_the_statistics_of_their_own_date():
    data = batch((16, 16))
    a, b = data['inputs'][0].chunk(2)
    out = BiTemporalPreProcessor(MEAN, STD, swap_prob=1.0)(data, training=True)['inputs']
    torch.testing.assert_close(out[0], torch.cat([normalised(b, 1), normalised(a, 0)]))


def test_swapping_happens_in_training_only_at_its_rate_and_per_pair():
    preprocessor = BiTemporalPreProcessor([0.0] * 6, [1.0] * 6, swap_prob=0.5)
    pair = torch.cat([torch.zeros(3, 16, 16), torch.ones(3, 16, 16)])
    data = batch(*[(16, 16)] * 400)
    data['inputs'] = [pair] * 400
    assert (preprocessor(data)['inputs'][:, 0] == 0).all()
    swapped = preprocessor(data, training=True)['inputs'][:, 0, 0, 0].mean().item()
    assert swapped == pytest.approx(0.5, abs=0.1)


def test_images_of_different_sizes_in_prediction_name_both_loaders():
    with pytest.raises(ValueError) as caught:
        BiTemporalPreProcessor(MEAN, STD)(batch((16, 16), (16, 32)))
    assert str(caught.value) == (
        'a test batch holds images of different sizes [(16, 16), (16, 32)]; set batch_size=1 in val_dataloader '
        '(validation) or test_dataloader (test).')


def test_training_pads_to_multiples_of_16_with_ignored_labels():
    out = BiTemporalPreProcessor(MEAN, STD)(batch((20, 30), (33, 16)), training=True)
    assert out['inputs'].shape == (2, 6, 48, 32)
    label = out['data_samples'][0].gt_sem_seg.data
    assert label.shape == (1, 48, 32)
    assert (label[:, :20, :30] == 0).all() and (label[:, 20:] == 255).all() and (label[:, :, 30:] == 255).all()
    assert not out['inputs'][0, :, 20:].any()


def test_other_band_counts():
    data = dict(inputs=[torch.full((8, 16, 16), 7.0)])
    out = BiTemporalPreProcessor([7.0] * 8, [1.0] * 8, bgr_to_rgb=False)(data)['inputs']
    assert out.shape == (1, 8, 16, 16) and not out.any()


def test_wrong_counts_are_refused():
    with pytest.raises(ValueError, match='3 means and 3 stds; expected 2C of each'):
        BiTemporalPreProcessor(MEAN[:3], STD[:3])
    with pytest.raises(ValueError, match='statistics for 6 channels .* got an input of 3'):
        BiTemporalPreProcessor(MEAN, STD)(dict(inputs=[torch.zeros(3, 16, 16)]))


def test_mixed_sizes_in_a_test_batch_are_refused():
    with pytest.raises(ValueError, match='batch_size=1'):
        BiTemporalPreProcessor(MEAN, STD)(batch((16, 16), (32, 16)))


def test_a_fixed_size_replaces_the_divisor():
    out = BiTemporalPreProcessor(MEAN, STD, size=(40, 50))(batch((20, 30)), training=True)
    assert out['inputs'].shape == (1, 6, 40, 50)


def test_a_training_batch_of_one_size_leaves_the_loaders_samples_as_they_were():
    data = batch((16, 32), (16, 32))
    data['data_samples'][1].gt_sem_seg.data[:, 3:] = 1
    before = [sample.gt_sem_seg.data.clone() for sample in data['data_samples']]
    out = BiTemporalPreProcessor(MEAN, STD, swap_prob=0.5)(data, training=True)
    assert out['inputs'].shape == (2, 6, 16, 32)
    for ours, theirs, label in zip(out['data_samples'], data['data_samples'], before, strict=True):
        assert ours is not theirs and 'padding_size' not in theirs.metainfo
        assert torch.equal(ours.gt_sem_seg.data, label) and torch.equal(theirs.gt_sem_seg.data, label)
        assert ours.ori_shape == ours.img_shape == ours.pad_shape == (16, 32) and not any(ours.padding_size)


def test_other_fields_of_a_sample_are_kept():
    data = batch((16, 16), (16, 16))
    for sample in data['data_samples']:
        sample.gt_edge_map = PixelData(data=torch.ones(1, 16, 16))
    out = BiTemporalPreProcessor(MEAN, STD)(data, training=True)['data_samples']
    assert all(sample.gt_edge_map.data.all() for sample in out)


def test_one_size_and_several_give_the_same_pixels_and_swaps():
    data = batch((16, 16), (16, 16), (16, 16), (16, 16))
    preprocessor = BiTemporalPreProcessor(MEAN, STD, swap_prob=0.5)
    torch.manual_seed(3)
    quick = preprocessor(data, training=True)['inputs']
    mixed = {name: [*values, value] for (name, values), value in zip(
        data.items(), (torch.zeros(6, 32, 16, dtype=torch.uint8), batch((32, 16))['data_samples'][0]), strict=True)}
    torch.manual_seed(3)
    assert torch.equal(preprocessor(mixed, training=True)['inputs'][:4, :, :16], quick)
