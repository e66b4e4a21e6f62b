import pytest
import torch
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from schanger_mm.models import BandsPreProcessor, BiTemporalPreProcessor
from schanger_mm.registry import MODELS
from schanger_mm.utils.errors import SettingError

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


@pytest.mark.parametrize('bands', [1, 4, 13])
def test_single_images_of_any_number_of_bands(bands):
    mean, std = [float(band) for band in range(bands)], [1.0 + band for band in range(bands)]
    preprocessor = MODELS.build(dict(type='BandsPreProcessor', mean=mean, std=std, size_divisor=16, seg_pad_val=255))
    image = torch.rand(bands, 20, 24) * 255
    label = SegDataSample(gt_sem_seg=PixelData(data=torch.ones(1, 20, 24, dtype=torch.long)))
    plain = preprocessor(dict(inputs=[image]))['inputs'][0]
    for band in range(bands):
        torch.testing.assert_close(plain[band], (image[band] - band) / (1 + band))
    trained = preprocessor(dict(inputs=[image], data_samples=[label]), training=True)
    assert trained['inputs'].shape == (1, bands, 32, 32)
    assert torch.equal(trained['inputs'][0, :, :20, :24], plain)
    assert (trained['data_samples'][0].gt_sem_seg.data[:, 20:] == 255).all()
    with pytest.raises(SettingError, match=f'statistics of {bands} bands but got an image of {bands + 1}'):
        preprocessor(dict(inputs=[torch.zeros(bands + 1, 8, 8)]))


def test_wrong_statistics_of_single_images_are_named():
    for mean, std in (([0.0], [1.0, 1.0]), ([], []), ([0.0, 0.0], [1.0, 0.0])):
        with pytest.raises(SettingError, match='BandsPreProcessor: . means and . stds'):
            BandsPreProcessor(mean, std)


def test_other_than_three_bands_are_not_reversed():
    with pytest.raises(SettingError, match='bgr_to_rgb: expected False for 4 bands'):
        BiTemporalPreProcessor([0.0] * 8, [1.0] * 8)


def test_a_test_batch_is_copied_to_the_device_as_a_whole(monkeypatch):
    """One copy for all images, which a GPU does not make the host wait for; with and without samples."""
    preprocessor, data = BiTemporalPreProcessor(MEAN, STD), batch((16, 24), (16, 24), (16, 24))
    copied = []
    whole = preprocessor._to_device
    monkeypatch.setattr(preprocessor, '_to_device', lambda images: copied.append(len(images)) or whole(images))
    out, bare = preprocessor(data), preprocessor(dict(inputs=data['inputs']))
    assert copied == [3, 3] and bare['data_samples'] is None
    for image, found, again in zip(data['inputs'], out['inputs'], bare['inputs']):
        a, b = image.chunk(2)
        torch.testing.assert_close(found, torch.cat([normalised(a, 0), normalised(b, 1)]))
        assert torch.equal(found, again)
    assert [sample.img_shape for sample in out['data_samples']] == [(16, 24)] * 3
    assert 'pad_shape' not in out['data_samples'][0]
