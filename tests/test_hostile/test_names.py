"""Names of any kind in lists and folders: each pair is its own, or an error says which name is wrong."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schanger_mm.datasets import BiTemporalDataset, DatasetError
from schanger_mm.utils.names import read_names

LETTERS = st.characters(codec='utf-8', exclude_characters='/\\\0\n\r', exclude_categories=('Cs', 'Cc', 'Zl', 'Zp'))
EASY = st.text(LETTERS, min_size=1, max_size=12).filter(str.strip)  # a line of spaces is no name
ODD = ['a', 'A', 'a ', ' a', 'a.png', '\xe9', 'e\u0301', '1', '01', '\uff11', 'a,b', '-', '..a', 'CON', '%s', '\ufeffa',
       '$HOME', '~']
NAMES = st.one_of(EASY, st.sampled_from(ODD))
LINES = st.one_of(NAMES, st.sampled_from(['', ' ', '..', '../x', '/x', 'C:\\x', 'a\0b', 'x/../y', '\x85', '.png']))
QUICK = settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck), derandomize=True)


def write(root: Path, names) -> None:
    """Pairs of which each knows its name: its pixels say which it is."""
    for index, name in enumerate(names):
        for role, value in (('A', index), ('B', 100 + index), ('label', 0)):
            path = root / role / f'{name}.png'
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(cv2.imencode('.png', np.full((4, 4, 3), value, np.uint8))[1].tobytes())


@QUICK
@given(st.lists(NAMES, min_size=1, max_size=5, unique=True), st.data())
def test_a_list_in_any_order_keeps_pairs_together(tmp_path_factory, names, data):
    root = tmp_path_factory.mktemp('names')
    write(root, names)
    chosen = data.draw(st.permutations(names))
    ends = data.draw(st.sampled_from(['\n', '\r\n', '\n\n', '  \n', '\t\n']))
    suffix = data.draw(st.sampled_from(['', '.png']))
    (root / 'list.txt').write_bytes(''.join(f'{name}{suffix}{ends}' for name in chosen).encode())
    try:
        dataset = BiTemporalDataset(data_root=str(root), ann_file='list.txt', serialize_data=False, check_sizes=False)
    except DatasetError as error:
        assert str(root) in str(error)
        return
    found = [dataset.get_data_info(index) for index in range(len(dataset))]
    assert len(found) == len({sample['name'] for sample in found}) == len(chosen)
    for sample in found:
        index = names.index(sample['name'])
        values = [cv2.imdecode(np.fromfile(path, np.uint8), 0)[0, 0] for path in sample['img_path']]
        assert values == [index, 100 + index]
        assert Path(sample['seg_map_path']).name == f'{sample["name"]}.png'
    if suffix:  # stems are then exact, and so is the order
        assert [sample['name'] for sample in found] == list(chosen)


@QUICK
@given(st.lists(LINES, max_size=6), st.sets(NAMES, max_size=6))
def test_a_list_gives_known_names_or_an_error(tmp_path_factory, lines, known):
    file = tmp_path_factory.mktemp('list') / 'list.txt'
    file.write_text('\n'.join(lines), encoding='utf-8')
    try:
        names = read_names(str(file), known)
    except DatasetError as error:
        assert str(file) in str(error)
        return
    assert names and len(set(names)) == len(names)
    for name in names:
        assert not name.startswith('/') and '..' not in name.split('/')


@pytest.mark.parametrize('content', [b'', b'\0', b'\xff\xfea\0', b'\r\r\r', b'a\0.png\n', b'a\n' * 10])
def test_bytes_that_are_no_list_are_refused(tmp_path, content):
    write(tmp_path, ['a', 'b'])
    (tmp_path / 'list.txt').write_bytes(content)
    with pytest.raises(DatasetError, match=r'list\.txt'):
        BiTemporalDataset(data_root=str(tmp_path), ann_file='list.txt')
