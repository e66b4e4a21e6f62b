"""Folders of a comparison."""

from pathlib import Path

from schanger_mm.experiments.compare_data import Data


def test_names_are_in_natural_order(tmp_path):
    for path in ('train/A/10.png', 'train/A/9.png', 'val/A/x.jpg', 'images/a.tif'):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    data = Data(tmp_path / 'train', tmp_path / 'val', tmp_path / 'images')
    assert data.names() == {'train': ['9', '10'], 'val': ['x'], 'images': ['a']}
    assert Data(tmp_path / 'train', tmp_path / 'val').names() == {'train': ['9', '10'], 'val': ['x']}


def test_lossy_masks_have_a_threshold_everywhere_but_where_labels_are_not_read():
    data = Data(Path('t'), Path('v'), Path('i'), Path('m'), label_threshold=128)
    assert data.pairs('x', data.train)['x.label_threshold'] == data.singles('x')['x.label_threshold'] == 128
    assert data.pairs('x', data.train, labelled=False) == {
        'x.data_root': Path('t'), 'x.before': 'A', 'x.after': 'B', 'x.ann_file': ''}
