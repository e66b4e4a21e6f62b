import logging
import re

import numpy as np
import pytest
from mmengine.registry import DATASETS

from schanger_mm.datasets import BiTemporalDataset, DatasetError, FolderCDDataset, LEVIRCDDataset, base
from schanger_mm.utils.names import natural_key


def stems(dataset):
    return [dataset.get_data_info(i)['img_path'][0].rsplit('/', 1)[1].rsplit('.', 1)[0]
            for i in range(len(dataset))]


def test_raw_sample_is_open_cds(pairs):
    root = pairs()
    dataset = BiTemporalDataset(data_root=str(root))
    assert dataset.get_data_info(1) == dict(
        img_path=[f'{root}/A/2.png', f'{root}/B/2.png'], seg_map_path=f'{root}/label/2.png', label_map=None,
        format_seg_map='to_binary', reduce_zero_label=False, seg_fields=[], sample_idx=1, name='2')
    assert dataset.metainfo['classes'] == ('unchanged', 'changed')
    assert dataset.metainfo['palette'] == [[0, 0, 0], [255, 255, 255]]


def test_order_is_natural_and_complete(pairs):
    assert stems(BiTemporalDataset(data_root=str(pairs(('10', '9', '1', 'b2', 'b10'))))) == [
        '1', '9', '10', 'b2', 'b10']
    assert sorted(['x01', 'x1', 'x001'], key=natural_key) == sorted(['x001', 'x01', 'x1'], key=natural_key)


@pytest.mark.parametrize(('a', 'b', 'label'), [('.jpg', '.png', '.tif'), ('.TIF', '.bmp', '.PNG')])
def test_suffixes_may_differ_between_folders(pairs, a, b, label):
    root = pairs(('x', 'y.1'), a=a, b=b, label=label)
    sample = BiTemporalDataset(data_root=str(root)).get_data_info(1)
    assert sample['img_path'] == [f'{root}/A/y.1{a}', f'{root}/B/y.1{b}']
    assert sample['seg_map_path'] == f'{root}/label/y.1{label}'


def test_suffix_may_be_longer_than_an_extension(pairs):
    root = pairs(('x',), a='_img.png', b='_img.png', label='_mask.png')
    dataset = BiTemporalDataset(data_root=str(root), img_suffix='_img.png', seg_map_suffix='_mask.png')
    assert dataset.get_data_info(0)['seg_map_path'] == f'{root}/label/x_mask.png'


def test_files_of_other_kinds_do_not_count(pairs):
    root = pairs(('x',))
    (root / 'A' / 'Thumbs.db').write_text('')
    (root / 'A' / '.hidden.png').write_text('')
    assert len(BiTemporalDataset(data_root=str(root))) == 1


def test_sub_folders_belong_to_the_stem(pairs):
    root = pairs(('city/1', 'town/1'))
    samples = [BiTemporalDataset(data_root=str(root)).get_data_info(i) for i in (0, 1)]
    assert [sample['img_path'][1] for sample in samples] == [f'{root}/B/city/1.png', f'{root}/B/town/1.png']
    assert [sample['name'] for sample in samples] == ['city/1', 'town/1']


def test_two_files_of_one_stem_are_an_error(pairs, write, picture):
    root = pairs()
    write(root / 'B' / '2.jpg', picture())
    with pytest.raises(DatasetError, match=r'B: 1 stems have more than one file.*2\.jpg and 2\.png'):
        BiTemporalDataset(data_root=str(root))
    assert len(BiTemporalDataset(data_root=str(root), img_suffix='.png')) == 3


def test_unpaired_files_are_counted_and_ten_are_named(pairs, write, picture):
    root = pairs()
    for i in range(100, 112):
        write(root / 'A' / f'{i}.png', picture())
    (root / 'label' / '2.png').unlink()
    with pytest.raises(DatasetError) as caught:
        LEVIRCDDataset(data_root=str(root))
    message = str(caught.value)
    assert 'LEVIRCDDataset: 13 files are without a partner' in message
    named = '100, 101, 102, 103, 104, 105, 106, 107, 108, 109, ... and 2 more'
    assert f'12 missing in {root}/B (img_path_to): {named}' in message
    assert f'13 missing in {root}/label (seg_map_path): 2, 100,' in message
    assert 'missing in ' + str(root) + '/A' not in message


@pytest.mark.parametrize('folder', ['A', 'B', 'label'])
def test_missing_folder_says_where_what_and_how(pairs, folder):
    root = pairs()
    (root / folder).rename(root / 'elsewhere')
    with pytest.raises(FileNotFoundError, match=f'no folder {root}/{folder}\n'):
        BiTemporalDataset(data_root=str(root))


def test_missing_root_tells_how_to_get_the_data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError) as caught:
        LEVIRCDDataset(data_root='data/LEVIR-CD', split='train')
    message = str(caught.value)
    for part in (f'no folder {tmp_path}/data/LEVIR-CD\n', '{train,val,test}/{A,B,label}',
                 f'folders to read: {tmp_path}/data/LEVIR-CD/train/A, ',
                 'justchenhao.github.io/LEVIR', '--cfg-options train_dataloader.dataset.data_root=DIR',
                 'schanger demo'):
        assert part in message


def test_empty_folder_is_an_error(pairs):
    root = pairs()
    for file in (root / 'A').iterdir():
        file.rename(file.with_suffix('.npy'))
    with pytest.raises(DatasetError, match=r'A: expected files ending in .*found 3 other files \(\.npy\)'):
        BiTemporalDataset(data_root=str(root))


def test_list_file_chooses_and_orders(pairs):
    root = pairs(('1', '2', '3', 'v1.5', 'x.tif'))
    (root / 'list.txt').write_text('3\n\n1.png\r\n  v1.5  \nx.tif\n')
    assert stems(BiTemporalDataset(data_root=str(root), ann_file='list.txt')) == ['3', '1', 'v1.5', 'x.tif']


def test_names_of_the_list_without_files_are_reported_together(pairs):
    root = pairs(('1', '2'))
    (root / 'B' / '2.png').unlink()
    (root / 'list.txt').write_text('1\n2\n7\n8.png\n')
    with pytest.raises(DatasetError) as caught:
        BiTemporalDataset(data_root=str(root), ann_file='list.txt')
    assert '3 names of' in str(caught.value)
    assert f'2 missing in {root}/A (img_path_from): 7, 8' in str(caught.value)
    assert f'3 missing in {root}/B (img_path_to): 2, 7, 8' in str(caught.value)


@pytest.mark.parametrize(('text', 'message'), [
    ('\n \n', 'expected one file name per line, found none'),
    ('1\n2\n1.png\n', '1 names occur more than once: 1'),
])
def test_bad_list_file(pairs, text, message):
    root = pairs()
    (root / 'list.txt').write_text(text)
    with pytest.raises(DatasetError, match=message):
        BiTemporalDataset(data_root=str(root), ann_file='list.txt')


@pytest.mark.parametrize('comma', [',', ' , ', '\t'])
def test_one_table_may_hold_all_splits(pairs, comma):
    root = pairs(('1', '2', '3', 'a, b'))
    (root / 'split.csv').write_text(f'3{comma}train\n1.png{comma}val\n\n2{comma}train\n')
    table = dict(data_root=str(root), ann_file='split.csv')
    assert stems(BiTemporalDataset(**table, list_split='train')) == ['3', '2']
    assert stems(BiTemporalDataset(**table, list_split='val')) == ['1']
    with pytest.raises(DatasetError, match="no line of split 'test'; it has train, val"):
        BiTemporalDataset(**table, list_split='test')


@pytest.mark.parametrize('name', ['../../1.png', 'x/../1', '/etc/passwd', '..', r'..\1.png', 'C:/1.png', r'C:\1.png'])
def test_a_list_does_not_lead_out_of_the_data_root(pairs, name):
    root = pairs()
    (root / 'list.txt').write_text(f'1\n{name}\n')
    with pytest.raises(DatasetError, match=r'list\.txt: 1 names are outside the data root: .*name other folders'):
        BiTemporalDataset(data_root=str(root), ann_file='list.txt')


def test_links_below_the_folders_are_the_users_own(pairs, tmp_path_factory):
    root, disk = pairs(), tmp_path_factory.mktemp('disk')
    (root / 'A/1.png').rename(disk / 'big.png')
    (root / 'A/1.png').symlink_to(disk / 'big.png')
    assert stems(BiTemporalDataset(data_root=str(root))) == ['1', '2', '10']


def test_a_list_may_begin_with_a_byte_order_mark_but_is_utf8(pairs):
    root = pairs()
    (root / 'list.txt').write_bytes(b'\xef\xbb\xbf2.png\r\n10.png\r\n')
    assert stems(BiTemporalDataset(data_root=str(root), ann_file='list.txt')) == ['2', '10']
    (root / 'list.txt').write_bytes('2.png\n10.png\n'.encode('utf-16'))
    with pytest.raises(DatasetError, match=r'list\.txt: expected a list of file names in UTF-8'):
        BiTemporalDataset(data_root=str(root), ann_file='list.txt')


def test_a_plain_list_is_not_a_table(pairs):
    root = pairs()
    (root / 'list.txt').write_text('1,train\n2\n')
    with pytest.raises(DatasetError, match='expected lines `name,split`, found 1 others: 2'):
        BiTemporalDataset(data_root=str(root), ann_file='list.txt', list_split='train')
    with pytest.raises(ValueError, match='list_split=.train.: needs `ann_file`'):
        BiTemporalDataset(data_root=str(root), list_split='train')


def test_missing_list_file(pairs):
    root = pairs()
    with pytest.raises(FileNotFoundError, match=f'no list file {root}/list.txt'):
        BiTemporalDataset(data_root=str(root), ann_file='list.txt')


@pytest.mark.parametrize('folder', ['B', 'label'])
def test_different_sizes_are_found_before_training(pairs, write, folder):
    root = pairs()
    write(root / folder / '2.png', np.zeros((12, 15, 3), np.uint8))
    with pytest.raises(DatasetError) as caught:
        BiTemporalDataset(data_root=str(root))
    assert '1 samples have images or labels of different size' in str(caught.value)
    assert f'{root}/A/2.png is 16x12' in str(caught.value)
    assert f'{root}/{folder}/2.png is 15x12' in str(caught.value)
    assert len(BiTemporalDataset(data_root=str(root), check_sizes=False)) == 3


def test_unreadable_headers_are_named_together(pairs):
    root = pairs()
    (root / 'A' / '1.png').write_bytes(b'\x89PNG\r\n\x1a\nrest')
    (root / 'label' / '10.png').write_bytes(b'')
    with pytest.raises(DatasetError) as caught:
        BiTemporalDataset(data_root=str(root))
    assert '2 files cannot be read' in str(caught.value)
    assert f'{root}/A/1.png' in str(caught.value) and f'{root}/label/10.png' in str(caught.value)


def test_images_that_the_loader_would_refuse_are_found_before_training(pairs, write):
    root = pairs()
    write(root / 'B' / '10.png', np.zeros((12, 16, 3), np.uint16))
    with pytest.raises(DatasetError, match=r'B/10\.png: expected an 8-bit 3-band image, found 16-bit 3-band'):
        BiTemporalDataset(data_root=str(root), pipeline=[dict(type='LoadBiTemporalImages')])
    assert len(BiTemporalDataset(data_root=str(root))) == 3  # somebody else's loader may take it
    write(root / 'B' / '10.png', np.zeros((12, 16), np.uint8))
    grey = [dict(type='LoadBiTemporalImages', allow_grey=True)]
    assert BiTemporalDataset(data_root=str(root), pipeline=grey)[2]['img'][1].shape == (12, 16, 3)


def test_first_label_is_checked_before_training(pairs):
    root = pairs(top=77)
    with pytest.raises(DatasetError, match=r'label/1\.png: expected a mask of .*found 2 values: 0, 77'):
        BiTemporalDataset(data_root=str(root))
    dataset = BiTemporalDataset(
        data_root=str(root), label_threshold=50, pipeline=[dict(type='LoadChangeLabel')])
    assert dataset[0]['gt_seg_map'].sum() == 3 * 7


@pytest.mark.parametrize(('arguments', 'message'), [
    (dict(data_prefix=dict(img_path_from='A', seg_map_path='label')), 'the keys img_path_from, img_path_to'),
    (dict(data_prefix=dict(img_path_from='A', img_path_to='B', label='label')), 'expected the keys'),
    (dict(data_prefix=dict(img_path_from='A', img_path_to='B')), 'only a data set with test_mode=True'),
    (dict(label_threshold=0), 'label_threshold: expected None or 1 to 255, found 0'),
    (dict(format_seg_map=None), "format_seg_map: expected 'to_binary', found None"),
    (dict(reduce_zero_label=True), 'reduce_zero_label'),
])
def test_wrong_arguments_are_named(pairs, arguments, message):
    with pytest.raises(ValueError, match=message):
        BiTemporalDataset(data_root=str(pairs()), **arguments)


@pytest.mark.parametrize('prefix', [dict(), dict(seg_map_path=None)])
def test_labels_may_be_absent_when_testing(pairs, prefix):
    prefix = dict(img_path_from='A', img_path_to='B', **prefix)
    dataset = BiTemporalDataset(data_root=str(pairs()), test_mode=True, data_prefix=prefix)
    assert 'seg_map_path' not in dataset.get_data_info(0) and len(dataset) == 3


def test_a_label_folder_that_is_named_must_exist_even_when_testing(pairs):
    root = pairs()
    (root / 'label' / '1.png').unlink()
    with pytest.raises(DatasetError, match=r'1 missing in .*label \(seg_map_path\): 1'):
        BiTemporalDataset(data_root=str(root), test_mode=True)


def test_folders_of_any_name(pairs):
    root = pairs(names=('train/time1', 'train/time2', 'train/OUT'), a='.jpg')
    dataset = DATASETS.build(dict(
        type='FolderCDDataset', data_root=str(root), before='train/time1', after='train/time2',
        label='train/OUT'))
    assert isinstance(dataset, FolderCDDataset) and len(dataset) == 3
    assert dataset.get_data_info(0)['seg_map_path'] == f'{root}/train/OUT/1.png'
    unlabelled = FolderCDDataset(
        data_root=str(root), before='train/time1', after='train/time2', label=None, test_mode=True)
    assert len(unlabelled) == 3
    with pytest.raises(ValueError, match='before'):
        FolderCDDataset(data_root=str(root), data_prefix=dict())


def test_folders_without_a_root(pairs):
    root = pairs()
    assert len(FolderCDDataset(before=f'{root}/A', after=f'{root}/B', label=f'{root}/label')) == 3
    with pytest.raises(FileNotFoundError, match=re.escape(f'no folder {root}/C')):
        FolderCDDataset(before=f'{root}/A', after=f'{root}/C', label=f'{root}/label')


def test_lazy_init_checks_later(tmp_path):
    dataset = BiTemporalDataset(data_root=str(tmp_path / 'none'), lazy_init=True)
    with pytest.raises(FileNotFoundError, match='no folder'):
        dataset.full_init()


def test_indices_take_a_part(pairs):
    assert stems(BiTemporalDataset(data_root=str(pairs()), indices=2)) == ['1', '2']


@pytest.fixture
def warned(monkeypatch):
    lines = []
    monkeypatch.setattr(base, 'print_log', lambda text, logger, level: lines.append((text, logger, level)))
    return lines


@pytest.mark.parametrize('test_mode', [False, True])
def test_masks_without_a_changed_pixel_are_reported_before_the_training(pairs, warned, test_mode):
    root = pairs(stems=[str(place) for place in range(40)], top=0)
    BiTemporalDataset(data_root=str(root), test_mode=test_mode)
    assert warned == [(
        f'BiTemporalDataset: none of the 40 masks in {root}/label has a positive pixel. Nothing can be learnt from '
        'them, and F1 on them is 0 or undefined, whatever the network. Is it the right folder?',
        'current', logging.WARNING)]


@pytest.mark.parametrize('changed', ['0', '17', '69'])
def test_one_changed_pixel_in_one_of_many_masks_is_enough(pairs, write, warned, changed):
    root = pairs(stems=[str(place) for place in range(70)], top=0)
    mask = np.zeros((12, 16), np.uint8)
    mask[5, 5] = 255
    write(root / f'label/{changed}.png', mask)
    BiTemporalDataset(data_root=str(root))
    assert not warned


def test_ignored_pixels_are_no_change(pairs, warned):
    root = pairs(top=128)
    BiTemporalDataset(data_root=str(root), label_ignore=128)
    assert len(warned) == 1
