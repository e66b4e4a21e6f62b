"""Checkpoints of somebody who means harm. What they would do is to write a file, the canary."""

import io
import os
import pickle
import struct
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

ATTACKS = (
    'system.pth', 'nested.pth', 'getattr.pth', 'hidden.pth', 'members.pth', 'script.pth', 'legacy.pth', 'bare.pth',
    'protocol0.pth', 'tar.pth', 'function.pth', 'cut.pth', 'cut.safetensors', 'claims_header.safetensors',
    'claims_tensor.safetensors', 'claims_zip.pth', 'claims_storage.pth', 'claims_legacy.pth', 'claims_memory.pth',
    'squeezed.pth', 'laughs.pth', 'deep.pth', 'cycle.pth')
TEN_GB = 10**10


class Reduced:
    """Asks to be made by calling something."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


class Python2:
    """Instructions of pickle's protocol 2, written by hand: ``pickle`` would not write these."""

    @staticmethod
    def text(words: str) -> bytes:
        data = words.encode()
        return b'X' + struct.pack('<I', len(data)) + data

    @staticmethod
    def name(module: str, name: str) -> bytes:
        return f'c{module}\n{name}\n'.encode()

    @staticmethod
    def number(value: int) -> bytes:
        return b'\x8a\x08' + struct.pack('<q', value)

    @classmethod
    def call(cls, function: bytes, *arguments: bytes) -> bytes:
        return function + b'(' + b''.join(arguments) + b'tR'

    @classmethod
    def tensor(cls, numel: int) -> bytes:
        storage = b'(' + cls.text('storage') + cls.name('torch', 'FloatStorage') + cls.text('0') + cls.text(
            'cpu') + cls.number(numel) + b'tQ'
        return cls.call(cls.name('torch._utils', '_rebuild_tensor_v2'), storage, b'K\x00',
                        cls.number(numel) + b'\x85', b'K\x01\x85', b'\x89',
                        cls.call(cls.name('collections', 'OrderedDict')))

    @classmethod
    def checkpoint(cls, state: bytes) -> bytes:
        """A whole pickle of ``{'state_dict': state}``."""
        return b'\x80\x02}' + cls.text('state_dict') + state + b's.'


def repacked(path: Path, data_pkl: bytes | None = None, squeeze: bool = False, more: dict | None = None) -> None:
    """Write a checkpoint of one tensor, with another ``data.pkl``, more members, or compressed."""
    stream = io.BytesIO()
    torch.save({'state_dict': {'a': torch.zeros(2)}}, stream)
    with zipfile.ZipFile(stream) as archive, zipfile.ZipFile(
            path, 'w', zipfile.ZIP_DEFLATED if squeeze else zipfile.ZIP_STORED) as out:
        for member in archive.namelist():
            replaced = data_pkl is not None and member.endswith('data.pkl')
            out.writestr(member, data_pkl if replaced else archive.read(member))
        for member, content in (more or {}).items():
            out.writestr(member, content)


def write(folder: Path, canary: Path) -> None:
    """Write all of :data:`ATTACKS`."""
    p2, code = Python2, f'open({str(canary)!r}, "w").close()'
    shell = Reduced(os.system, f'touch {canary}')
    torch.save({'state_dict': {}, 'more': shell}, folder / 'system.pth')
    inner = pickle.dumps(Reduced(exec, code), protocol=2)
    torch.save({'state_dict': {}, 'more': [Reduced(pickle.loads, pickle.dumps(Reduced(pickle.loads, inner)))]},
               folder / 'nested.pth')

    # getattr(getattr, '__self__') is the module builtins; torch's own function calls what is found there
    get = p2.name('builtins', 'getattr')
    run = p2.call(get, p2.call(get, get, p2.text('__self__')), p2.text('exec'))
    repacked(folder / 'getattr.pth', p2.checkpoint(p2.call(
        p2.name('torch._tensor', '_rebuild_from_type_v2'), run, p2.name('torch', 'Tensor'), p2.text(code) + b'\x85',
        b'}')))
    # a log buffer would enter this function into mmengine's table of statistics
    buffer = p2.name('mmengine.logging.history_buffer', 'HistoryBuffer')
    repacked(folder / 'hidden.pth', p2.checkpoint(
        buffer + b')\x81}' + p2.text('statistics_methods') + b'}' + p2.text('mean') + p2.name('builtins', 'exec')
        + b'ss' + b'b'))

    repacked(folder / 'members.pth', more={'other/data.pkl': inner, '../../evil.py': code})
    repacked(folder / 'script.pth', more={'archive/constants.pkl': inner, 'archive/code/a.py': code})
    torch.save({'state_dict': {}, 'more': shell}, folder / 'legacy.pth', _use_new_zipfile_serialization=False)
    (folder / 'bare.pth').write_bytes(pickle.dumps({'state_dict': shell}, protocol=4))
    (folder / 'protocol0.pth').write_bytes(f"cos\nsystem\n(S'touch {canary}'\ntR.".encode())
    with tarfile.open(folder / 'tar.pth', 'w') as archive:
        archive.add(folder / 'protocol0.pth', 'pickle')
    repacked(folder / 'function.pth', p2.checkpoint(p2.name('torch._utils', '_rebuild_tensor')))

    torch.save({'state_dict': {'a': torch.zeros(1000)}}, folder / 'whole.pth')
    whole = (folder / 'whole.pth').read_bytes()
    (folder / 'cut.pth').write_bytes(whole[:len(whole) // 2])
    header = b'{"a":{"dtype":"F32","shape":[1000],"data_offsets":[0,4000]}}'
    (folder / 'cut.safetensors').write_bytes(struct.pack('<Q', len(header)) + header + bytes(100))
    (folder / 'claims_header.safetensors').write_bytes(struct.pack('<Q', TEN_GB) + header)
    header = header.replace(b'1000', b'2500000000').replace(b'4000', b'10000000000')
    (folder / 'claims_tensor.safetensors').write_bytes(struct.pack('<Q', len(header)) + header + bytes(100))
    at = whole.index(b'PK\x01\x02', whole.index(b'PK\x01\x02') + 4)  # in the directory, after the first member
    sizes = struct.pack('<II', 0xFFFFFFF0, 0xFFFFFFF0)
    (folder / 'claims_zip.pth').write_bytes(whole[:at + 20] + sizes + whole[at + 28:])
    repacked(folder / 'claims_storage.pth', p2.checkpoint(p2.tensor(TEN_GB // 4)))
    stream = io.BytesIO()
    torch.save({}, stream, _use_new_zipfile_serialization=False)
    start = stream.getvalue()[:stream.getvalue().index(b'\x80\x02}q\x00.')]
    (folder / 'claims_legacy.pth').write_bytes(start + p2.checkpoint(p2.tensor(TEN_GB // 4)) + b'\x80\x02]'
                                               + p2.text('0') + b'a.' + bytes(100))
    repacked(folder / 'claims_memory.pth', p2.checkpoint(p2.call(p2.name('builtins', 'bytearray'), p2.number(TEN_GB))))

    repacked(folder / 'squeezed.pth', squeeze=True, more={'archive/data/1': bytes(50_000_000)})
    lists = b']q\x00' + b''.join(b'](h' + bytes([i]) + b'h' + bytes([i]) + b'eq' + bytes([i + 1]) for i in range(100))
    repacked(folder / 'laughs.pth', p2.checkpoint(lists))  # 2 ** 100 empty lists
    repacked(folder / 'deep.pth', p2.checkpoint(b']' * 20_000 + b'a' * 19_999))
    repacked(folder / 'cycle.pth', p2.checkpoint(b']q\x00h\x00a'))


@dataclass
class Attacks:
    """The files, and whether one of them got its way."""

    folder: Path
    canary: Path

    def __getitem__(self, name: str) -> Path:
        return self.folder / name

    def nothing_ran(self) -> bool:
        return not self.canary.exists()


@pytest.fixture
def armed(tmp_path):
    """Return the same with a canary of their own, for what is to show that they work."""
    (tmp_path / 'armed').mkdir()
    found = Attacks(tmp_path / 'armed', tmp_path / 'canary')
    write(found.folder, found.canary)
    return found


@pytest.fixture(scope='session')
def repack():
    """Return the function that writes a checkpoint with another ``data.pkl``, and the instructions to make one."""
    return repacked, Python2


@pytest.fixture(scope='session')
def attacks(tmp_path_factory):
    """Return the files of :data:`ATTACKS`."""
    folder = tmp_path_factory.mktemp('attacks')
    found = Attacks(folder, tmp_path_factory.mktemp('home') / 'canary')
    write(folder, found.canary)
    assert found.nothing_ran() and all(found[name].is_file() for name in ATTACKS)
    return found


def pytest_generate_tests(metafunc):
    if 'attack' in metafunc.fixturenames:
        metafunc.parametrize('attack', ATTACKS)
