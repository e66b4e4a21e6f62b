"""Numpy arrays and log buffers, which mmengine's training checkpoints contain besides tensors and plain values.

mmengine reads them by letting torch call numpy's constructors and ``getattr``,
and the latter alone lets a file run any code: torch's
``_rebuild_from_type_v2`` calls whatever ``getattr`` returned. Here every such
name stands for a class that only stores its arguments; arrays and buffers are
built from them afterwards, once they have been checked.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from mmengine.logging import HistoryBuffer

NUMBERS = ('b1', 'i1', 'i2', 'i4', 'i8', 'u1', 'u2', 'u4', 'u8', 'f2', 'f4', 'f8', 'c8', 'c16')
"""Types of arrays that are read; none of them contains objects."""


class StandIn:
    """Stores its arguments and its state."""

    args: tuple = ()
    state: object = None

    def __init__(self, *args):
        self.args = args

    def __setstate__(self, state: object) -> None:
        self.state = state

    def made(self) -> object:
        """Return the object that this one represents.

        Raises:
            ValueError: it is not an object that a training saves.
        """
        raise ValueError(f'{type(self).__module__}.{type(self).__qualname__} is neither a tensor nor a plain value')


class _Getattr(StandIn):

    def __init__(self, owner: object = None, name: object = None, *rest):
        if not (isinstance(owner, type) and issubclass(owner, _Buffer) and isinstance(name, str)):
            raise ValueError('it calls getattr on something other than a log buffer')  # else any function


class _Dtype(StandIn):

    def made(self) -> np.dtype:
        name = self.args[0] if self.args else None
        order: Any = self.state[1] if isinstance(self.state, tuple) and len(self.state) > 1 else '='
        if not isinstance(name, str) or name not in NUMBERS or order not in ('<', '>', '|', '='):
            said = name if isinstance(name, str) else type(name).__name__
            raise ValueError(f'an array of {said!r:.20}, expected numbers')
        return np.dtype(name).newbyteorder(order)


class _Array(StandIn):

    def made(self) -> np.ndarray:
        _, shape, dtype, fortran, data = self.state  # type: ignore[misc]  # raises a ValueError, as intended
        if not isinstance(dtype, _Dtype) or not isinstance(data, bytes):
            raise ValueError('an array that does not hold numbers')
        return np.frombuffer(data, dtype.made()).reshape(shape, order='F' if fortran else 'C').copy()


class _Scalar(StandIn):

    def made(self) -> np.generic:
        dtype, data = self.args
        if not isinstance(dtype, _Dtype) or not isinstance(data, bytes):
            raise ValueError('a numpy value that is not a number')
        return np.frombuffer(data, dtype.made(), count=1)[0]


class _Buffer(StandIn):

    def made(self) -> HistoryBuffer:
        state = self.state
        if not isinstance(state, dict):
            raise ValueError('a log buffer without content')
        values, counts = (state.get(key) for key in ('_log_history', '_count_history'))
        if not isinstance(values, _Array) or not isinstance(counts, _Array):
            raise ValueError('a log buffer without its two arrays')
        # statistics_methods, functions that the file would add to every buffer, are omitted
        return HistoryBuffer(values.made(), counts.made(), int(state.get('max_length', 1_000_000)))


def _named(name: str, base: type[StandIn] = StandIn) -> type[StandIn]:
    """Return a class that torch finds under another module and qualified name."""
    module, _, own = name.rpartition('.')
    return type(own, (base, ), {'__module__': module, '__qualname__': own})


STAND_INS = [
    _named('builtins.getattr', _Getattr), _named('numpy.ndarray'), _named('numpy.dtype', _Dtype),
    _named('mmengine.logging.history_buffer.HistoryBuffer', _Buffer),
    *(_named(f'numpy.{core}.multiarray.{name}', base) for core in ('core', '_core')
      for name, base in (('_reconstruct', _Array), ('scalar', _Scalar)))]
"""For :func:`schanger_mm.config.compat.only_these_globals`."""
