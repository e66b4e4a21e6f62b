"""A network that is no larger than the weights that are meant for it."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from torch import Tensor, nn
from torch.nn.modules import module as hooks
from torch.nn.parameter import is_lazy

from schanger_mm.scene.errors import SceneError

TIMES = 4
"""How often a network may hold what its weights hold, since some parts are replaced while it is built."""
VALUES, PARTS = 1 << 24, 2000
"""Any network may have so many values (64 MiB in float32) and modules."""


@contextmanager
def sized_like(state: Mapping[str, Tensor], weights: str | Path, config_name: str) -> Iterator[None]:
    """Stop the building of a network that has many more values or modules than its weights.

    A config takes a few bytes to ask for any size. What is built within this
    context, in this thread, is counted when a module gets a parameter, which
    is before the parameter is filled; its memory is not taken until then.

    Raises:
        SceneError: the network is too large.
    """
    most_values = VALUES + TIMES * sum(tensor.numel() for tensor in state.values())
    most_parts = PARTS + TIMES * len(state)
    thread, counts = threading.get_ident(), dict(values=0, parts=0)

    def count(kind: str, number: int, most: int) -> None:
        if threading.get_ident() != thread:
            return
        counts[kind] += number
        if counts[kind] > most:
            raise SceneError(f'{weights} does not fit {config_name}: the network is far larger than the file (more '
                             f'than {most:,} {kind}). Use the config that it was trained with.')

    def on_parameter(module: nn.Module, name: str, parameter: nn.Parameter | None) -> None:
        if parameter is not None and not is_lazy(parameter):
            count('values', parameter.numel(), most_values)

    def on_module(module: nn.Module, name: str, part: nn.Module | None) -> None:
        count('parts', 1, most_parts)

    handles = [hooks.register_module_parameter_registration_hook(on_parameter),
               hooks.register_module_module_registration_hook(on_module)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
