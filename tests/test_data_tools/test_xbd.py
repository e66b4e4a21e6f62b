"""Both dates in one folder, told apart by the ends of their names, as xBD has them; leftovers beside them."""

import numpy as np
import pytest
from PIL import Image

from schanger_mm.data_tools.foreground import write_foreground_list
from schanger_mm.data_tools.split import SplitRequest, write_splits
from schanger_mm.data_tools.stats import dataset_statistics
from schanger_mm.data_tools.tile import tile_folder
from schanger_mm.data_tools.verify import verify_dataset
from schanger_mm.datasets import BiTemporalDataset, DatasetError, FolderCDDataset
from schanger_mm.utils.tiling import Tiling

FOLDERS = dict(before='images', after='images', label='targets')
SUFFIXES = dict(before='_pre.png', after='_post.png', label='_post_target.png')
OPTIONS = [word for role, suffix in SUFFIXES.items()
           for word in (f'--{role}', FOLDERS[role], f'--{role}-suffix', suffix)]


@pytest.fixture
def xbd(tmp_path, write, picture, mask):
    """Two pairs; date A has the value 60 everywhere, date B 90."""
    for seed, name in enumerate(('fire_1', 'fire_2')):
        for date, value in (('pre', 60), ('post', 90)):
            write(tmp_path / f'xbd/images/{name}_{date}.png', np.full((32, 48, 3), value + seed, np.uint8))
            write(tmp_path / f'xbd/targets/{name}_{date}_target.png', mask() if date == 'post' else 0 * mask())
    write(tmp_path / 'xbd/images/.ipynb_checkpoints/fire_1_pre.png', picture(0))
    return tmp_path / 'xbd'


def test_the_data_set_pairs_by_the_ends(xbd):
    data = FolderCDDataset(
        data_root=str(xbd), before='images', after='images', label='targets', pipeline=[],
        img_suffix=dict(before='_pre.png', after='_post.png'), seg_map_suffix='_post_target.png')
    found = [data.get_data_info(place) for place in range(len(data))]
    assert [sample['name'] for sample in found] == ['fire_1', 'fire_2']
    assert found[0]['img_path'] == [f'{xbd}/images/fire_1_{date}.png' for date in ('pre', 'post')]
    assert found[0]['seg_map_path'] == f'{xbd}/targets/fire_1_post_target.png'
    (xbd / 'list.txt').write_text('fire_2_post.png\n')
    roles = dict(img_path_from='images', img_path_to='images', seg_map_path='targets')
    data = BiTemporalDataset(
        data_root=str(xbd), data_prefix=roles, ann_file='list.txt', pipeline=[], seg_map_suffix='_post_target.png',
        img_suffix=dict(img_path_from='_pre.png', img_path_to='_post.png'))
    assert [data.get_data_info(place)['name'] for place in range(len(data))] == ['fire_2']


@pytest.mark.parametrize('suffix', [None, '.png', dict(before='.png', after='.png')])
def test_an_image_is_no_pair_with_itself(xbd, suffix):
    with pytest.raises(ValueError, match="both dates are the files of one folder, 'images'; give each date its own"):
        FolderCDDataset(data_root=str(xbd), before='images', after='images', label='targets', img_suffix=suffix)
    with pytest.raises(DatasetError, match=r'xbd/images: both dates are the files of this folder'):
        verify_dataset(xbd, folders=FOLDERS)


def test_an_unknown_date_is_named(xbd):
    expected = 'img_suffix: expected the keys img_path_from, img_path_to, found img_path_from, later'
    with pytest.raises(ValueError, match=expected):
        FolderCDDataset(data_root=str(xbd), img_suffix=dict(before='_pre.png', later='_post.png'))


def test_verify(xbd, command):
    status, out, _ = command('verify', xbd, *OPTIONS)
    assert status == 0 and 'xbd: 2 samples checked, nothing wrong.' in out and '6.25% of the pixels' in out
    (xbd / 'images/fire_2_pre.png').unlink()
    result = verify_dataset(xbd, folders=FOLDERS, suffixes=SUFFIXES)
    assert len(result.found['unpaired']) == 2
    (xbd / 'one.txt').write_text('fire_1_post.png\n')
    result = verify_dataset(xbd, folders=FOLDERS, suffixes=SUFFIXES, lists=[xbd / 'one.txt'])
    assert [facts.name for facts in result.facts] == ['one/fire_1'] and not result.failed


def test_stats(xbd, command):
    before, after = dataset_statistics(xbd, folders=FOLDERS, suffixes=SUFFIXES, workers=1)
    np.testing.assert_allclose([before.mean[0], after.mean[0]], [60.5 / 255, 90.5 / 255])
    assert before.images == 2
    status, out, _ = command('stats', xbd, '--before', 'images', '--after', 'images', '--before-suffix', '_pre.png',
                             '--after-suffix', '_post.png')
    assert status == 0 and '60.500, 60.500, 60.500, 90.500, 90.500, 90.500' in out


def test_split_and_foreground_write_names_without_the_ends(xbd, tmp_path, command):
    write_splits(xbd / 'images', tmp_path / 'lists', SplitRequest(val='1'), suffix='_pre.png')
    names = [(tmp_path / f'lists/{split}.txt').read_text() for split in ('train', 'val')]
    assert sorted(names) == ['fire_1\n', 'fire_2\n']
    write_foreground_list(xbd / 'targets', tmp_path / 'some.txt', 0.05, workers=1, suffix='_post_target.png')
    assert (tmp_path / 'some.txt').read_text() == 'fire_1\nfire_2\n'
    assert command('split', xbd / 'images', '--suffix', '_post.png', '--val', '1', '--out', tmp_path / 'l')[0] == 0
    assert command('foreground', xbd / 'targets', '--suffix', '_post_target.png', '--least', '0.05', '--out',
                   tmp_path / 'l.txt')[0] == 0


def test_tiles_keep_the_ends(xbd, tmp_path, command):
    suffixes = ['_pre.png', '_post.png', '_pre_target.png', '_post_target.png']
    status, out, _ = command('tile', xbd, tmp_path / 'tiles', '--size', 16, '--suffixes', *suffixes)
    assert status == 0 and '48 tiles of 16x16 px written' in out
    assert np.asarray(Image.open(tmp_path / 'tiles/images/fire_2_6_post.png')).mean() == 91
    result = verify_dataset(tmp_path / 'tiles', folders=FOLDERS, suffixes=SUFFIXES, workers=1)
    assert len(result.facts) == 12 and not result.unpaired['tiles']
    with pytest.raises(FileExistsError, match=r"was cut with suffixes \['_pre.png', .*, requested is \[\]; cut into"):
        tile_folder(xbd, tmp_path / 'tiles', Tiling(16, 16))


def test_leftovers_are_no_split_and_no_samples(pairs, write, picture, mask):
    root = pairs()
    for split in ('train', '__MACOSX', '@eaDir'):
        for folder in ('A', 'B', 'label'):
            write(root / split / folder / '.ipynb_checkpoints/0-checkpoint.png', picture(7))
            write(root / '__MACOSX' / folder / '1.png', mask() if folder == 'label' else picture(8))
    result = verify_dataset(root, workers=1)
    assert [(split.name, len(result.of(split))) for split in result.splits] == [('train', 4), ('val', 2)]
    assert not result.failed
