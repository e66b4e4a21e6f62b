"""How large the tensors and containers in a file of ``torch.save`` claim to be, against what the file has of them.

torch before 2.10 takes the claim of a tensor for the truth, and hands out
memory that lies behind the file's; with torch >= 2.10 that part can go.
"""

from __future__ import annotations

import io
import mmap
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import torch

from schanger_mm.checkpoints.container import ZIP
from schanger_mm.checkpoints.errors import CheckpointError
from schanger_mm.checkpoints.extent import check_extent
from schanger_mm.checkpoints.imports import LEGACY_PICKLES


def check_claims(path: Path) -> None:
    """Refuse tensors that claim more bytes than the file has of them, and containers that would take for ever.

    Nothing is imported, executed or hashed.

    Its instructions have been looked at before, by :func:`~schanger_mm.checkpoints.imports.own_imports`: none of
    them is damaged or asks for more than is there.

    Raises:
        CheckpointError: a claim is too large, see also :func:`~schanger_mm.checkpoints.extent.check_extent`.
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


class _Inert(list):
    """Stands for whatever a pickle names, and for its dicts and sets; keeps everything and does nothing."""

    def __new__(cls, *args, **kwargs):
        inert = super().__new__(cls)
        list.extend(inert, args)
        return inert

    def __init__(self, *args, **kwargs):
        pass

    def __call__(self, *args):
        return _Inert(self, *args)

    def __setitem__(self, key: object, value: object) -> None:
        self.extend((key, value))

    def __setstate__(self, state: object) -> None:
        self.append(state)

    add = list.append


class _Reader(pickle._Unpickler):  # type: ignore[name-defined]  # the one in C reserves memory for any place that a file names
    """Collects what a pickle says of the memory of its tensors."""

    stack: list
    metastack: list[list]
    memo: dict[int, object]
    append: Callable[[object], None]
    pop_mark: Callable[[], list]

    def __init__(self, stream: io.BytesIO | mmap.mmap) -> None:
        super().__init__(stream)
        self.claims: list[tuple[str, int]] = []
        self.references: list[tuple] = []

    def find_class(self, module: str, name: str) -> type:
        return type(name, (_Inert, ), {})

    def persistent_load(self, pid: object) -> object:
        kinds = str, type, str, str, int  # 'storage', its type, key, device, number of values
        if not isinstance(pid, tuple) or len(pid) < len(kinds) or not all(map(isinstance, pid, kinds)):
            raise CheckpointError('a reference to memory that torch.save does not write')
        self.references.append(pid)
        name = pid[1].__name__
        width = 1 if name == 'UntypedStorage' else getattr(torch, name)().element_size()
        self.claims.append((str(pid[2]), pid[4] * width))
        return _Inert()

    def load_inert(self) -> None:
        """Put an empty dict or set on the stack."""
        self.append(_Inert())

    def load_marked(self) -> None:
        """Put a dict or set of what lies above the mark on the stack."""
        self.append(_Inert(*self.pop_mark()))

    dispatch: ClassVar[dict[int, Any]] = dict(pickle._Unpickler.dispatch)  # type: ignore[attr-defined]
    for _code in pickle.EMPTY_DICT, pickle.EMPTY_SET:
        dispatch[_code[0]] = load_inert
    for _code in pickle.DICT, pickle.FROZENSET:
        dispatch[_code[0]] = load_marked


def _claims(stream: io.BytesIO | mmap.mmap) -> list[tuple[str, int]]:
    reader = _Reader(stream)
    content = reader.load()
    check_extent([[content], reader.stack, *reader.metastack, reader.references, list(reader.memo.values())])
    return reader.claims


def _compare(key: str, claimed: int, has: int) -> None:
    if claimed > has:
        raise CheckpointError(f'a tensor claims {claimed:,} bytes of memory {key[:20]!r} and the file has {has:,}')
