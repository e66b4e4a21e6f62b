"""Keep the head of a single-date pre-training as the head of one class."""

from __future__ import annotations

from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.model import is_model_wrapper
from mmengine.runner import BaseLoop

from schanger_mm.registry import HOOKS
from schanger_mm.utils.errors import SettingError

HEAD = 'decode_head.'
OWN = f'{HEAD}semantic.'


@HOOKS.register_module()
class SingleDateHeadHook(Hook):
    """Start one class of ``SpatialConsistencyHead(semantic=...)`` from the head that pre-training has made.

    Without this hook all classes start anew, and the pre-trained head only becomes that of change. It acts when a
    training starts from ``load_from`` with the weights of a single-date network; weights that hold classes, or those of
    a change network, stay as they are, which the log says.

    Args:
        class_index: number of the class that the pre-training has learnt, from 0 in the order of the data set's
            ``classes``: 4 is SECOND's building.

    Raises:
        SettingError: the head has no such class, or the weights have other shapes.
    """

    priority = 'HIGHEST'  # before LoadReportHook, which counts these entries as taken

    def __init__(self, class_index: int):
        self.class_index = class_index

    def after_load_checkpoint(self, runner, checkpoint: dict) -> None:
        """Add the entries of the class maps to the checkpoint, which is not written."""
        if runner._resume or not isinstance(runner._train_loop, BaseLoop):
            return
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        head = getattr(model, 'decode_head', None)
        if not hasattr(head, 'semantic'):
            raise SettingError(f'SingleDateHeadHook: {type(head).__name__} has no classes; set model.'
                               'decode_head.semantic=dict(num_classes=K) of SpatialConsistencyHead, or remove the hook '
                               'from custom_hooks.')
        state = checkpoint.get('state_dict', checkpoint)
        if any(name.startswith((OWN, f'{HEAD}side_fusion.')) for name in state):
            print_log('SingleDateHeadHook: the initial weights are not those of a single-date network; no class takes '
                      'over its head', logger='current')
            return
        try:
            entries = head.semantic.from_single_date(state, HEAD, self.class_index)
        except SettingError as error:
            raise SettingError(f'SingleDateHeadHook: {error}') from error
        state.update({f'{OWN}{name}': value for name, value in entries.items()})
        print_log(f'class {self.class_index} starts from the head of the single-date network', logger='current')
