"""Reduce the result of torch's restricted unpickler to tensors, numbers, texts and containers of them."""

from __future__ import annotations

from collections import Counter, OrderedDict

import torch
from torch import Tensor

from schanger_mm.checkpoints.stand_ins import StandIn

VALUES = (type(None), bool, int, float, complex, str, bytes, bytearray, torch.Size, torch.dtype, torch.device)


class Plain:
    """Visits every object of a checkpoint once, however often it is referenced.

    Classes, functions and other objects that the unpickler accepts are
    rejected: code that uses the checkpoint would find them where it expects
    numbers.
    """

    def __init__(self) -> None:
        # originals are kept alive, or another object could get the same id
        self._seen: dict[int, tuple[object, object]] = {}

    def __call__(self, value: object) -> object:
        """Return ``value`` with bare tensors and stand-ins replaced; containers are changed in place.

        Raises:
            ValueError: it is or contains something else.
        """
        if type(value) in VALUES:
            return value
        if id(value) not in self._seen:
            self._seen[id(value)] = value, value  # a container may hold itself
            self._seen[id(value)] = value, self._look(value)
        return self._seen[id(value)][1]

    def _look(self, value: object) -> object:
        kind = type(value)
        if kind in (dict, OrderedDict, Counter):
            return self._mapping(value)  # type: ignore[arg-type]
        if kind is list:
            value[:] = [self(item) for item in value]  # type: ignore[index, attr-defined]
            return value
        if kind in (tuple, set):
            return kind(self(item) for item in value)  # type: ignore[attr-defined, call-arg]
        if kind in (Tensor, torch.nn.Parameter):
            return _bare(value)  # type: ignore[arg-type]
        if isinstance(value, StandIn):
            return value.made()
        raise ValueError(f'an object of type {kind.__module__}.{kind.__qualname__}, expected tensors and plain values')

    def _mapping(self, value: dict) -> dict:
        if kept := getattr(value, '__dict__', None):  # attributes that hide methods, besides torch's table of versions
            metadata = kept.get('_metadata')
            kept.clear()
            if type(metadata) in (dict, OrderedDict):
                kept['_metadata'] = self(metadata)
        for key, item in list(value.items()):
            if type(key) not in VALUES:
                raise ValueError(f'a key of type {type(key).__name__}, expected texts or numbers')
            value[key] = self(item)
        return value


def _bare(tensor: Tensor) -> Tensor:
    """Return a tensor without attributes and hooks; it must not be larger than its memory."""
    bare = Tensor.detach(tensor)
    if bare.layout is not torch.strided or bare.is_quantized or bare.is_meta:
        raise ValueError(f'a tensor of the kind {bare.layout}, {bare.dtype}, {bare.device}; expected dense ones')
    claims, has = bare.numel() * bare.element_size(), bare.untyped_storage().nbytes()
    if claims > has:
        raise ValueError(f'a tensor that claims {claims:,} bytes but has {has:,}')
    return bare
