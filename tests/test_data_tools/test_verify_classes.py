"""Verification of data sets with class maps of both dates."""

import json

import numpy as np
import pytest
from PIL import Image

from schanger_mm.data_tools.class_list import parse_classes
from schanger_mm.data_tools.verify import NOTES, PROBLEMS, verify_dataset
from schanger_mm.data_tools.verify_report import report
from schanger_mm.utils.errors import DatasetError, SettingError

COLOURS = np.array([(255, 255, 255), (0, 0, 255), (128, 0, 0)], np.uint8)
LISTED = parse_classes(['none=0', 'water=1', 'house=2'])


def lines_of(result):
    """Lines by kind of problem or note."""
    assert set(result.found) <= {*PROBLEMS, *NOTES}
    return {kind: lines for kind, lines in result.found.items() if lines}


@pytest.mark.parametrize('folders', [('label_a', 'label_b'), ('labelA', 'labelB'), ('label1', 'label2')])
def test_classes_are_counted_per_date(class_pairs, folders):
    result = verify_dataset(class_pairs(folders=folders), workers=1, classes=LISTED)
    text = report(result)
    assert not result.failed and result.facts[0].classes == dict(
        label_before=dict(none=1440, water=96), label_after=dict(none=1440, house=96))
    assert f'A, B, {", ".join(folders)} ' in text and '8-bit 3-band (6)' in text
    assert '| classes before        | none: 93.75% of the pixels, in 3 of 3 images' in text
    assert 'water: 6.25% of the pixels, in 3 of 3 images' in text and 'house: 0.00% of the pixels, in 0 of 3' in text
    assert '| classes differ        | 6.25% of the pixels; none in 0 of 3 samples' in text
    assert lines_of(result) == dict(one_date=[  # no failure
        f'{split}: {name}' for split in ('train', 'val') for name in ('water (before)', 'house (after)')])
    assert result.as_dict()['classes'] == dict(none=0, water=1, house=2)


def test_without_a_list_the_values_are_the_classes(class_pairs):
    def with_a_house_that_stays(classes):
        return np.where(np.arange(32)[:, None] < 20, classes, 2).astype(np.uint8)

    assert ' unchanged=0\n' in report(verify_dataset(class_pairs(), workers=2))  # all that has no 0 changed
    text = report(verify_dataset(class_pairs(with_a_house_that_stays), workers=2))
    assert 'to name and fix them: --classes class_0=0 class_1=1 class_2=2\n' in text and 'PROBLEM' not in text


def test_colours_of_which_one_marks_unchanged(class_pairs):
    result = verify_dataset(class_pairs(lambda classes: COLOURS[classes]), workers=1)
    assert not result.failed and result.classes.as_dict() == {
        'class_0': (0, 0, 255), 'class_1': (128, 0, 0), 'unchanged': (255, 255, 255)}
    assert '--classes class_0=0,0,255 class_1=128,0,0 unchanged=255,255,255' in report(result)
    assert result.facts[0].differing == 96 and result.facts[0].half == 0


def test_a_palette_is_read_by_its_colours_or_by_indices(class_pairs):
    root = class_pairs()
    for path in root.glob('*/label_?/*.png'):
        image = Image.open(path)
        image.putpalette(COLOURS.ravel().tolist())
        image.save(path)
    assert verify_dataset(root, workers=1).classes.values == ((0, 0, 255), (128, 0, 0))
    assert not verify_dataset(root, workers=1, classes=LISTED).failed
    result = verify_dataset(root, workers=1, classes=parse_classes(['water=0,0,255', 'unchanged=255,255,255',
                                                                    'road=128,128,128']))
    assert len(result.found['classes']) == 5  # label_b has a colour that is not in the list
    assert 'label_b/0.png: values of no class: (128, 0, 0) (96 px); expected water (0, 0, 255), road' in report(result)


def test_values_outside_the_list(class_pairs, write):
    root = class_pairs()
    strange = np.zeros((32, 48), np.uint8)
    strange[:2, :3] = 9
    write(root / 'val/label_b/1.png', strange)
    write(root / 'val/label_a/0.png', np.zeros((32, 48, 3), np.uint8))
    result = verify_dataset(root, workers=1, classes=LISTED)
    other, line = result.found['classes']
    assert result.failed and line.startswith(f'{root}/val/label_b/1.png: values of no class: 9 (6 px); expected none 0')
    assert other.startswith(f'{root}/val/label_a/0.png: expected one band of grey values or indices')
    assert 'PROBLEM: 2 class maps hold values that are not in the list of classes (--classes):' in report(result)
    assert result.found['unreadable'] == []


def test_a_map_that_is_missing_damaged_or_of_another_size(class_pairs, write, mask):
    root = class_pairs()
    (root / 'train/label_a/0.png').unlink()
    (root / 'train/label_b/1.png').write_bytes(b'no picture')
    write(root / 'val/label_b/0.png', mask(2, height=30))
    found = lines_of(verify_dataset(root, workers=1))
    assert [line.split(': ')[0] for line in found['unpaired']] == [f'{root}/train/{role}/0.png' for role in (
        'A', 'B', 'label_b')]
    assert len(found['unreadable']) == 1 and 'label_b/1.png: truncated' in found['unreadable'][0]
    assert len(found['sizes']) == 1 and 'val/label_b/0.png is 48x30' in found['sizes'][0]


def test_maps_from_which_no_list_can_be_made(class_pairs, write, picture):
    root = class_pairs()
    write(root / 'val/label_b/0.png', picture(0))
    result = verify_dataset(root, workers=1)
    assert result.failed and 'val/label_b/0.png: its values are no classes, since there are more than 253; write' in \
        report(result) and '| classes before        | unknown' in report(result)
    write(root / 'val/label_b/0.png', COLOURS[np.eye(32, 48, dtype=int)])
    assert 'one has grey values and the other colours' in verify_dataset(root, workers=1).found['no_classes'][0]
    for path in root.glob('*/label_?/*'):
        write(path, np.zeros((32, 48), np.uint8))
    assert 'expected 2 to 253 values of classes in the maps, found 1: 0; name' in \
        verify_dataset(root, workers=1).found['no_classes'][0]
    (root / 'train/label_a/0.png').unlink()
    write(root / 'train/label_a/0.jpg', np.zeros((32, 48), np.uint8))
    assert 'since it is a lossy (JPEG) file' in verify_dataset(root, workers=1).found['no_classes'][0]


def test_a_mask_that_contradicts_the_maps_is_noted(class_pairs, write, mask):
    root = class_pairs(mask=True)
    assert 'contradiction' not in lines_of(verify_dataset(root, workers=1))
    changed = mask()
    changed[4, 6:18], changed[0, :4] = 0, 255
    write(root / 'train/label/0.png', changed)
    result = verify_dataset(root, workers=1)
    assert lines_of(result)['contradiction'] == [  # 4 of 280, and 12 of 288
        'train (1.43% of the changed pixels of the mask have equal classes, 4.17% of the pixels with different classes '
        'are unchanged in the mask)']
    assert not result.failed and '| changed               | 6.08% of the pixels' in report(result)


def test_a_class_at_one_date_only_where_the_other_is_unchanged(class_pairs, write):
    root = class_pairs(lambda classes: COLOURS[classes])
    half = np.array(Image.open(root / 'train/label_a/0.png'))
    half[4, 6:18] = 255
    write(root / 'train/label_a/0.png', half)
    result = verify_dataset(root, workers=1, classes=parse_classes(
        ['water=0,0,255', 'house=128,0,0', 'unchanged=255,255,255']))
    assert lines_of(result)['half'] == ['train (12 px, 4.17% of those with a class)']


def test_splits_without_changed_classes_are_noted(class_pairs, write):
    root = class_pairs()
    for path in root.glob('val/label_?/*'):
        write(path, np.eye(32, 48, dtype=np.uint8))
    assert lines_of(verify_dataset(root, workers=1))['empty'] == ['val: none in 2 labels']


def test_folders_of_maps(class_pairs):
    root = class_pairs()
    (root / 'val/label_b').rename(root / 'val/to')
    with pytest.raises(DatasetError, match=r'val: expected the class maps of both dates \(label_a and label_b, or '
                                           r'labelA .*\), found label_a\. Name them with --label-before and'):
        verify_dataset(root, workers=1)
    folders = dict(label_before='label_a', label_after='to')
    assert verify_dataset(root, ['val'], folders, workers=1).splits[0].maps == dict(
        label_before=root / 'val/label_a', label_after=root / 'val/to')
    with pytest.raises(DatasetError, match='expected the class maps of both dates .*NAME.*, found label_a'):
        verify_dataset(root, ['val'], dict(label_before='label_a'), workers=1)
    with pytest.raises(DatasetError, match='expected one folder of labels .*, it has the sub-folders A, B, label_a'):
        verify_dataset(root, ['val'], dict(label_before='none'), workers=1)
    with pytest.raises(SettingError, match='--classes: .* has no class maps of both dates'):
        verify_dataset(root, ['val'], dict(label_before='none', label='none'), workers=1, classes=LISTED)


@pytest.mark.parametrize('words, message', [
    (['water'], r'--classes water: expected NAME=VALUE with a grey value or a colour R,G,B'),
    (['water=1,2'], r'--classes water=1,2: expected NAME=VALUE'),
    (['water=1'], r'--classes\.classes: expected two or more different names, found \[.water.\]'),
    (['water=1', 'house=300'], r'--classes\.values\[1\]: expected a grey value of 0 to 255'),
    (['water=1', 'house=1'], 'hold a value twice')])
def test_lists_that_make_no_sense(words, message):
    with pytest.raises(SettingError, match=message):
        parse_classes(words)


def test_the_command(class_pairs, command, tmp_path):
    root = class_pairs(lambda classes: 100 * classes)
    status, out, _ = command('verify', root, '--classes', 'no class=0', 'water=100', 'unlabelled=200', '--workers', 1,
                             '--json', tmp_path / 'found.json')
    found = json.loads((tmp_path / 'found.json').read_text())
    assert status == 0 and 'no class: 93.75%' in out
    assert found['classes'] == {'no class': 0, 'water': 100, 'unlabelled': 200}
    assert found['samples'][0]['classes']['label_after'] == {'no class': 1440, 'unlabelled': 96}
    status, _, err = command('stats', root, '--workers', 1)
    assert status == 0 and err == ''
