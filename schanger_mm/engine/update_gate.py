"""Block the optimiser's step if loss or gradients are not finite."""

from __future__ import annotations

import math
from functools import partial, update_wrapper

import torch
from mmengine.dist import all_reduce, get_world_size
from mmengine.optim import OptimWrapper
from torch import Tensor


class Look:
    """The check of one iteration's loss and gradients, copied from the device to the host in the background.

    Args:
        seen: ``(3, )`` on the device: the loss, whether this process has a bad update, whether any has; 1 is bad.
    """

    def __init__(self, seen: Tensor) -> None:
        self._event = None
        if seen.is_cuda:
            self._host = seen.to('cpu', non_blocking=True)  # into pinned memory
            self._event = torch.cuda.Event()
            self._event.record()
        else:
            self._host = seen

    def arrived(self) -> bool:
        """Return whether :meth:`problem` would not wait for the device."""
        return self._event is None or self._event.query()

    def problem(self) -> str | None:
        """Describe what is wrong with the update, None if it is fine; ``'elsewhere'``: in another process."""
        if self._event is not None:
            self._event.synchronize()
        loss, here, anywhere = self._host.numpy().tolist()
        if not anywhere:
            return None
        if not here:
            return 'elsewhere'
        return f'the loss is {loss:.4g}' + (', but its gradients are not finite' if math.isfinite(loss) else '')


class UpdateGate:
    """Keep a bad update out of the weights.

    It replaces ``update_params`` and ``step`` of one optimiser wrapper, so it
    works for every model and every wrapper: mmengine's ``train_step`` calls
    the first with the loss, and that calls the second when gradients are
    complete. The loss is checked after the backward pass.

    Gradients are checked too, unless a loss scaler does so: for it an Inf is
    normal, it skips the step and lowers its scale. With several processes all
    agree.

    A fused optimiser of torch skips a step itself if a flag on the device says
    so. So the host need not wait for the device: it reads the result when it
    has arrived, and until then no update is applied after a bad one.

    Args:
        wrapper: the optimiser wrapper.
        wait: always wait for the result within the iteration.

    Attributes:
        look: the check of the last iteration.
        waits: whether the host waits for the device in every iteration.
    """

    def __init__(self, wrapper: OptimWrapper, wait: bool = False) -> None:
        self.look: Look | None = None
        fused = all(group.get('fused') for group in wrapper.optimizer.param_groups)
        self.waits = wait or not fused
        self._wrapper = wrapper
        self._loss = torch.zeros(())
        self._closed: Tensor | None = None  # 1: an update was bad, so no more are applied
        self._spoiled = False  # what has accumulated so far
        self._update_params, self._step = wrapper.update_params, wrapper.step
        wrapper.update_params = self._watch
        wrapper.step = update_wrapper(partial(self._step_if_finite), self._step)  # schedulers look for their mark
        self._hook = None if self.waits else wrapper.optimizer.register_step_pre_hook(self._tell_optimizer)

    def remove(self) -> None:
        """Restore the wrapper's own methods."""
        self._wrapper.update_params, self._wrapper.step = self._update_params, self._step
        if self._hook is not None:
            self._hook.remove()
            self._wrapper.optimizer.__dict__.pop('found_inf', None)

    def _watch(self, loss: Tensor, *args, **kwargs) -> None:
        self.look, self._loss = None, loss.detach()
        self._update_params(loss, *args, **kwargs)
        if self.look is None:  # no step: gradients accumulate
            self._see(gradients=False)

    def _step_if_finite(self, **kwargs) -> None:
        scaler = getattr(self._wrapper, 'loss_scaler', None)
        self._see(gradients=scaler is None or not scaler.is_enabled())
        if not self._spoiled:
            self._step(**kwargs)
        self._spoiled = False  # mmengine sets the gradients to zero next

    def _see(self, gradients: bool) -> None:
        finite = self._loss.isfinite().all()
        if gradients and not self._spoiled:
            finite = finite & self._gradients_are_finite()
        bad = here = (~finite).float()
        if get_world_size() > 1:
            bad = here.clone()
            all_reduce(bad, 'max')
        self.look = Look(torch.stack([self._loss.float().reshape(()), here, bad]))
        if self.waits:
            self._spoiled = self._spoiled or self.look.problem() is not None
        else:
            self._closed = bad if self._closed is None else torch.maximum(self._closed, bad)

    def _tell_optimizer(self, optimizer: torch.optim.Optimizer, *_) -> None:
        """Set the flag with which a loss scaler, too, tells a fused optimiser to skip a step."""
        of_scaler = getattr(optimizer, 'found_inf', None)
        optimizer.found_inf = self._closed if of_scaler is None else torch.maximum(of_scaler, self._closed)

    def _gradients_are_finite(self) -> Tensor:
        found = [parameter.grad for group in self._wrapper.optimizer.param_groups for parameter in group['params']
                 if parameter.grad is not None and parameter.grad.numel()]
        if not found:
            return torch.ones((), dtype=torch.bool, device=self._loss.device)
        # a sum of magnitudes is NaN or Inf where any is; that of squares overflows sooner, and the largest of them is
        # 30 times as slow to find on a CPU
        return torch.stack(torch._foreach_norm(found, 1)).isfinite().all().to(self._loss.device)
