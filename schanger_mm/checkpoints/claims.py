"""How large the tensors in a file of ``torch.save`` claim to be, against what the file has of them.

torch before 2.10 takes the claim for the truth, and hands out memory that lies
behind the file's. Can go with torch >= 2.10.
"""

from __future__ import annotations

import io
import mmap
import pickle
import zipfile
from pathlib import Path

import torch

from schanger_mm.checkpoints.container import ZIP
from schanger_mm.checkpoints.errors import CheckpointError
from schanger_mm.checkpoints.imports import LEGACY_PICKLES


def check_claims(path: Path) -> None:
    """Refuse tensors that claim more bytes than the file has of them; nothing is imported or executed.

    Its instructions have been looked at before, by :func:`~schanger_mm.checkpoints.imports.own_imports`: none of
    them is damaged or asks for more than is there.

    Raises:
        CheckpointError: a claim is too large.
    """
    with path.open('rb') as stream:
        if stream.read(len(ZIP)) != ZIP:
            with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
                claims = [claim for _ in range(LEGACY_PICKLES) for claim in _claims(content)]
            largest = max(claims, key=lambda claim: claim[1], default=('', 0))
            _compare(*largest, path.stat().st_size)
            return
        with zipfile.ZipFile(stream) as archive:
            (pickled, ) = (name for name in archive.namelist() if name.count('/') == 1 and name.endswith('/data.pkl'))
            sizes = {member.filename: member.file_size for member in archive.infolist()}
            for key, claimed in _claims(io.BytesIO(archive.read(pickled))):
                _compare(key, claimed, sizes.get(f'{pickled.partition("/")[0]}/data/{key}', 0))


class _Inert:
    """Stands for whatever a pickle names; takes everything and does nothing."""

    def __new__(cls, *args, **kwargs):
        return super().__new__(cls)

    def __call__(self, *args):
        return _Inert()

    def __setitem__(self, key: object, value: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        pass

    def append(self, value: object) -> None:
        """Nothing."""

    extend = append


class _Reader(pickle._Unpickler):  # type: ignore[name-defined]  # the one in C reserves memory for any place that a file names
    """Collects what a pickle says of the memory of its tensors."""

    def __init__(self, stream: io.BytesIO | mmap.mmap) -> None:
        super().__init__(stream)
        self.claims: list[tuple[str, int]] = []

    def find_class(self, module: str, name: str) -> type:
        return type(name, (_Inert, ), {})

    def persistent_load(self, pid: object) -> object:
        if not isinstance(pid, tuple) or len(pid) < 5 or not isinstance(pid[1], type) or not isinstance(pid[4], int):
            raise CheckpointError('a reference to memory that torch.save does not write')
        name = pid[1].__name__
        width = 1 if name == 'UntypedStorage' else getattr(torch, name)().element_size()
        self.claims.append((str(pid[2]), pid[4] * width))
        return _Inert()


def _claims(stream: io.BytesIO | mmap.mmap) -> list[tuple[str, int]]:
    reader = _Reader(stream)
    reader.load()
    return reader.claims


def _compare(key: str, claimed: int, has: int) -> None:
    if claimed > has:
        raise CheckpointError(f'a tensor claims {claimed:,} bytes of memory {key[:20]!r} and the file has {has:,}')
