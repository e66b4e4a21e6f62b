"""How many values the containers of a pickle have when they are traversed."""

from __future__ import annotations

import io
import mmap
import pickle
from collections.abc import Callable, Iterable
from typing import Any, BinaryIO, ClassVar

from schanger_mm.checkpoints.errors import CheckpointError
from schanger_mm.checkpoints.pickles import open_pickles

VALUES = 10_000_000
LEVELS = 200
"""Largest number of values, and of nesting levels; trainings stay below a hundredth and a tenth of them."""


def check_pickles(stream: BinaryIO) -> None:
    """Reject pickles whose containers would take forever to hash, compare or print.

    Nothing is imported, executed or hashed. The instructions have been checked before, by
    :func:`~schanger_mm.checkpoints.pickles.imports_of`: none of them is damaged or reads beyond the file.

    Raises:
        CheckpointError: see :func:`check_extent`; or it refers to memory in a way that torch.save does not.
    """
    with open_pickles(stream) as (content, number):
        for _ in range(number):
            reader = _Reader(content)
            check_extent([[reader.load()], reader.stack, *reader.metastack, reader.references,
                          list(reader.memo.values())])


def check_extent(roots: Iterable[object]) -> None:
    """Reject containers that are much larger when traversed than the file that they come from.

    A tuple that holds another one twice, which holds another one twice and so
    on, takes a few bytes per level and doubles the time: hashing, comparing or
    printing 60 levels takes years.

    Args:
        roots: lists and tuples; each part is visited once. One that
            contains itself counts as a value there.

    Raises:
        CheckpointError: there are too many values, or levels.
    """
    extents: dict[int, tuple[int, int]] = {}  # by id: values in it, levels of it
    opened: set[int] = set()
    todo = list(roots)
    while todo:
        container = todo[-1]
        parts = [part for part in container if isinstance(part, (list, tuple))]  # type: ignore[attr-defined]
        if id(container) not in opened:
            opened.add(id(container))
            todo += [part for part in parts if id(part) not in opened]
            continue
        todo.pop()
        inner = [extents.get(id(part), (1, 1)) for part in parts]
        values = len(container) + sum(values for values, _ in inner)  # type: ignore[arg-type]
        levels = 1 + max((levels for _, levels in inner), default=0)
        if values > VALUES or levels > LEVELS:
            raise CheckpointError(f'its containers hold one another in {levels:,} levels and come to {values:,} '
                                  f'values; expected {LEVELS} and {VALUES:,} at most')
        extents[id(container)] = values, levels


class _Inert(list):
    """Stands for any object that a pickle names, and for dicts and sets; keeps its content and does nothing."""

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


class _Reader(pickle._Unpickler):  # type: ignore[name-defined]  # C allocates memory for any index in a file
    """Builds a pickle from lists and tuples only."""

    stack: list
    metastack: list[list]
    memo: dict[int, object]
    append: Callable[[object], None]
    pop_mark: Callable[[], list]

    def __init__(self, stream: io.BytesIO | mmap.mmap) -> None:
        super().__init__(stream)
        self.references: list[tuple] = []

    def find_class(self, module: str, name: str) -> type:
        return type(name, (_Inert, ), {})

    def persistent_load(self, pid: object) -> object:
        kinds = str, type, str, str, int  # 'storage', its type, key, device, number of values
        if not isinstance(pid, tuple) or len(pid) < len(kinds) or not all(map(isinstance, pid, kinds)):
            raise CheckpointError('a reference to memory that torch.save does not write')
        self.references.append(pid)
        return _Inert()

    def load_inert(self) -> None:
        """Put an empty dict or set on the stack."""
        self.append(_Inert())

    def load_marked(self) -> None:
        """Put a dict or set of the items above the mark on the stack."""
        self.append(_Inert(*self.pop_mark()))

    dispatch: ClassVar[dict[int, Any]] = dict(pickle._Unpickler.dispatch)  # type: ignore[attr-defined]
    for _code in pickle.EMPTY_DICT, pickle.EMPTY_SET:
        dispatch[_code[0]] = load_inert
    for _code in pickle.DICT, pickle.FROZENSET:
        dispatch[_code[0]] = load_marked
