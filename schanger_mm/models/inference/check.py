"""Compare an inference form with the network that it was made from."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves
from torch.utils.hooks import RemovableHandle

from schanger_mm.utils.errors import SettingError


class InferenceFormError(SettingError):
    """A part of a network computes something other than its inference form."""


class Outputs:
    """Records the outputs of the named modules of a network, in the order in which they finish.

    Args:
        model: the network; call it within this context.
        names: names of the modules to watch; ``''`` is the network itself.

    Attributes:
        calls: name of the module and the tensors that it returned, for each call.
        running: names of the modules that have started but not finished.
    """

    def __init__(self, model: nn.Module, names: Collection[str]):
        self._model, self._names = model, names
        self._handles: list[RemovableHandle] = []
        self.calls: list[tuple[str, list[Tensor]]] = []
        self.running: list[str] = []

    def __enter__(self) -> Outputs:
        """Start watching."""
        for name, module in self._model.named_modules():
            if name in self._names:
                self._handles += [module.register_forward_pre_hook(partial(self._begin, name)),
                                  module.register_forward_hook(self._end)]
        return self

    def __exit__(self, *error: Any) -> None:
        """Stop watching."""
        for handle in self._handles:
            handle.remove()

    def _begin(self, name: str, module: nn.Module, inputs: Any) -> None:
        self.running.append(name)

    def _end(self, module: nn.Module, inputs: Any, output: Any) -> None:
        tensors = [x.clone() for x in tree_leaves(output) if isinstance(x, Tensor)]  # may be changed in place later
        self.calls.append((self.running.pop(), tensors))


def check_form(form: nn.Module, example: Tensor, expected: Sequence[tuple[str, list[Tensor]]], tolerance: float,
               describe: Callable[[str], str]) -> None:
    """Run an inference form and compare the outputs of its modules with those of the network.

    They are compared in the order in which they finished, so the first that
    differs is the innermost module at fault.

    Args:
        form: the inference form.
        example: the network's input.
        expected: :attr:`Outputs.calls` of the network.
        tolerance: largest allowed difference, in multiples of the largest value.
        describe: function that describes a module and how to correct it, for the message.

    Raises:
        InferenceFormError: naming the module.
    """
    found = Outputs(form, {name for name, _ in expected})
    try:
        with found:
            form(example)
    except Exception as error:  # a form that no longer fits its part may raise any error
        raise InferenceFormError(f'{describe((found.running or [""])[-1])} The form fails with '
                                 f'{type(error).__name__}: {error}') from error
    calls: dict[str, list[list[Tensor]]] = {}
    for name, tensors in found.calls:
        calls.setdefault(name, []).append(tensors)
    for name, tensors in expected:
        others = calls[name].pop(0) if calls.get(name) else []
        if len(tensors) != len(others):
            raise InferenceFormError(f'{describe(name)} It returns {len(tensors)} tensors, its form {len(others)}.')
        for a, b in zip(tensors, others):
            if problem := _difference(a, b, tolerance):
                raise InferenceFormError(f'{describe(name)} {problem}')


def _difference(a: Tensor, b: Tensor, tolerance: float) -> str | None:
    """Say how the values of a form differ from the expected ones, None if they agree."""
    if a.shape != b.shape:
        return f'It returns {tuple(a.shape)}, its form {tuple(b.shape)}.'
    finite = a.isfinite()  # a network that yields NaN does so in its form, too
    if not a.is_floating_point() or not finite.any():
        return None
    largest = a[finite].abs().max().item()
    difference = (a - b)[finite].abs().nan_to_num(torch.inf).max().item()
    if difference <= tolerance * (largest + 1e-2):
        return None
    return f'They differ by {difference:.2g} where values reach {largest:.2g}.'
