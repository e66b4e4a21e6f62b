"""Count what a call asks of a GPU: kernels that are launched, and waits for their results."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import torch
from torch.utils._python_dispatch import TorchDispatchMode

NO_KERNEL = {'detach', 'alias', 'lift_fresh', 'empty', 'empty_like', 'empty_strided', 'new_empty', 'new_empty_strided',
             '_unsafe_view', '_reshape_alias'}
WAITS = {'_local_scalar_dense', 'nonzero', 'equal', 'masked_select', '_unique2', 'unique_dim', 'bincount'}
COMPOSITE = torch._C.DispatchKey.CompositeImplicitAutograd
"""Operators made of others, which are counted instead; under inference_mode torch does not split them first."""


class Calls(TorchDispatchMode):
    """Counts torch's operators that launch a kernel on a GPU, and those that wait for its result.

    Attributes:
        kernels, waits: how often each operator was called.
        copying: how often forms with ``out=`` were called that compute new tensors and copy them.
    """

    def __init__(self) -> None:
        super().__init__()
        self.kernels: Counter[str] = Counter()
        self.waits: Counter[str] = Counter()
        self.copying: Counter[str] = Counter()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if _is_composite(func):
            with self:
                return func._op_dk(COMPOSITE, *args, **(kwargs or {}))
        name = func.overloadpacket.__name__
        if {torch.Tag.generated, torch.Tag.out} <= set(func.tags):
            self.copying[name] += 1
        if name in WAITS or (name == 'index' and any(_is_mask(one) for one in args[1])):
            self.waits[name] += 1
        elif not func.is_view and name not in NO_KERNEL:
            self.kernels[name] += 1
        return func(*args, **(kwargs or {}))


def _is_composite(func) -> bool:
    """Return whether an operator is always made of others; some, such as ``silu_backward``, have kernels, too."""
    has_kernel = torch._C._dispatch_has_kernel_for_dispatch_key
    return has_kernel(func.name(), COMPOSITE) and not has_kernel(func.name(), 'CPU')


def _is_mask(index: object) -> bool:
    return isinstance(index, torch.Tensor) and index.dtype in (torch.bool, torch.uint8)


def count_launches(step: Callable[[], object], device: torch.device) -> int:
    """Return the kernels that a call launches: on a GPU as the profiler sees them, else the operators that would."""
    if device.type == 'cuda':
        activities = [torch.profiler.ProfilerActivity.CPU, torch.profiler.ProfilerActivity.CUDA]
        with torch.profiler.profile(activities=activities) as profile:
            step()
            torch.cuda.synchronize(device)
        return sum(event.count for event in profile.key_averages() if 'LaunchKernel' in event.key)
    with Calls() as calls:
        step()
    return sum(calls.kernels.values())
