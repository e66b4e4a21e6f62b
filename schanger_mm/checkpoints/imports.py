"""What a pickle would import, read from its instructions; nothing of it is executed."""

from __future__ import annotations

import io
import mmap
import pickletools
import zipfile
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from schanger_mm.checkpoints.container import ZIP

BYTES = 1 << 26  # of a pickle that are looked at; the list is for a message
STEPS = 500_000  # instructions, a second or two
DEPTH = 4  # pickles in pickles
LEGACY_PICKLES = 5  # in a file of torch 1.5 and before: number, version, system, content, storages
COMPUTED = 'a name that is only known when it runs'
_IMPORTS = ('GLOBAL', 'INST', 'STACK_GLOBAL', 'EXT1', 'EXT2', 'EXT4')


def own_imports(path: str | Path) -> set[str]:
    """Return the dotted names in the instructions that reading a file of ``torch.save`` would follow.

    Raises:
        ValueError: the instructions are damaged.
    """
    with open(path, 'rb') as stream:
        if stream.read(len(ZIP)) == ZIP:
            with zipfile.ZipFile(stream) as archive:
                (member, ) = (name for name in archive.namelist() if name.count('/') == 1 and name.endswith('data.pkl'))
                return set().union(*_steps(io.BytesIO(archive.read(member)), depth=0))
        found: set[str] = set()
        with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:  # its read() gives what is there
            for _ in range(LEGACY_PICKLES):
                found.update(*_steps(content, depth=0))
        return found


def imports_of(path: str | Path) -> set[str]:
    """Return the dotted names that unpickling a file would import, as far as they are found.

    Pickles within it are looked at too. What is damaged is passed over: this is for a message.
    """
    with open(path, 'rb') as stream:
        start = stream.read(len(ZIP))
        stream.seek(0)
        return _of_zip(stream, DEPTH) if start == ZIP else _of_bytes(stream.read(BYTES), DEPTH)


def _of_zip(stream: BinaryIO, depth: int) -> set[str]:
    found: set[str] = set()
    try:
        with zipfile.ZipFile(stream) as archive:
            for member in archive.infolist():
                if member.filename.endswith('.pkl'):
                    with archive.open(member) as content:
                        found |= _of_bytes(content.read(BYTES), depth)
    except Exception:  # a damaged archive: what was found until here is what can be said
        return found
    return found


def _of_bytes(data: bytes, depth: int) -> set[str]:
    """Look at the pickles that stand one after the other at the start of ``data``."""
    stream, found, budget = io.BytesIO(data), set(), STEPS
    try:
        while stream.tell() < len(data) and budget:
            for names in _steps(stream, depth):
                found |= names
                budget -= 1
                if not budget:
                    break
    except Exception:  # pickletools raises many kinds at the end of the pickles, or in a damaged one
        return found
    return found


def _steps(stream: io.BytesIO | mmap.mmap, depth: int) -> Iterator[set[str]]:
    """Yield what each instruction of one pickle imports."""
    texts: list[str] = []  # pushed so far: an import by STACK_GLOBAL takes the last two
    memo: dict[int, str | None] = {}
    top: str | None = None
    for step, argument, _ in pickletools.genops(stream):  # type: ignore[arg-type]  # a mapped file reads like one
        if step.name in _IMPORTS:
            top = None
            yield {_name(step.name, argument, texts)}
        elif step.name == 'MEMOIZE' or 'PUT' in step.name:
            memo[len(memo) if argument is None else argument] = top
            yield set()
        else:
            top = argument if isinstance(argument, str) else None
            if 'GET' in step.name and isinstance(argument, int):
                top = memo.get(argument)
            if top is not None:
                texts.append(top)
            yield _nested(argument, depth)


def _name(step: str, argument: object, texts: list[str]) -> str:
    if step in ('GLOBAL', 'INST'):
        module, _, name = str(argument).partition(' ')
        module, name = NAME_MAPPING.get((module, name), (IMPORT_MAPPING.get(module, module), name))  # of Python 2
        return f'{module}.{name}'
    return '.'.join(texts[-2:]) if step == 'STACK_GLOBAL' and len(texts) > 1 else COMPUTED


def _nested(argument: object, depth: int) -> set[str]:
    """Look into a constant that is a pickle, or a file of ``torch.save``, itself."""
    if not depth:
        return set()
    if isinstance(argument, str):
        try:
            argument = argument.encode('latin1')  # in old protocols bytes are texts
        except UnicodeEncodeError:
            return set()
    if not isinstance(argument, (bytes, bytearray)) or len(argument) < 4:
        return set()
    if argument.startswith(ZIP):
        return _of_zip(io.BytesIO(argument), depth - 1)
    if argument[:1] == b'\x80' or (argument[-1:] == b'.' and _is_pickle(argument)):
        return _of_bytes(bytes(argument), depth - 1)
    return set()


def _is_pickle(data: bytes | bytearray) -> bool:
    """Whether a text that ends as a pickle does is one, from its first to its last byte."""
    stream = io.BytesIO(data)
    try:
        for _ in pickletools.genops(stream):
            pass
    except Exception:  # any text
        return False
    return stream.tell() == len(data)
