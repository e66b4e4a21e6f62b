"""A limit on the network that a config builds, whatever the config asks for."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from torch import Tensor, nn
from torch.nn.modules import module as hooks
from torch.nn.parameter import is_lazy

from schanger_mm.geo.errors import SceneError

TIMES = 4
"""How often a network may hold what its weights hold, since some parts are replaced while it is built."""
VALUES, PARTS = 1 << 27, 20_000
"""Any network may have so many values (512 MiB in float32) and modules while it is built, since some build all of a
large encoder and keep its first stages. What remains must match the weights entry by entry (:mod:`.model`)."""


@contextmanager
def sized_like(state: Mapping[str, Tensor], weights: str | Path, config_name: str) -> Iterator[None]:
    """Stop the building of a network that is far larger than its weights and than any common encoder.

    A config can request any size in a few bytes. Within this context and thread,
    parameters are counted when a module receives them, which is before they are
    filled and their memory is used.

    Raises:
        SceneError: the network is too large.
    """
    most_values = max(VALUES, TIMES * sum(tensor.numel() for tensor in state.values()))
    most_parts = max(PARTS, TIMES * len(state))
    thread, counts = threading.get_ident(), dict(values=0, parts=0)

    def too_large(kind: str, most: int) -> SceneError:
        return SceneError(f'{weights} does not fit {config_name}: the network is far larger than the file (more than '
                          f'{most:,} {kind}). Use the config that it was trained with.')

    def count(kind: str, number: int, most: int) -> None:
        if threading.get_ident() != thread:
            return
        counts[kind] += number
        if counts[kind] > most:
            raise too_large(kind, most)

    def on_parameter(module: nn.Module, name: str, parameter: nn.Parameter | None) -> None:
        if parameter is not None and not is_lazy(parameter):
            count('values', parameter.numel(), most_values)

    def on_module(module: nn.Module, name: str, part: nn.Module | None) -> None:
        count('parts', 1, most_parts)

    handles = [hooks.register_module_parameter_registration_hook(on_parameter),
               hooks.register_module_module_registration_hook(on_module)]
    try:
        yield
    except SceneError as error:
        if 'allocate memory' in str(error.__cause__):  # torch asks for it before a parameter can be counted
            raise too_large('values', most_values) from error
        raise
    finally:
        for handle in handles:
            handle.remove()
