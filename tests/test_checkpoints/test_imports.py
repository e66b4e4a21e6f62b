import pickle

import pytest
import torch

from schanger_mm.checkpoints.imports import COMPUTED, imports_of, own_imports


class Made:

    def __init__(self, *call):
        self.call = call

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize('protocol', range(pickle.HIGHEST_PROTOCOL + 1))
def test_names_are_found_in_every_protocol_and_in_pickles_within(tmp_path, protocol):
    inner = pickle.dumps(Made(exec, ('x', )), protocol)
    outer = Made(pickle.loads, (pickle.dumps([1, Made(pickle.loads, (inner, ))], protocol), ))
    (tmp_path / 'a').write_bytes(pickle.dumps({'a': outer}, protocol))
    found = imports_of(tmp_path / 'a')
    assert 'builtins.exec' in found and any(name.endswith('pickle.loads') for name in found)


def test_names_of_a_file_within_a_file(tmp_path):
    torch.save({'x': Made(exec, ('x', ))}, tmp_path / 'inner.pth')
    torch.save([(tmp_path / 'inner.pth').read_bytes()], tmp_path / 'outer.pth')
    assert 'builtins.exec' in imports_of(tmp_path / 'outer.pth')
    assert own_imports(tmp_path / 'outer.pth') == {'_codecs.encode'}  # bytes are not followed by reading


def test_names_from_the_memo_and_computed_ones(tmp_path):
    (tmp_path / 'a').write_bytes(b'\x80\x04\x8c\x02os\x94\x8c\x06system\x94\x93\x94h\x00h\x01\x93.')
    assert imports_of(tmp_path / 'a') == {'os.system'}
    (tmp_path / 'b').write_bytes(b'\x80\x04\x93.')
    assert imports_of(tmp_path / 'b') == {COMPUTED}


def test_what_is_cut_off_names_what_came_before(tmp_path):
    (tmp_path / 'a').write_bytes(b'\x80\x02cos\nsystem\nX\xff\xff\xff\x7f')
    assert imports_of(tmp_path / 'a') == {'os.system'}
    (tmp_path / 'b').write_bytes(b'Just a text.')
    assert imports_of(tmp_path / 'b') == set()
