"""Use the same network in all processes of a validation."""

from __future__ import annotations

from mmengine.dist import broadcast, get_world_size
from mmengine.hooks import Hook

from schanger_mm.registry import HOOKS


@HOOKS.register_module()
class SharedBuffersHook(Hook):
    """Validate with the batch-norm statistics of process 0, which are those that checkpoints hold.

    Processes whose batch norms are not synchronised have different statistics;
    a score over all images would be that of several networks.
    """

    priority = 'LOWEST'  # behind EMAHook, which swaps the averaged weights in

    def before_val_epoch(self, runner) -> None:
        """Send the buffers of process 0 to the others."""
        if get_world_size() > 1:
            for buffer in runner.model.buffers():
                broadcast(buffer)
