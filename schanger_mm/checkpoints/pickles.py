"""Read the pickles in a file of ``torch.save`` instruction by instruction, without executing them."""

from __future__ import annotations

import io
import mmap
import pickletools
import zipfile
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from schanger_mm.checkpoints.container import LEGACY_PICKLES, ZIP, is_pickle_of

COMPUTED = 'a name that is only known when it runs'


@contextmanager
def open_pickles(stream: BinaryIO) -> Iterator[tuple[io.BytesIO | mmap.mmap, int]]:
    """Provide the pickles that torch would load from a file of ``torch.save``: their position and number.

    Args:
        stream: the file; it is rewound afterwards.
    """
    stream.seek(0)
    zipped = stream.read(len(ZIP)) == ZIP
    stream.seek(0)
    try:
        if zipped:
            with zipfile.ZipFile(stream) as archive:
                member, = filter(is_pickle_of, archive.namelist())
                yield io.BytesIO(archive.read(member)), 1
        else:
            with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:  # read() stops at its end
                yield content, LEGACY_PICKLES
    finally:
        stream.seek(0)


def imports_of(stream: BinaryIO) -> Iterator[str]:
    """Yield the dotted names in the instructions of a file's own pickles; pickles within them are data.

    Raises:
        ValueError: the instructions are damaged; the names before the damage were yielded.
    """
    with open_pickles(stream) as (content, number):
        for _ in range(number):
            yield from _imports(content)


def _imports(stream: io.BytesIO | mmap.mmap) -> Iterator[str]:
    texts: list[str] = []  # pushed so far: an import by STACK_GLOBAL takes the last two
    memo: dict[int, str | None] = {}
    top: str | None = None
    for step, argument, _ in pickletools.genops(stream):  # type: ignore[arg-type]  # a mapped file reads like one
        if step.name in ('GLOBAL', 'INST'):
            module, _, name = str(argument).partition(' ')
            module, name = NAME_MAPPING.get((module, name), (IMPORT_MAPPING.get(module, module), name))  # of Python 2
            yield f'{module}.{name}'
        elif step.name == 'STACK_GLOBAL':
            yield '.'.join(texts[-2:]) if len(texts) > 1 else COMPUTED
        elif step.name.startswith('EXT'):
            yield COMPUTED
        if step.name == 'MEMOIZE' or 'PUT' in step.name:
            memo[len(memo) if argument is None else argument] = top
            continue
        top = argument if isinstance(argument, str) and step.name not in ('GLOBAL', 'INST') else None
        if 'GET' in step.name and isinstance(argument, int):
            top = memo.get(argument)
        if top is not None:
            texts.append(top)
