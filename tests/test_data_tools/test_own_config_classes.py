"""Configs that are written for pairs with class maps of both dates."""

import shutil

import numpy as np
import pytest

from schanger_mm.apis import load_config
from schanger_mm.data_tools.class_list import parse_classes
from schanger_mm.data_tools.own_config import write_own_config
from schanger_mm.registry import DATASETS
from schanger_mm.utils.errors import DatasetError, SettingError

COLOURS = np.array([(255, 255, 255), (0, 0, 255), (128, 0, 0)], np.uint8)
LOADERS = [f'{name}_dataloader' for name in ('train', 'val', 'test')]


def build(path):
    cfg = load_config(path)
    return cfg, [DATASETS.build(cfg[name].dataset) for name in LOADERS]


def test_colours_become_classes_and_unchanged(class_pairs, tmp_path):
    out = tmp_path / 'own.py'
    said = write_own_config(class_pairs(lambda classes: COLOURS[classes]), out)
    cfg, sets = build(out)
    assert [len(one) for one in sets] == [3, 2, 2]
    assert sets[0].class_values.as_dict() == dict(class_0=(0, 0, 255), class_1=(128, 0, 0), unchanged=(255, 255, 255))
    assert cfg.model.decode_head.semantic.num_classes == 2 and cfg.default_hooks.checkpoint.save_best == 'Sek'
    assert sets[1][0]['data_samples'].gt_sem_seg.data.sum() == 96
    assert 'images have 48 x 32 px and class maps have 2 classes' in said
    assert '# The value (255, 255, 255) means "unchanged": both dates have it at the same pixels.' in out.read_text()
    assert 'masks' not in out.read_text()


def test_named_classes_with_a_mask_and_drawn_pairs(class_pairs, tmp_path, mask, write):
    root, out = class_pairs(mask=True), tmp_path / 'own.py'
    shutil.rmtree(root / 'val')
    write(root / 'train/label/0.png', np.zeros((32, 48), np.uint8))
    write_own_config(root / 'train', out, classes=parse_classes(['none=0', 'water=1', 'house=2', 'unlabelled=9']))
    cfg, sets = build(out)
    assert sorted(len(one) for one in sets) == [1, 1, 2]
    assert sets[0].metainfo['semantic_classes'] == ('unchanged', 'none', 'water', 'house')
    assert cfg.train_dataloader.dataset.unlabelled == 9 and cfg.model.decode_head.semantic.num_classes == 3
    changed = {sample['data_samples'].name: int((sample['data_samples'].gt_sem_seg.data == 1).sum())
               for one in sets[1:] for sample in one}
    assert set(changed.values()) <= {0, 96} and changed.get('0', 0) == 0  # the mask decides
    assert 'Changed is what the masks say' in out.read_text()


def test_both_dates_in_one_folder(class_pairs, tmp_path):
    root, out = class_pairs(), tmp_path / 'own.py'
    for path in sorted(root.glob('*/B/*')):
        path.rename(path.parents[1] / 'A' / f'{path.stem}_post.png')
    for path in sorted(root.glob('*/A/?.png')):
        path.rename(path.with_name(f'{path.stem}_pre.png'))
    write_own_config(root, out, folders=dict(before='A', after='A'),
                     suffixes=dict(before='_pre.png', after='_post.png', label='.png'))
    cfg, sets = build(out)
    assert [len(one) for one in sets] == [3, 2, 2] and cfg.train_dataloader.dataset.seg_map_suffix == '.png'


def test_a_mask_alone_is_used_if_class_maps_are_switched_off(class_pairs, tmp_path):
    write_own_config(class_pairs(mask=True), tmp_path / 'own.py', folders=dict(label_before='none'))
    assert "_base_ = 'schanger_mm::schanger/custom.py'" in (tmp_path / 'own.py').read_text()


def test_what_cannot_be_trained_on_is_one_error(class_pairs, tmp_path, write):
    root, out = class_pairs(), tmp_path / 'own.py'
    with pytest.raises(DatasetError, match=r'train/label_a/0\.png: values of no class: 0 \(1440 px\); expected a 1'):
        write_own_config(root, out, classes=parse_classes(['a=1', 'b=2']))
    with pytest.raises(SettingError, match='--label none: a training needs the masks'):
        write_own_config(root, out, folders=dict(label='none', label_before='none'))
    for name in ('label_a', 'label_b'):
        (root / 'val' / name).rename(root / f'val_{name}')
    write(root / 'val/label/0.png', np.eye(32, 48, dtype=np.uint8))
    write(root / 'val/label/1.png', np.eye(32, 48, dtype=np.uint8))
    with pytest.raises(DatasetError, match='train has class maps of both dates and val has none; add them, or pass'):
        write_own_config(root, out)
    with pytest.raises(SettingError, match='--classes: .*val has no class maps of both dates'):
        write_own_config(root / 'val', out, ['none'], classes=parse_classes(['a=1', 'b=2']))
    assert not out.exists()
