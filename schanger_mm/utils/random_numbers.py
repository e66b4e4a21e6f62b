"""The random number generators of training: those of ``random``, ``numpy.random`` and ``torch``."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

States = tuple[Any, Any, torch.Tensor]


def get_states() -> States:
    """Return the states of the three generators of this process, torch's on the CPU."""
    return np.random.get_state(), random.getstate(), torch.get_rng_state()


def set_states(states: States) -> None:
    """Set the generators back to what :func:`get_states` returned."""
    np.random.set_state(states[0])
    random.setstate(states[1])
    torch.set_rng_state(states[2])


def seed_generators(*key: int, gpus: bool = False) -> None:
    """Seed the generators from a key of numbers, independently for every key.

    Args:
        *key: numbers of 0 or more; trailing zeros do not change the key.
        gpus: torch's generators on the GPUs as well.
    """
    for_random, for_numpy, for_torch = map(int, np.random.SeedSequence(key).generate_state(3))
    random.seed(for_random)
    np.random.seed(for_numpy)
    if gpus:
        torch.manual_seed(for_torch)
    else:
        torch.default_generator.manual_seed(for_torch)


@contextmanager
def own_random_numbers(*key: int) -> Iterator[None]:
    """Restore the generators after the block; with a key, the block draws from :func:`seed_generators`."""
    before = get_states()
    try:
        if key:
            seed_generators(*key)
        yield
    finally:
        set_states(before)
