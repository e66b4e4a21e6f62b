"""The list of masks with enough foreground."""

import numpy as np
import pytest

from schanger_mm.data_tools.foreground import foreground_share, write_foreground_list
from schanger_mm.utils.errors import DatasetError


@pytest.fixture
def masks(tmp_path, write):
    """Masks of 100 px with 0, 9, 10 and 50 foreground pixels, in an order that is not the alphabet's."""
    for name, count in (('tile_2', 10), ('tile_10', 50), ('tile_3', 9), ('deep/tile_1', 0)):
        mask = np.zeros((10, 10), np.uint8)
        mask.flat[:count] = 255
        write(tmp_path / f'gt/{name}.png', mask)
    return tmp_path / 'gt'


@pytest.mark.parametrize('least, names', [
    (0.1, ['tile_2', 'tile_10']), (0.09, ['tile_2', 'tile_3', 'tile_10']), (0.5, ['tile_10']),
    (0, ['deep/tile_1', 'tile_2', 'tile_3', 'tile_10'])])
def test_names_with_at_least_the_share_in_natural_order(masks, least, names, tmp_path):
    text = write_foreground_list(masks, tmp_path / 'list.txt', least, workers=1)
    assert (tmp_path / 'list.txt').read_text().split() == names
    assert text == f'{tmp_path}/list.txt: {len(names)} of 4 names, those with {least:.0%} foreground or more'


def test_zero_and_one_count_like_zero_and_255(tmp_path, write):
    mask = np.zeros((4, 4), np.uint8)
    mask[:2] = 1
    assert foreground_share(str(write(tmp_path / 'a.png', mask))) == 0.5
    assert foreground_share(str(write(tmp_path / 'b.png', 255 * mask))) == 0.5


def test_lossy_masks_need_a_threshold(tmp_path, write):
    mask = np.full((4, 4), 3, np.uint8)
    mask[0] = 250
    path = write(tmp_path / 'gt/a.png', mask)
    assert foreground_share(str(path), threshold=128) == 0.25
    with pytest.raises(DatasetError, match=r'a.png: expected a mask of 0 and 1.*label_threshold=128'):
        write_foreground_list(tmp_path / 'gt', tmp_path / 'list.txt', 0.1, workers=1)


def test_an_existing_list_is_kept_unless_asked(masks, tmp_path):
    out = tmp_path / 'list.txt'
    out.write_text('mine\n')
    with pytest.raises(FileExistsError, match='list.txt exists already'):
        write_foreground_list(masks, out, 0.1, workers=1)
    assert out.read_text() == 'mine\n'
    write_foreground_list(masks, out, 0.1, workers=1, overwrite=True)
    assert out.read_text() == 'tile_2\ntile_10\n'


@pytest.mark.parametrize('least', [-0.1, 1.5, 10])
def test_a_share_is_between_0_and_1(masks, least, tmp_path):
    with pytest.raises(ValueError, match='--least: expected a share from 0 to 1'):
        write_foreground_list(masks, tmp_path / 'list.txt', least)


def test_a_list_without_names_is_not_written(masks, tmp_path):
    with pytest.raises(DatasetError, match='none of 4 masks has 90% foreground or more; nothing was written'):
        write_foreground_list(masks, tmp_path / 'list.txt', 0.9, workers=1)
    assert not (tmp_path / 'list.txt').exists()


def test_a_folder_without_masks_is_named(tmp_path):
    (tmp_path / 'gt').mkdir()
    with pytest.raises(DatasetError, match='gt: expected files ending in'):
        write_foreground_list(tmp_path / 'gt', tmp_path / 'list.txt', 0.1, workers=1)


def test_the_command(masks, command, tmp_path):
    status, out, _ = command('foreground', masks, '--out', tmp_path / 'pos.txt', '--workers', 1)
    assert status == 0 and '2 of 4 names, those with 10% foreground or more' in out
    status, _, error = command('foreground', masks, '--out', tmp_path / 'pos.txt')
    assert status == 2 and error.splitlines()[-1].startswith('error: ') and 'exists already' in error


def test_nodata_is_no_foreground(tmp_path, write, command):
    mask = np.zeros((4, 4), np.uint8)
    mask[:2], mask[2] = 128, 255
    path = write(tmp_path / 'gt/a.png', mask)
    assert foreground_share(str(path), ignore=128) == 0.25
    status, out, _ = command('foreground', tmp_path / 'gt', '--least', 0.25, '--ignore', 128, '--workers', 1, '--out',
                             tmp_path / 'list.txt')
    assert status == 0 and '1 of 1 names' in out
    status, _, err = command('foreground', tmp_path / 'gt', '--ignore', 0, '--out', tmp_path / 'other.txt')
    assert status == 2 and err == 'error: --ignore: expected 1 to 254, found 0\n'
    status, _, err = command('foreground', tmp_path / 'gt', '--ignore', 1, '--threshold', 5, '--out',
                             tmp_path / 'other.txt')
    assert status == 2 and err.startswith('error: --threshold and --ignore')
