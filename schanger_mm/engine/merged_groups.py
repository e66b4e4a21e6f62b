"""One parameter group per setting instead of one per parameter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmengine.optim import DefaultOptimWrapperConstructor, OptimWrapper
from torch import nn

from schanger_mm.registry import OPTIM_WRAPPER_CONSTRUCTORS, OPTIMIZERS

WITH_FUSED = (torch.optim.AdamW, torch.optim.Adam, torch.optim.SGD)
"""Optimisers of torch that update all parameters of a group in one kernel, on GPU and CPU."""
HOW = ('fused', 'foreach', 'capturable')
"""Settings that affect how results are computed, not the results themselves."""


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class MergedGroupsConstructor(DefaultOptimWrapperConstructor):
    """mmengine's constructor; parameter groups with equal settings are merged.

    mmengine's ``paramwise_cfg`` makes one group per parameter, 425 in
    SChanger, and an optimiser updates each group with separate kernels. Every
    parameter keeps its settings, so the results are the same.

    AdamW, Adam and SGD of torch use their fused variant unless the config sets
    ``fused`` or ``foreach``.
    """

    def __call__(self, model: nn.Module) -> OptimWrapper:
        """Build the optimiser of a network and its wrapper."""
        kind = self.optimizer_cfg['type']
        kind = OPTIMIZERS.get(kind) if isinstance(kind, str) else kind
        if kind in WITH_FUSED and not {'fused', 'foreach'} & set(self.optimizer_cfg):
            self.optimizer_cfg = {**self.optimizer_cfg, 'fused': True}
        wrapper = super().__call__(model)
        groups = wrapper.optimizer.param_groups
        places = equal_groups(groups)
        wrapper.optimizer.param_groups = [
            {**groups[members[0]], 'params': [p for place in members for p in groups[place]['params']]}
            for members in places]
        wrapper.merged = places
        return wrapper


def equal_groups(groups: Sequence[Mapping[str, Any]]) -> list[list[int]]:
    """Find groups that differ only in their parameters; return the indices of those that belong together."""
    found: list[tuple[dict, list[int]]] = []
    for place, group in enumerate(groups):
        settings = {key: value for key, value in group.items() if key != 'params'}
        members = next((members for other, members in found if other == settings), None)
        if members is None:
            found.append((settings, [place]))
        else:
            members.append(place)
    return [members for _, members in found]


def merge_checkpoint(checkpoint: dict, wrapper: OptimWrapper) -> None:
    """Convert optimiser and schedules of a checkpoint to the parameter groups of a wrapper, in place.

    Checkpoints saved with the groups of ``paramwise_cfg`` are converted, others
    keep their groups. In all of them the optimiser continues with its own
    variant (:data:`HOW`).

    Args:
        checkpoint: as mmengine's Runner saves it.
        wrapper: the wrapper that the constructor built.
    """
    if 'optimizer' not in checkpoint:
        return
    places = getattr(wrapper, 'merged', None)
    groups = checkpoint['optimizer']['param_groups']
    count = sum(map(len, places or []))
    if places and len(groups) == count > len(places):
        checkpoint['optimizer'] = {**checkpoint['optimizer'], 'param_groups': [
            {**groups[members[0]], 'params': [p for place in members for p in groups[place]['params']]}
            for members in places]}
        for schedule in checkpoint.get('param_schedulers') or []:
            for key, values in schedule.items():
                if isinstance(values, list) and len(values) in (count, count + 1):  # + 1: mmengine's base settings
                    schedule[key] = [values[members[0]] for members in places] + values[count:]
    now = wrapper.optimizer.param_groups
    for group, own in zip(checkpoint['optimizer']['param_groups'], now):
        group.update({key: own[key] for key in HOW if key in own})
