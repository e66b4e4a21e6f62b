"""The data flow between modules of a network, observed while it runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.hooks import RemovableHandle
from torch.utils.weak import WeakIdKeyDictionary

_PRODUCERS = (nn.Conv2d, nn.BatchNorm2d)
_CONSUMERS = (nn.BatchNorm2d, nn.ReLU, nn.SiLU)


class Flow(TorchDispatchMode):
    """Finds the module, if there is only one, that uses the output of a convolution or batch norm.

    Neither names nor the order of children show that: a norm may be defined after
    a convolution but applied before it, or its input may be used elsewhere.
    Every operator that runs is observed, inside modules and between them.

    Args:
        model: the network; call it within this context, and pass its outputs to :meth:`finish`.
    """

    def __init__(self, model: nn.Module):
        super().__init__()
        self._takers: dict[nn.Module, set[nn.Module | None]] = {}  # None stands for anything except a watched module
        self._givers: dict[nn.Module, set[nn.Module | None]] = {}
        self._made_by = WeakIdKeyDictionary()
        self._taking: list[Any] = []
        self._model = model
        self._handles: list[RemovableHandle] = []

    def __enter__(self) -> Flow:
        """Start watching."""
        for module in self._model.modules():
            if type(module) in _CONSUMERS:
                self._handles += [module.register_forward_pre_hook(self._enter),
                                  module.register_forward_hook(self._leave)]
            if type(module) in _PRODUCERS:
                self._handles.append(module.register_forward_hook(self._made))
        return super().__enter__()

    def __exit__(self, *error: Any) -> None:
        """Stop watching."""
        super().__exit__(*error)
        for handle in self._handles:
            handle.remove()

    def finish(self, outputs: Any) -> None:
        """Record the network's outputs, which must not be folded away."""
        for leaf in tree_leaves(outputs):
            self._take(leaf, None)

    def pairs(self) -> Iterator[tuple[nn.Module, nn.Module]]:
        """Yield each module whose outputs are all used by a single other module, with that module."""
        for giver, takers in self._takers.items():
            taker = next(iter(takers)) if len(takers) == 1 else None
            if taker is not None and self._givers[taker] == {giver}:
                yield giver, taker

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        for value in tree_leaves((args, kwargs)):
            if not any(value is taken for taken in self._taking):
                self._take(value, None)
        return function(*args, **(kwargs or {}))

    def _enter(self, module: nn.Module, inputs: tuple) -> None:
        value = inputs[0] if inputs else None
        self._givers.setdefault(module, set()).add(self._take(value, module))
        self._taking.append(value)

    def _leave(self, module: nn.Module, inputs: tuple, output: Any) -> None:
        self._taking.pop()

    def _made(self, module: nn.Module, inputs: tuple, output: Any) -> None:
        self._takers.setdefault(module, set())
        self._made_by[output] = module

    def _take(self, value: Any, taker: nn.Module | None) -> nn.Module | None:
        """Record that ``taker`` uses ``value``; return the module that made it, if that is watched."""
        giver = self._made_by.get(value) if isinstance(value, Tensor) else None
        if giver is not None:
            self._takers[giver].add(taker)
        return giver
