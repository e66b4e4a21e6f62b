import pickle
import struct

import pytest
import torch

from schanger_mm.checkpoints.pickles import COMPUTED, imports_of


class Made:

    def __init__(self, *call):
        self.call = call

    def __reduce__(self):
        return self.call


def names(path):
    with path.open('rb') as stream:
        return set(imports_of(stream))


@pytest.mark.parametrize('protocol', range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize('zipped', [True, False])
def test_names_are_found_in_every_protocol(tmp_path, protocol, zipped):
    torch.save({'a': Made(exec, ('x', ))}, tmp_path / 'a.pth', pickle_protocol=protocol,
               _use_new_zipfile_serialization=zipped)
    assert names(tmp_path / 'a.pth') == {'builtins.exec'}


def test_a_pickle_within_a_pickle_is_data(tmp_path):
    torch.save([pickle.dumps(Made(exec, ('x', )))], tmp_path / 'a.pth')
    assert names(tmp_path / 'a.pth') == {'_codecs.encode'}


def test_names_from_the_memo_computed_ones_and_those_before_a_damage(tmp_path):
    (tmp_path / 'a').write_bytes(b'\x80\x04\x8c\x02os\x94\x8c\x06system\x94\x93\x94h\x00h\x01\x93.' + b'\x80\x02N.' * 4)
    assert names(tmp_path / 'a') == {'os.system'}
    (tmp_path / 'b').write_bytes(b'\x80\x04\x93.' * 5)
    assert names(tmp_path / 'b') == {COMPUTED}
    (tmp_path / 'c').write_bytes(b'\x80\x02cos\nsystem\nX' + struct.pack('<I', 9))
    with (tmp_path / 'c').open('rb') as stream:
        found = imports_of(stream)
        assert next(found) == 'os.system'
        with pytest.raises(ValueError):
            next(found)
