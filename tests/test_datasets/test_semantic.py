"""Class maps of both dates: reading, deriving changes, and keeping three label maps together."""

import pickle

import cv2
import numpy as np
import pytest
import torch
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from schanger_mm.datasets.class_values import UNCHANGED, ClassValues
from schanger_mm.demo.scenes import DemoSizes, write_demo_set
from schanger_mm.registry import DATASETS, MODELS, TRANSFORMS
from schanger_mm.utils.errors import DatasetError, SettingError

NAMES = ('water', 'road', 'house')
COLOURS = ((0, 0, 255), (128, 128, 128), (128, 0, 0))
WHITE = (255, 255, 255)
PIPELINE = [dict(type='LoadBiTemporalImages'), dict(type='LoadSemanticLabels'), dict(type='PackBiTemporalInputs')]


def coloured(classes, unchanged=()):
    """Paint a map of classes (-1: unchanged) as BGR, which cv2 writes as RGB."""
    table = np.array([*COLOURS, WHITE], np.uint8)
    return table[classes][..., ::-1]


@pytest.fixture
def folders(tmp_path, write, picture):
    """Write three pairs with class maps: classes of a left stripe differ between the dates."""
    def make(paint=lambda classes: classes.astype(np.uint8), names=('label_a', 'label_b'), sparse=False, mask=False):
        for index in range(3):
            before, after = np.full((12, 16), -1 if sparse else 0), np.full((12, 16), -1 if sparse else 0)
            before[:, :4], after[:, :4] = 1, 2
            for folder, image in (('A', picture(seed=index)), ('B', picture(seed=9 + index)), (names[0], paint(before)),
                                  (names[1], paint(after))):
                write(tmp_path / folder / f'{index}.png', image)
            if mask:
                change = np.zeros((12, 16), np.uint8)
                change[:6, :4] = 255
                write(tmp_path / f'label/{index}.png', change)
        return tmp_path
    return make


def build(root, **kwargs):
    return DATASETS.build(dict(type='SemanticChangeDataset', data_root=str(root), classes=NAMES, pipeline=PIPELINE,
                               **kwargs))


def test_index_maps_in_which_every_pixel_has_a_class(folders):
    data = build(folders())
    sample = data[1]['data_samples']
    assert data.metainfo['classes'] == ('unchanged', 'changed')
    assert data.metainfo['semantic_classes'] == ('unchanged', *NAMES)
    assert len(data.metainfo['semantic_palette']) == 4
    for key in ('gt_sem_seg', 'gt_sem_seg_from', 'gt_sem_seg_to'):
        assert sample.get(key).data.shape == (1, 12, 16) and sample.get(key).data.dtype == torch.int64
    assert sample.gt_sem_seg.data[0].sum() == 48 and sample.gt_sem_seg.data[0, :, :4].min() == 1
    assert sample.gt_sem_seg_from.data[0, 0].tolist() == [1] * 4 + [0] * 12
    assert sample.gt_sem_seg_to.data[0, 0].tolist() == [2] * 4 + [0] * 12
    assert sample.seg_map_path_to.endswith('label_b/1.png') and sample.name == '1'


def test_colour_maps_with_classes_where_something_changed(folders):
    data = build(folders(coloured, sparse=True), values=COLOURS, unchanged=WHITE)
    sample = data[0]['data_samples']
    assert data.metainfo['semantic_palette'] == [[255, 255, 255], *map(list, COLOURS)]
    assert sample.gt_sem_seg.data[0, 0].tolist() == [1] * 4 + [0] * 12
    assert sample.gt_sem_seg_from.data[0, 0].tolist() == [1] * 4 + [255] * 12


def test_a_given_mask_wins_over_the_maps(folders):
    prefix = dict(img_path_from='A', img_path_to='B', seg_map_path_from='label_a', seg_map_path_to='label_b',
                  seg_map_path='label')
    sample = build(folders(mask=True), data_prefix=prefix)[0]['data_samples']
    assert sample.gt_sem_seg.data.sum() == 24 and (sample.gt_sem_seg_to.data == 2).sum() == 48


def test_changes_are_derived_pixel_by_pixel():
    dense = ClassValues.of('D', NAMES, None, None, 9)
    a, b = np.array([0, 0, 1, 255, 255], np.uint8), np.array([0, 2, 1, 0, 255], np.uint8)
    assert dense.changes(a, b).tolist() == [0, 1, 0, 255, 255]
    sparse = ClassValues.of('D', NAMES, [1, 2, 3], 0, None)
    a, b = np.array([UNCHANGED, 0, 1, 1], np.uint8), np.array([UNCHANGED, 2, 1, UNCHANGED], np.uint8)
    assert sparse.changes(a, b).tolist() == [0, 1, 1, 255]


@pytest.mark.parametrize('mode', ['grey', 'rgb', 'palette', 'palette of colours', '1-bit'])
def test_every_form_of_a_map(tmp_path, mode):
    from PIL import Image
    indices = np.arange(12, dtype=np.uint8).reshape(3, 4) % (2 if mode == '1-bit' else 3)
    values, path = (COLOURS if 'colours' in mode or mode == 'rgb' else None), tmp_path / 'map.png'
    if mode == 'rgb':
        Image.fromarray(np.array(COLOURS, np.uint8)[indices]).save(path)
    elif mode == '1-bit':
        Image.fromarray(indices.astype(bool)).save(path)
    else:
        picture = Image.fromarray(indices)
        if mode != 'grey':
            picture = picture.convert('P')
            picture.putdata(indices.ravel())
            picture.putpalette(np.array(COLOURS, np.uint8).tobytes())
        picture.save(path)
    table = ClassValues.of('D', NAMES, values, None, None)
    np.testing.assert_array_equal(table.read(str(path)), indices)
    assert pickle.loads(pickle.dumps(table)) == table


def test_building_masks_of_both_dates_of_the_drawn_scenes(tmp_path):
    root = tmp_path / 'data'
    write_demo_set(root, DemoSizes(pretrain_train=0, pretrain_val=0, train=2, val=0, test=0), image_size=64)
    data = DATASETS.build(dict(type='DemoSemanticDataset', data_root=str(root), split='train', pipeline=PIPELINE))
    assert data.metainfo['semantic_classes'] == ('unchanged', 'other', 'building')
    for index in range(2):
        sample = data[index]['data_samples']
        label = cv2.imread(str(root / f'train/label/{index:04d}.png'), cv2.IMREAD_GRAYSCALE) // 255
        np.testing.assert_array_equal(sample.gt_sem_seg.data[0].numpy(), label)
        differ = sample.gt_sem_seg_from.data != sample.gt_sem_seg_to.data
        assert torch.equal(differ, sample.gt_sem_seg.data == 1)


@pytest.mark.parametrize('kind, folders, classes', [
    ('SECONDDataset', ('im1', 'im2', 'label1', 'label2'), 6), ('LandsatSCDDataset', ('A', 'B', 'labelA', 'labelB'), 4)])
def test_published_sets_in_the_layout_of_their_archives(tmp_path, write, picture, kind, folders, classes):
    cls = DATASETS.get(kind)
    colours = list(cls.CLASSES.values())
    for split in {split.folder for split in cls.SPLITS.values()}:
        for name in ('1', '2'):
            for number, folder in enumerate(folders):
                label = np.full((12, 16, 3), 255, np.uint8)
                label[2:5] = colours[number % classes][::-1]
                write(tmp_path / split / folder / f'{name}.png', picture() if number < 2 else label)
    (tmp_path / 'splits').mkdir()
    for split in ('train', 'val', 'test'):
        (tmp_path / f'splits/{split}.txt').write_text('2\n')
    for split in ('train', 'val'):
        data = DATASETS.build(dict(type=kind, data_root=str(tmp_path), split=split, pipeline=PIPELINE))
        assert len(data) == 1 and data.metainfo['data_set'] == cls.NAME and data.metainfo['split'] == split
        sample = data[0]['data_samples']
        assert sample.gt_sem_seg.data.sum() == 48 and len(data.metainfo['semantic_classes']) == classes + 1
        assert sample.gt_sem_seg_from.data[0, 2].unique().tolist() == [2 % classes]
        assert sample.gt_sem_seg_to.data[0, 2].unique().tolist() == [3 % classes]


@pytest.mark.parametrize('settings, message', [
    (dict(values=[1, 2]), 'values: 2 values for the 3 classes water, road, house; expected one'),
    (dict(values=COLOURS[:2]), 'values: 2 values for the 3 classes'),
    (dict(values=[1, 2, 300]), r'values\[2\]: expected a grey value of 0 to 255, or a colour .* found 300'),
    (dict(values=[1, 2, (0, 0, 0)]), 'mix grey values and colours'),
    (dict(values=[1, 2, 2]), 'hold a value twice'),
    (dict(unchanged=1), 'hold a value twice'),
    (dict(data_prefix=dict(img_path_from='A', img_path_to='B', seg_map_path_from='label_a')),
     'expected the folders of both class maps, seg_map_path_from and seg_map_path_to'),
])
def test_settings_that_do_not_fit(folders, settings, message):
    with pytest.raises(SettingError, match=message):
        build(folders(), **settings)


def test_a_value_outside_the_list_is_found_before_training(folders, write):
    root = folders()
    write(root / 'label_b/1.png', np.full((12, 16), 7, np.uint8))
    with pytest.raises(DatasetError, match=r'label_b/1.png: values of no class: 7 \(192 px\); expected water 0, '
                                           'road 1, house 2. Both dates have one list of classes'):
        build(root)


def test_a_colour_that_the_palette_lacks(folders):
    with pytest.raises(DatasetError, match=r'label_a/0.png: values of no class: \(255, 255, 255\) \(144 px\); expected '
                                           r'water \(0, 0, 255\)'):
        build(folders(coloured, sparse=True), values=COLOURS)


def test_a_map_of_the_other_kind(folders):
    with pytest.raises(DatasetError, match='label_a/0.png: expected a colour image .* found a 8-bit grey image'):
        build(folders(), values=COLOURS)


def test_one_label_map_missing(folders):
    root = folders()
    (root / 'label_b/2.png').unlink()
    with pytest.raises(DatasetError, match=r'1 missing in .*label_b \(seg_map_path_to\): 2'):
        build(root)


def test_a_map_of_another_size(folders, write):
    root = folders()
    write(root / 'label_b/2.png', np.zeros((12, 15), np.uint8))
    with pytest.raises(DatasetError, match='samples have images or labels of different size'):
        build(root)


def test_a_data_set_without_classes_needs_another_loader(pairs):
    data = DATASETS.build(dict(type='BiTemporalDataset', data_root=str(pairs()), pipeline=PIPELINE))
    with pytest.raises(DatasetError, match='has no class maps; expected a sample of SemanticChangeDataset'):
        data[0]


@pytest.mark.parametrize('step', [
    dict(type='mmseg.RandomCrop', crop_size=(8, 8)),
    dict(type='mmseg.RandomFlip', prob=1.0, direction='diagonal'),
    dict(type='RandomTranspose', prob=1.0),
    dict(type='RandomAffine', rotate_limit=30, shift_limit=0.2, prob=1.0),
    dict(type='RandomScale', scale=(1.5, 1.5)),
    dict(type='PadToSize', size=(20, 24)),
    dict(type='mmseg.Resize', scale_factor=0.5),
])
def test_transforms_keep_the_three_maps_together(step):
    """All maps are copies of the first date, so whatever happens to one must have happened to the others."""
    rng = np.random.default_rng(0)
    label = rng.integers(0, 3, (12, 16)).astype(np.uint8)
    results = dict(img=[np.repeat(label[..., None], 3, axis=2)] * 2, img_shape=(12, 16), seg_fields=[])
    for key in ('gt_seg_map', 'gt_seg_map_from', 'gt_seg_map_to'):
        results[key] = label.copy()
        results['seg_fields'].append(key)
    np.random.seed(3)
    found = TRANSFORMS.build(dict(type='ForBothDates', transforms=[step])).transform(results)
    assert found['gt_seg_map'].shape == found['img'][0].shape[:2]
    for key in ('gt_seg_map_from', 'gt_seg_map_to'):
        np.testing.assert_array_equal(found[key], found['gt_seg_map'])
    if step['type'] != 'RandomAffine':
        assert not np.array_equal(found['gt_seg_map'], label)


@pytest.mark.parametrize('sizes', [[(16, 16), (16, 16)], [(16, 16), (20, 12)]])
@pytest.mark.parametrize('swap', [0.0, 1.0])
def test_padding_and_date_swap_in_the_preprocessor(sizes, swap):
    """Date A is class 1 and date B class 2; the raw samples stay as they are."""
    batch = []
    for height, width in sizes:
        sample = SegDataSample()
        for key, value in (('gt_sem_seg', 0), ('gt_sem_seg_from', 1), ('gt_sem_seg_to', 2)):
            sample.set_data({key: PixelData(data=torch.full((1, height, width), value))})
        batch.append(sample)
    inputs = [torch.cat([torch.full((3, h, w), 10.0), torch.full((3, h, w), 20.0)]) for h, w in sizes]
    preprocessor = MODELS.build(dict(type='BiTemporalPreProcessor', mean=[0.0] * 6, std=[1.0] * 6, swap_prob=swap))
    found = preprocessor(dict(inputs=inputs, data_samples=batch), training=True)
    for image, sample, raw, (height, width) in zip(found['inputs'], found['data_samples'], batch, sizes):
        before, after = (2, 1) if swap else (1, 2)
        assert image[0, 0, 0] == 10 * before
        for key, value in (('gt_sem_seg', 0), ('gt_sem_seg_from', before), ('gt_sem_seg_to', after)):
            label = sample.get(key).data[0]
            assert label.shape == image.shape[1:]
            assert (label[:height, :width] == value).all()
            assert (label[height:] == 255).all() and (label[:, width:] == 255).all()
        assert raw.gt_sem_seg_from.data.unique() == 1 and raw.gt_sem_seg_from.data.shape == (1, height, width)
