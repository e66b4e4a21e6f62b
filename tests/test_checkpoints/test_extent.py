import zipfile

import pytest
import torch

from schanger_mm.checkpoints import CheckpointError, read_checkpoint
from schanger_mm.checkpoints.extent import LEVELS, check_extent, check_pickles


def doubled(levels, start=b')'):
    """Instructions for a tuple of a tuple twice, of a tuple twice and so on, each named once in the memo."""
    return start + b''.join(b'q' + bytes([i]) + b'h' + bytes([i]) + b'\x86' for i in range(levels))


ENDLESS = {
    'a key': b'}' + doubled(60) + b'K\x01s.',
    'a key of a dict that is left on the stack': b'}' + doubled(60) + b'K\x01sN.',
    'a key of a dict below a mark': b'}' + doubled(60) + b'K\x01s(N.',
    'a value of a set': b'c__builtin__\nset\n]' + doubled(60) + b'a\x85R.',
    'a key of an ordered dict': b'ccollections\nOrderedDict\n]' + doubled(60) + b'K\x01\x86a\x85R.',
    'an argument': b'c_codecs\nencode\n' + doubled(60) + b'\x85R.',
    'a list': doubled(60, b']') + b'.',
    'levels': b')' + b'\x85' * 100_000 + b'.',
}


@pytest.mark.parametrize('place', ENDLESS)
def test_tuples_that_are_hashed_for_ever_are_refused_at_once(place, tmp_path):
    with zipfile.ZipFile(tmp_path / 'a.pth', 'w') as archive:
        archive.writestr('archive/data.pkl', b'\x80\x02' + ENDLESS[place])
        archive.writestr('archive/version', '3\n')
    with pytest.raises(CheckpointError, match='its containers hold one another in .* levels and come to .* values'), \
            open(tmp_path / 'a.pth', 'rb') as stream:
        check_pickles(stream)
    with pytest.raises(CheckpointError, match='a.pth could not be read as plain weights'):
        read_checkpoint(tmp_path / 'a.pth')


@pytest.mark.parametrize('key', [doubled(60), b'K\x07'])
def test_memory_has_a_name_in_text(key, tmp_path):
    with zipfile.ZipFile(tmp_path / 'a.pth', 'w') as archive:
        archive.writestr('archive/data.pkl', b'\x80\x02(X\x07\0\0\0storagectorch\nFloatStorage\n' + key
                         + b'X\x03\0\0\0cpuK\x01tQ.')
        archive.writestr('archive/version', '3\n')
    with pytest.raises(CheckpointError, match='a reference to memory that torch.save does not write'), \
            open(tmp_path / 'a.pth', 'rb') as stream:
        check_pickles(stream)


def test_containers_that_are_shared_or_hold_themselves_pass(tmp_path):
    shared, endless = (0.9, 0.999), []
    endless.append(endless)
    check_extent([[shared] * 1000, endless])
    torch.save({'groups': [{'betas': shared} for _ in range(1000)], 'endless': endless}, tmp_path / 'a.pth')
    assert read_checkpoint(tmp_path / 'a.pth').content['groups'][999] == {'betas': shared}


def test_levels_are_counted():
    nested = ()
    for _ in range(LEVELS - 1):
        nested = (nested, )
    check_extent([nested])
    with pytest.raises(CheckpointError, match=f'in {LEVELS + 1} levels and come to {LEVELS} values'):
        check_extent([(nested, )])
