"""Between the backward pass and the optimiser: no step where loss or gradients are not finite."""

from __future__ import annotations

from functools import partial, update_wrapper

import torch
from mmengine.dist import all_reduce, get_world_size
from mmengine.optim import OptimWrapper


class UpdateGate:
    """Keep a bad update out of the weights.

    It replaces ``update_params`` and ``step`` of one optimiser wrapper, so it
    works for every model and every wrapper: mmengine's ``train_step`` calls
    the first with the loss, and that calls the second when gradients are
    complete. The loss is looked at after the backward pass. This is the one
    time per iteration that the host waits for a GPU; with a loss scaler it
    waits there anyway, to look at the gradients.

    Gradients are looked at too, unless a loss scaler does: to it an Inf among
    them is normal, it leaves the step out and lowers its scale. With several
    processes all agree.

    Args:
        wrapper: the optimiser wrapper.

    Attributes:
        problem: what is wrong with this iteration's update, None where it is
            fine. ``'elsewhere'``: with the part of another process.
    """

    def __init__(self, wrapper: OptimWrapper) -> None:
        self.problem: str | None = None
        self._spoiled = False  # the gradients accumulated so far are
        self._wrapper = wrapper
        self._loss = torch.zeros(())
        self._looked = True
        self._update_params, self._step = wrapper.update_params, wrapper.step
        wrapper.update_params = self._watch
        wrapper.step = update_wrapper(partial(self._step_if_finite), self._step)  # schedulers look for their mark

    def remove(self) -> None:
        """Give the wrapper its own methods back."""
        self._wrapper.update_params, self._wrapper.step = self._update_params, self._step

    def _watch(self, loss: torch.Tensor, *args, **kwargs) -> None:
        self.problem, self._loss, self._looked = None, loss.detach(), False
        self._update_params(loss, *args, **kwargs)
        if not self._looked:  # no step: gradients accumulate
            self._look(gradients=False)

    def _step_if_finite(self, **kwargs) -> None:
        scaler = getattr(self._wrapper, 'loss_scaler', None)
        self._look(gradients=scaler is None or not scaler.is_enabled())
        if not self._spoiled:
            self._step(**kwargs)
        self._spoiled = False  # mmengine sets the gradients to zero next

    def _look(self, gradients: bool) -> None:
        self._looked = True
        finite = self._loss.isfinite().all()
        if gradients and not self._spoiled:
            finite = finite & self._gradients_are_finite()
        bad = here = (~finite).float()
        if get_world_size() > 1:
            bad = here.clone()
            all_reduce(bad, 'max')
        if bad.item():
            self._spoiled = True
            if not here.item():
                self.problem = 'elsewhere'
            elif self._loss.isfinite().all():
                self.problem = f'the loss is {self._loss.item():.4g}, but its gradients are not finite'
            else:
                self.problem = f'the loss is {self._loss.item()}'

    def _gradients_are_finite(self) -> torch.Tensor:
        found = [parameter.grad for group in self._wrapper.optimizer.param_groups for parameter in group['params']
                 if parameter.grad is not None and parameter.grad.numel()]
        if not found:
            return torch.ones((), dtype=torch.bool, device=self._loss.device)
        # a sum of magnitudes is NaN or Inf where any is; that of squares overflows sooner, and the largest of them is
        # 30 times as slow to find on a CPU
        return torch.stack(torch._foreach_norm(found, 1)).isfinite().all().to(self._loss.device)
