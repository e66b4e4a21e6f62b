"""Configs that are written for a folder of pairs."""

import shutil

import numpy as np
import pytest

from schanger_mm.apis import load_config
from schanger_mm.data_tools.own_config import write_own_config
from schanger_mm.registry import DATASETS
from schanger_mm.utils.errors import DatasetError, ExistsError, SettingError


@pytest.fixture
def out(tmp_path, monkeypatch):
    """The config to write, in a working folder that has nothing else."""
    folder = tmp_path / 'elsewhere'
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder / 'mine.py'


def flat(root):
    """Move the pairs of train and val into folders without splits."""
    for path in sorted(root.glob('*/*/*')):
        (root / path.parent.name).mkdir(exist_ok=True)
        path.rename(root / path.parent.name / path.name)
    shutil.rmtree(root / 'train')
    shutil.rmtree(root / 'val')
    return root


def counts(path):
    """Build the three data sets of a config, which checks their files, and return how many pairs they have."""
    cfg = load_config(path)
    loaders = [cfg[f'{name}_dataloader'].dataset for name in ('train', 'val', 'test')]
    return [len(DATASETS.build(loader)) for loader in loaders]


def test_folders_train_and_val_become_loaders(pairs, out):
    root = pairs()
    said = write_own_config(root, out)
    assert counts(out) == [4, 2, 2]
    text = out.read_text()
    assert "_base_ = 'schanger_mm::schanger/custom.py'" in text
    assert '# 4 to train, 2 to validate; of 6 pairs decoded, images have 48 x 32 px and masks are 0/255.' in text
    assert f"pairs = dict(data_root='{root}')\n" in text
    assert "\nval_dataloader = dict(dataset=dict(**pairs, before='val/A', after='val/B', label='val/label'))" in text
    assert 'which is optimistic' in text and '\n#   schanger train mine.py\n' in text and len(text.splitlines()) < 20
    assert 'train: 4 pairs in ' in said and said.endswith(f'schanger train {out}')
    assert load_config(out).train_dataloader.batch_size == 16  # custom.py's


def test_the_folders_name_is_the_configs(pairs, out):
    root = pairs()
    write_own_config(root.rename(root.with_name('my city (2)')))
    assert counts('my_city_2_.py') == [4, 2, 2]


def test_other_names_of_splits_and_folders(pairs, out):
    root = pairs(('Image1', 'Image2', 'masks'), (('Training', 3), ('validation', 2), ('test', 1), ('unused', 1)))
    write_own_config(root, out)
    assert counts(out) == [3, 2, 1] and 'optimistic' not in out.read_text()
    write_own_config(root, out, overwrite=True, splits=['unused', 'Training', 'test'])
    assert counts(out) == [2, 1, 1]


@pytest.mark.parametrize('number, drawn', [(2, [1, 1, 1]), (9, [8, 1, 1]), (10, [7, 1, 2])])
def test_what_is_not_split_is_drawn_next_to_the_config(pairs, out, number, drawn):
    root = flat(pairs(splits=(('train', number - 1), ('val', 1))))
    write_own_config(root, out, command='schanger config new')
    assert counts(out) == drawn
    lists = {path.stem: path.read_text().split() for path in out.with_name('mine_splits').glob('*.txt')}
    names = [name for listed in lists.values() for name in listed]
    assert len(names) == len(set(names)) == number and ('test' in lists) == (number >= 10)
    assert '"command": "schanger config new"' in out.with_name('mine_splits').joinpath('split.json').read_text()
    assert "label='label')" in out.read_text()  # folders stand once
    with pytest.raises(ExistsError, match=r'mine\.py exists already; nothing was written'):
        write_own_config(root, out)
    out.unlink()
    with pytest.raises(ExistsError, match=r'mine_splits/val\.txt'):
        write_own_config(root, out)
    assert not out.exists()


def test_tiles_of_one_image_can_be_kept_together(pairs, out):
    root = flat(pairs())  # train_0 to train_3, val_0, val_1
    assert 'look like tiles of 2 common images' in write_own_config(root, out)
    said = write_own_config(root, out, group_by=r'(.+)_\d+', overwrite=True)
    assert 'WARNING' not in said and sorted(counts(out)) in ([2, 2, 4], [2, 4, 4])


@pytest.mark.parametrize('folder', ['.', 'list', 'splits'])
def test_lists_of_the_data_are_used(pairs, out, folder):
    root = flat(pairs())
    (root / folder).mkdir(exist_ok=True)
    for name, listed in dict(train='train_0.png\ntrain_1.png\n', val='val_0', test='val_1').items():
        (root / folder / f'{name}.txt').write_text(listed)
    write_own_config(root, out)
    assert counts(out) == [2, 1, 1] and not out.with_name('mine_splits').exists()
    (root / 'a.csv').write_text('train_0,train\nval_0,val\n')
    with pytest.raises(DatasetError, match=r'expected one set of lists, found .*train\.txt, .*a\.csv; move'):
        write_own_config(root, out, overwrite=True)


def test_a_table_of_splits_is_used(pairs, out):
    root = flat(pairs())
    (root / 'split.csv').write_text('train_0.png,Train\ntrain_2.png,Train\ntrain_3.png,Train\nval_0.png,val\n')
    (root / 'notes.csv').write_text('name,weather,cloud\ntrain_0,train,val\n')
    write_own_config(root, out)
    assert counts(out) == [3, 1, 1] and "list_split='val'" in out.read_text()


@pytest.mark.parametrize('values, line', [
    ((1, ), ''), ((128, 255), '# Mask value 128 is taken for nodata.'),
    ((3, 100, 200, 251, 255), '# Masks have values between 0 and 255, as lossy files do: from 128 up')])
def test_masks_are_read_as_their_values_say(pairs, out, write, mask, values, line):
    root = pairs()
    for path in root.glob('*/label/*.png'):
        label = mask(values[-1])
        label[20, :len(values)] = values
        write(path, label)
    write_own_config(root, out)
    assert counts(out) == [4, 2, 2] and line in out.read_text()
    settings = load_config(out).train_dataloader.dataset
    assert (settings.get('label_ignore'), settings.get('label_threshold')) == (
        128 if len(values) == 2 else None, 128 if len(values) > 2 else None)


def test_both_dates_in_one_folder(pairs, out):
    root = pairs()
    for split in ('train', 'val'):
        for folder, end in (('A', 'pre'), ('B', 'post')):
            for path in sorted((root / split / folder).iterdir()):
                path.rename(root / split / 'A' / f'{path.stem}_{end}.png')
        shutil.rmtree(root / split / 'B')
    ends = dict(before='_pre.png', after='_post.png')
    write_own_config(root, out, folders=dict(before='A', after='A'), suffixes=ends)
    assert counts(out) == [4, 2, 2] and "img_suffix={'before': '_pre.png', 'after': '_post.png'}" in out.read_text()


def break_form(root, write):
    write(root / 'train/A/train_0.png', np.zeros((32, 48), np.uint8))


def break_size(root, write):
    write(root / 'train/B/train_0.png', np.zeros((32, 40, 3), np.uint8))


def break_classes(root, write):
    write(root / 'train/label/train_0.png', np.resize(np.arange(5, dtype=np.uint8), (32, 48)))


def break_file(root, write):
    (root / 'train/A/train_0.png').write_bytes((root / 'train/A/train_0.png').read_bytes()[:200])


def break_pair(root, write):
    (root / 'val/B/val_1.png').unlink()


def break_names(root, write):
    (root / 'train').rename(root / 'first')


def break_train(root, write):
    shutil.rmtree(root / 'train')


def break_masks(root, write):
    next((root / 'train/label').iterdir()).unlink()


def break_val_masks(root, write):
    next((root / 'val/label').iterdir()).unlink()


def break_folders(root, write):
    for split in ('train', 'val'):
        (root / split / 'A').rename(root / split / '2019')


@pytest.mark.parametrize('harm, message', [
    (break_form, r'train_0\.png: expected an 8-bit 3-band image, found 8-bit grey'),
    (break_size, r'B/train_0\.png is 40x32.*; cut or resample'), (break_file, r'A/train_0\.png: truncated'),
    (break_classes, r'the mask of train/train_0 has the values 0, 1, 2, 3, 4 \(5 values\), expected 0 and 1, or 0 and'),
    (break_pair, r'1 files are missing in 2 pairs: .*val/B has no val_1\. Add them .*`schanger verify \S+` '
                 r'lists all\.$'),
    (break_masks, r'without a mask can be .*`schanger split \S+train/A --labels \S+train/label --out \S+splits`'),
    (break_val_masks, r'val/label has no val_\d\. Add them .* lists all\.$'),
    (break_names, r'expected a split named train, found val, first; rename one, or pass --splits NAME'),
    (break_train, r'expected a split named train, found val'),
    (break_folders, r'expected the folders A and B, .*it has the sub-folders train, val\. Name them with --before')])
def test_what_cannot_be_trained_on_is_one_error(pairs, out, write, harm, message):
    root = pairs()
    harm(root, write)
    with pytest.raises(DatasetError, match=message):
        write_own_config(root, out)
    assert list(out.parent.iterdir()) == []


def test_one_pair_is_too_few(pairs, out):
    root = pairs(splits=(('train', 1), ))
    with pytest.raises(DatasetError, match=r'train/A: expected two pairs at least, .*; found 1\.'):
        write_own_config(root, out)
    assert list(out.parent.iterdir()) == []


def test_wrong_options(pairs, out, write, picture, mask):
    root = pairs()
    with pytest.raises(SettingError, match=r'--out mine\.yaml: expected a file that ends in \.py'):
        write_own_config(root, 'mine.yaml')
    with pytest.raises(SettingError, match='--label none: a training needs the masks'):
        write_own_config(root, folders=dict(label='none'))
    with pytest.raises(FileNotFoundError, match='no folder nowhere'):
        write_own_config('nowhere')
    single = root.with_name('single')
    write(single / 'images/a.png', picture(0))
    write(single / 'labels/a.png', mask())
    with pytest.raises(DatasetError, match='single has images of one date, and change detection needs pairs'):
        write_own_config(single)
