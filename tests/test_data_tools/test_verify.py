import json
import shutil

import numpy as np
import pytest
from PIL import Image

from schanger_mm.data_tools.verify import NOTES, PROBLEMS, verify_dataset
from schanger_mm.data_tools.verify_report import report
from schanger_mm.datasets import DatasetError


def found(root, **options):
    """Kinds of problems and notes, with the number of lines."""
    return {kind: len(lines) for kind, lines in lines_of(verify_dataset(root, workers=1, **options)).items()}


def lines_of(result):
    """Lines by kind of problem or note."""
    assert set(result.found) <= {*PROBLEMS, *NOTES}
    return {kind: lines for kind, lines in result.found.items() if lines}


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


def test_a_split_without_any_change_is_noted(pairs, write):
    root = pairs()
    for place in range(2):
        write(root / f'val/label/val_{place}.png', np.zeros((32, 48), np.uint8))
    result = verify_dataset(root, workers=1)
    assert lines_of(result) == dict(empty=['val: none in 2 labels'])
    assert ('Note: 1 splits have no positive pixel in any label, so nothing can be learnt there and F1 is 0 or '
            'undefined: val: none in 2 labels') in report(result)


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
    assert 'set `label_threshold=None`' in report(verify_dataset(root, workers=1, threshold=128))
    with pytest.raises(ValueError, match='--threshold: expected 1 to 255, found 0'):
        verify_dataset(root, threshold=0)
    with pytest.raises(ValueError, match='--ignore: expected 1 to 254, found 255'):
        verify_dataset(root, ignore=255)
    with pytest.raises(ValueError, match='--threshold and --ignore'):
        verify_dataset(root, threshold=128, ignore=1)


@pytest.mark.parametrize('colours', [[0, 0, 0, 255, 255, 255], [255, 255, 255, 0, 0, 0]])
def test_a_palette_of_black_and_white_counts_by_its_colours(pairs, mask, colours):
    root = pairs(splits=[('train', 1)])
    indices = mask(1)
    image = Image.fromarray(indices if colours[0] == 0 else 1 - indices)
    image.putpalette(colours)
    image.save(root / 'train/label/train_0.png')
    for threshold in (None, 128):
        result = verify_dataset(root, workers=1, threshold=threshold)
        assert not result.failed and result.facts[0].changed == 96 and 'palette (1)' in report(result)


@pytest.mark.parametrize(('colours', 'seen'), [
    ([0, 0, 0, 255, 0, 0], 'by indices, unchanged: index 0 (0, 0, 0); changed: index 1 (255, 0, 0) (1)'),
    ([255, 0, 0, 0, 0, 0], 'by colours, unchanged: index 1 (0, 0, 0); changed: index 0 (255, 0, 0) (1)'),
])
def test_the_report_says_how_a_palette_was_read(pairs, mask, colours, seen):
    root = pairs(splits=[('train', 1)])
    image = Image.fromarray(mask(1) if colours[0] == 0 else 1 - mask(1))
    image.putpalette(colours)
    image.save(root / 'train/label/train_0.png')
    result = verify_dataset(root, workers=1)
    assert not result.failed and result.facts[0].changed == 96 and seen in report(result)


def test_a_palette_against_its_indices_cannot_be_used(pairs, mask):
    root = pairs(splits=[('train', 1)])
    image = Image.fromarray(mask(1))
    image.putpalette([255, 0, 0, 255, 255, 255])
    image.save(root / 'train/label/train_0.png')
    assert found(root) == dict(unreadable=1)


def test_an_empty_jpeg_mask_that_decodes_to_ones_is_not_lost(pairs, write):
    root = pairs(splits=[('train', 1)])
    (root / 'train/label/train_0.png').unlink()
    write(root / 'train/label/train_0.jpg', np.ones((32, 48), np.uint8))
    result = verify_dataset(root, workers=1, threshold=128)
    assert not result.failed and result.facts[0].changed == 0


@pytest.fixture
def nodata(pairs, write):
    """Four pairs whose masks are half nodata (128), an eighth changed; one says 0/128 only, one 0/255 only."""
    def make(changed=255, nodata=128):
        root = pairs(splits=[('train', 4)])
        for i in range(4):
            array = np.zeros((32, 48), np.uint8)
            if i != 2:
                array[:16] = nodata
            if i != 3:
                array[16:20] = changed
            write(root / f'train/label/train_{i}.png', array)
        return root
    return make


@pytest.mark.parametrize('changed, third', [(255, 128), (1, 128), (1, 2), (255, 3)])
def test_a_third_value_is_no_reason_for_a_threshold(nodata, changed, third):
    root = nodata(changed, third)
    result = verify_dataset(root, workers=1)
    text = report(result)
    assert [*lines_of(result)] == ['third'] and len(result.found['third']) == 3 and result.failed
    values = ', '.join(map(str, sorted((0, changed, third))))
    assert f'three values ({values}) in 3 of 4 files: if {third} is nodata set label_ignore={third}' in text
    assert f'(--ignore {third}), not label_threshold' in text and 'LOSSY' not in text and 'needed' not in text
    assert '9.38% of the pixels, 37.50% have the value' in text  # 3/4 of 1/8, 3/4 of 1/2
    ignoring = verify_dataset(root, workers=1, ignore=third)
    assert not ignoring.failed and [facts.changed for facts in ignoring.facts] == [192, 192, 192, 0]
    assert f'9.38% of the pixels, 37.50% have the value {third} and are not counted; none in 1 of 4' in report(ignoring)
    assert f'lossless, read with label_ignore={third}' in report(ignoring)


def test_a_threshold_over_a_third_value_says_what_it_does(nodata):
    text = report(verify_dataset(nodata(), workers=1, threshold=128))
    assert 'three values (0, 128, 255) in 3 of 4 files, read with label_threshold=128: 128 counts as 1' in text
    text = report(verify_dataset(nodata(), workers=1, threshold=200))
    assert 'read with label_threshold=200: 128 counts as 0' in text


def test_255_in_a_mask_of_ones_has_to_be_written_as_another_value(nodata):
    text = report(verify_dataset(nodata(1, 255), workers=1))
    assert 'three values (0, 1, 255)' in text and 'write another value such as 128 for 255' in text


def test_two_values_or_many_stay_lossy(pairs, write, mask):
    root = pairs(top=128)
    assert found(root) == dict(lossy=6)
    write(root / 'train/label/train_0.png', mask(255))
    write(root / 'train/label/train_1.png', np.arange(32 * 48, dtype=np.uint16).reshape(32, 48).astype(np.uint8))
    assert found(root) == dict(lossy=5)


@pytest.fixture
def one_folder(pairs):
    """Six pairs in one folder, train_0 to train_5."""
    return pairs(splits=[('train', 6)])


def test_lists_make_the_splits_of_one_folder(one_folder, tmp_path):
    root = one_folder
    for role in ('A', 'B', 'label'):
        shutil.copy(root / f'train/{role}/train_0.png', root / f'train/{role}/train_5.png')
    (tmp_path / 'train.txt').write_text('train_0.png\ntrain_1.png\ntrain_2\n')
    (tmp_path / 'val.txt').write_text('train_5.png\n')
    assert found(root) == dict(repeated=1)
    result = verify_dataset(root, workers=1, lists=[tmp_path / 'train.txt', tmp_path / 'val.txt'])
    assert [split.name for split in result.splits] == ['train', 'val'] and len(result.facts) == 4
    assert lines_of(result) == dict(leak=['train/train_0 = val/train_5'])
    assert '4 samples checked' in report(result)


def test_a_table_makes_the_splits_too(one_folder, tmp_path):
    table = tmp_path / 'split.csv'
    table.write_text('train_0.png,train\ntrain_1.png,val\ntrain_2.png,train\ntrain_3.png,rest\n')
    result = verify_dataset(one_folder, workers=1, lists=[table], list_splits=['train', 'val'])
    assert [facts.name for facts in result.facts] == ['train/train_0', 'train/train_2', 'val/train_1']
    with pytest.raises(DatasetError, match=r"split.csv: 4 of 4 names have no .*train_0.png,train.* --list-split"):
        verify_dataset(one_folder, workers=1, lists=[table])


def test_a_listed_name_that_lacks_a_date_is_unpaired(one_folder, tmp_path):
    (one_folder / 'train/B/train_1.png').unlink()
    (one_folder / 'train/B/train_4.png').unlink()  # in no list
    (tmp_path / 'some.txt').write_text('train_0\ntrain_1\n')
    result = verify_dataset(one_folder, workers=1, lists=[tmp_path / 'some.txt'])
    assert len(result.found['unpaired']) == 2 and len(result.facts) == 1


def test_lists_that_make_no_splits(pairs, tmp_path):
    one, two = tmp_path / 'one/train.txt', tmp_path / 'two/train.txt'
    for path in (one, two):
        path.parent.mkdir()
        path.write_text('train_0\n')
    with pytest.raises(ValueError, match='one folder, found the splits train, val; .* --splits'):
        verify_dataset(pairs(), lists=[one])
    assert len(verify_dataset(pairs(), ['train'], workers=1, lists=[one]).facts) == 1
    with pytest.raises(ValueError, match='--list: expected lists of different names, found train twice'):
        verify_dataset(pairs(), ['train'], lists=[one, two])
    with pytest.raises(ValueError, match='--list-split: expected one table in --list, found 2'):
        verify_dataset(pairs(), ['train'], lists=[one, two], list_splits=['train'])
    with pytest.raises(ValueError, match='--list-split: expected one table in --list, found 0'):
        verify_dataset(pairs(), ['train'], list_splits=['train'])
    with pytest.raises(FileNotFoundError, match='no list .*three.txt'):
        verify_dataset(pairs(), ['train'], lists=[tmp_path / 'three.txt'])


def test_command_with_lists_and_ignored_values(nodata, command, tmp_path):
    root, table = nodata(), tmp_path / 'split.csv'
    table.write_text(''.join(f'train_{i},{"val" if i == 3 else "train"}\n' for i in range(4)))
    words = ('verify', root, '--list', table, '--list-split', 'train', 'val', '--workers', 1)
    assert command(*words)[0] == 1
    status, out, _ = command(*words, '--ignore', 128)
    assert status == 0 and '4 samples checked, nothing wrong' in out
    shutil.copy(root / 'train/B/train_0.png', root / 'train/A/train_3.png')
    status, out, _ = command(*words, '--ignore', 128)
    assert status == 1 and 'train/train_0 shares date B with val/train_3 (its date A)' in out


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


@pytest.mark.parametrize('here, there, line', [
    ('A', 'A', 'train/train_0 shares date A with val/val_0'), ('B', 'B', 'train/train_0 shares date B with val/val_0'),
    ('A', 'B', 'train/train_0 shares date A with val/val_0 (its date B)')])
def test_one_date_in_two_splits_is_a_leak(pairs, here, there, line):
    root = pairs()
    shutil.copy(root / f'train/{here}/train_0.png', root / f'val/{there}/val_0.png')
    result = verify_dataset(root, workers=1)
    assert result.failed and lines_of(result) == dict(leak=[line])


def test_one_date_twice_in_one_split_is_a_series_and_no_leak(pairs):
    root = pairs()
    shutil.copy(root / 'train/A/train_0.png', root / 'train/A/train_1.png')
    assert found(root) == {}


def test_a_pair_with_its_dates_swapped_is_the_same_pair(pairs):
    root = pairs()
    for here, there in (('A', 'B'), ('B', 'A')):
        shutil.copy(root / f'train/{here}/train_0.png', root / f'val/{there}/val_0.png')
        shutil.copy(root / f'train/{here}/train_1.png', root / f'train/{there}/train_3.png')
    result = verify_dataset(root, workers=1)
    assert result.failed and lines_of(result) == dict(
        leak=['train/train_0 = val/val_0 (dates swapped)'], repeated=['train/train_1 = train/train_3 (dates swapped)'])


def test_a_shared_date_is_found_beside_a_broken_partner(pairs):
    root = pairs()
    shutil.copy(root / 'train/A/train_0.png', root / 'val/A/val_0.png')
    for name in ('train/B/train_0.png', 'val/B/val_0.png'):
        (root / name).write_bytes(b'broken')
    assert found(root) == dict(unreadable=2, leak=1)


def test_one_date_without_data_leaks_nothing(pairs, write):
    root = pairs()
    for split in ('train', 'val'):
        write(root / f'{split}/A/{split}_1.png', np.zeros((32, 48, 3), np.uint8))
    assert found(root) == {}


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
