"""Folders of a comparison."""

from pathlib import Path

from schanger_mm.experiments.compare_data import Data, content_of


def test_names_are_in_natural_order(tmp_path):
    for path in ('train/A/10.png', 'train/A/9.png', 'train/B/9.png', 'train/label/9.png', 'val/A/x.jpg', 'val/B/x.jpg',
                 'val/label/x.png', 'images/a.tif'):
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


def test_content_is_that_of_the_files_under_their_names_and_folders(tmp_path):
    for path in ('A/1.png', 'A/2.png', 'B/1.png'):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(path)
    folders = tmp_path / 'A', tmp_path / 'B'
    first = content_of(*folders)
    assert first.startswith('3 files, ') and len(first) == len('3 files, ') + 64
    assert content_of(*reversed(folders)) != first
    (tmp_path / 'A/notes.txt').write_text('no image')
    assert content_of(*folders) == first
    (tmp_path / 'A/2.png').rename(tmp_path / 'A/3.png')
    assert content_of(*folders) != first
    (tmp_path / 'A/3.png').rename(tmp_path / 'A/2.png')
    (tmp_path / 'B/1.png').write_text('B/2.png')
    assert content_of(*folders) != first
