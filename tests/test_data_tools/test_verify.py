import json
import shutil

import numpy as np
import pytest
from PIL import Image

from schanger_mm.data_tools.verify import NOTES, PROBLEMS, verify_dataset
from schanger_mm.data_tools.verify_report import report


def found(root, **options):
    """Kinds of problems and notes, with the number of lines."""
    result = verify_dataset(root, workers=1, **options)
    assert set(result.found) <= {*PROBLEMS, *NOTES}
    return {kind: len(lines) for kind, lines in result.found.items() if lines}


def test_a_sound_set_passes(pairs):
    result = verify_dataset(pairs(), workers=2)
    text = report(result)
    assert not result.failed and 'PROBLEM' not in text and 'Note' not in text
    assert '48x32 (4)' in text and '8-bit 3-band (8)' in text and 'A, B, label' in text
    assert text.count('lossless, no label_threshold needed') == 2 and '0/255 (4)' in text
    assert '6.25% of the pixels; none in 0 of 4 samples (0.0%)' in text  # 96 of 1536
    assert text.endswith('6 samples checked, nothing wrong.')


def test_pairs_without_change_are_counted(pairs, write):
    root = pairs()
    write(root / 'train/label/train_3.png', np.zeros((32, 48), np.uint8))
    text = report(verify_dataset(root, workers=1))
    assert '4.69% of the pixels; none in 1 of 4 samples (25.0%)' in text and '0/255 (3), all 0 (1)' in text


def test_files_without_partner(pairs):
    root = pairs()
    (root / 'train/B/train_1.png').unlink()
    result = verify_dataset(root, workers=1)
    assert result.unpaired == dict(train=2, val=0)
    assert result.found['unpaired'] == [
        f'{root}/train/{role}/train_1.png: nothing of that stem in {root}/train/B' for role in ('A', 'label')]


def test_corrupt_and_truncated_files(pairs):
    root = pairs()
    path = root / 'train/A/train_0.png'
    path.write_bytes(path.read_bytes()[:-100])
    (root / 'val/label/val_1.png').write_bytes(b'not a picture')
    result = verify_dataset(root, workers=1)
    truncated, corrupt = result.found['unreadable']
    assert truncated.startswith(f'{path}: truncated') and corrupt.startswith(f'{root}/val/label/val_1.png: truncated')
    assert len(result.facts) == 6


def test_sizes(pairs, write, mask, picture):
    root = pairs()
    write(root / 'train/label/train_0.png', mask(width=64))
    for role, seed in (('A', 7), ('B', 8)):
        write(root / f'val/{role}/val_0.png', picture(seed, width=50))
    write(root / 'val/label/val_0.png', mask(width=50))
    result = verify_dataset(root, workers=1)
    assert len(result.found['sizes']) == 1 and 'label/train_0.png is 64x32' in result.found['sizes'][0]
    assert result.found['padding'] == ['val/val_0']


def test_sides_that_need_padding_are_no_failure(pairs, write, mask, picture):
    root = pairs(splits=[('train', 1)])
    write(root / 'train/label/train_0.png', mask(height=30))
    for role, seed in (('A', 7), ('B', 8)):
        write(root / f'train/{role}/train_0.png', picture(seed, height=30))
    assert found(root) == dict(padding=1) and not verify_dataset(root, workers=1).failed


@pytest.mark.parametrize('array, form', [(np.zeros((32, 48), np.uint8), '8-bit grey'),
                                         (np.zeros((32, 48, 4), np.uint8), '8-bit 4-band'),
                                         (np.zeros((32, 48), np.uint16), '16-bit grey')])
def test_image_modes(pairs, write, array, form):
    root = pairs()
    write(root / 'train/B/train_2.png', array)
    result = verify_dataset(root, workers=1)
    line, = result.found['form']
    assert line.startswith(f'{root}/train/B/train_2.png: expected an 8-bit 3-band image, found {form}')
    assert f'8-bit 3-band (7), {form} (1)' in report(result)


def test_lossy_labels_need_a_threshold(pairs, write, mask):
    root = pairs(splits=[('train', 2)])
    for i in range(2):
        (root / f'train/label/train_{i}.png').unlink()
        write(root / f'train/label/train_{i}.jpg', mask(), quality=30)
    result = verify_dataset(root, workers=1)
    text = report(result)
    assert result.failed and len(result.found['lossy']) == 2
    assert 'LOSSY in 2 of 2 files, label_threshold=128 needed' in text and 'lossless' not in text
    assert '`label_threshold=128` in the dataset of the config' in text
    assert '6.25% of the pixels' in text  # counted from 128 up
    with_threshold = verify_dataset(root, workers=1, threshold=128)
    assert not with_threshold.failed and 'read with label_threshold=128' in report(with_threshold)


def test_a_threshold_that_empties_the_labels_fails(pairs):
    root = pairs(top=1)
    assert found(root) == {}
    assert found(root, threshold=128) == dict(lost=6)
    with pytest.raises(ValueError, match='--threshold: expected 1 to 255, found 0'):
        verify_dataset(root, threshold=0)


def test_coloured_labels_are_not_called_lossy(pairs, write, picture):
    root = pairs()
    write(root / 'val/label/val_0.png', picture(0))
    line, = verify_dataset(root, workers=1).found['unreadable']
    assert 'val_0.png: expected a grey mask, found a coloured' in line


def test_a_pair_in_two_splits_is_found_under_another_name_and_format(pairs):
    root = pairs()
    for role in ('A', 'B', 'label'):
        with Image.open(root / f'train/{role}/train_2.png') as image:
            image.save(root / f'val/{role}/other.bmp')
    result = verify_dataset(root, workers=1)
    assert result.failed and result.found['leak'] == ['train/train_2 = val/other']


def test_repeats_within_a_split_are_noted(pairs):
    root = pairs()
    for role in ('A', 'B', 'label'):
        shutil.copy(root / f'train/{role}/train_2.png', root / f'train/{role}/train_9.png')
    result = verify_dataset(root, workers=1)
    assert not result.failed and result.found['repeated'] == ['train/train_2 = train/train_9']


def test_one_equal_date_is_no_duplicate(pairs):
    root = pairs()
    shutil.copy(root / 'train/A/train_0.png', root / 'val/A/val_0.png')
    assert found(root) == {}


def test_a_broken_partner_makes_no_duplicate(pairs):
    root = pairs()
    shutil.copy(root / 'train/A/train_0.png', root / 'val/A/val_0.png')
    for name in ('train/B/train_0.png', 'val/B/val_0.png'):
        (root / name).write_bytes(b'broken')
    assert found(root) == dict(unreadable=2)


def test_identical_dates_and_no_data_are_noted(pairs, write):
    root = pairs()
    shutil.copy(root / 'train/A/train_0.png', root / 'train/B/train_0.png')
    for split in ('train', 'val'):  # equal in both splits, but there is nothing to leak
        for role in ('A', 'B'):
            write(root / f'{split}/{role}/{split}_1.png', np.full((32, 48, 3), 255, np.uint8))
    assert found(root) == dict(same_dates=1, uniform=2)


def test_two_files_of_one_stem_fail_one_split_only(pairs, write, picture):
    root = pairs()
    write(root / 'val/A/val_0.tif', picture(5))
    result = verify_dataset(root, workers=1)
    assert 'val_0.png and val_0.tif' in result.found['folders'][0] and len(result.facts) == 4
    assert 'unknown' in report(result)


def test_single_images_and_pairs_without_labels(tmp_path, write, picture, mask, pairs):
    for name in 'ab':
        write(tmp_path / f'one/images/{name}.jpg', picture(ord(name)))
        write(tmp_path / f'one/masks/{name}.png', mask())
    text = report(verify_dataset(tmp_path / 'one', single=True, workers=1))
    assert 'positive' in text and '6.25%' in text and 'nothing wrong' in text
    bare = pairs()
    shutil.rmtree(bare / 'train/label')
    result = verify_dataset(bare, ['train'], dict(label='none'), workers=1)
    assert not result.failed and 'labels' not in report(result)


def test_ten_lines_of_a_kind_are_shown_and_all_are_counted(pairs, write):
    root = pairs(splits=[('train', 12)])
    for i in range(12):
        write(root / f'train/A/train_{i}.png', np.full((32, 48), i, np.uint8))
    text = report(verify_dataset(root, workers=1))
    assert 'PROBLEM: 12 images are not 8-bit 3-band' in text and '... and 2 more' in text
    assert text.count('8-bit grey;') == 10


def test_command_exit_status_and_json(pairs, command, tmp_path):
    root, file = pairs(), tmp_path / 'out/found.json'
    assert command('verify', root, '--workers', 1, '--json', file)[0] == 0
    assert json.loads(file.read_text())['failed'] is False
    (root / 'val/A/val_0.png').write_bytes(b'')
    status, out, _ = command('verify', root, '--workers', 1, '--json', file, '--overwrite')
    content = json.loads(file.read_text())
    assert status == 1 and 'one kind of problem' in out and len(content['problems']['unreadable']) == 1
    assert len(content['samples']) == 6 and content['samples'][0]['changed'] == 96
    status, _, err = command('verify', root, '--json', file)
    assert status == 2 and err.startswith(f'error: {file} exists already')
    status, _, err = command('verify', tmp_path / 'nowhere')
    assert status == 2 and err == f'error: no folder {tmp_path}/nowhere; expected the folder of a data set.\n'
