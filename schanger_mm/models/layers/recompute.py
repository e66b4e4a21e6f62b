"""Trading time for memory: layers that run a second time in the backward pass instead of keeping their maps."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.utils.checkpoint import checkpoint


def recompute(module: nn.Module, method: Callable, *inputs: Any) -> Any:
    """Call a method of ``module`` and keep only its inputs; backward runs it once more.

    Values and gradients are those of the plain call: random numbers are drawn
    again as they were, and the running statistics of the module's batch norms
    move once.
    """
    return checkpoint(method, *inputs, use_reentrant=False,
                      context_fn=lambda: (contextlib.nullcontext(), statistics_at_rest(module)))


@contextlib.contextmanager
def statistics_at_rest(module: nn.Module) -> Iterator[None]:
    """Keep the running statistics of the batch norms below ``module`` from moving; their outputs are the same."""
    norms = [part for part in module.modules() if isinstance(part, _NormBase)]
    before = [(norm.momentum, norm.num_batches_tracked) for norm in norms]
    for norm in norms:
        norm.momentum, norm.num_batches_tracked = 0.0, _copy(norm.num_batches_tracked)
    try:
        yield
    finally:
        for norm, (momentum, count) in zip(norms, before):
            norm.momentum, norm.num_batches_tracked = momentum, count


def _copy(count: Tensor | None) -> Tensor | None:
    return None if count is None else count.clone()
