"""Load the network of a scene by name: an exported file, which needs no torch, or a checkpoint or config."""

from __future__ import annotations

from typing import TYPE_CHECKING, Union

from schanger_mm.config import compat
from schanger_mm.deploy.card import backend_of
from schanger_mm.deploy.exported import ExportedModel
from schanger_mm.utils.errors import SettingError

if TYPE_CHECKING:
    from schanger_mm.deploy.model import SceneModel
    from schanger_mm.deploy.single_date import WithClasses

Model = Union['SceneModel', ExportedModel, 'WithClasses']


def load_model(model: str, weights: str | None = None, device: str | None = None, precision: str = 'fp32',
               threads: int | None = None, semantic: tuple[str, str | None] | None = None) -> Model:
    """Load the network that a user specifies, and if wanted one that classifies each date.

    Args:
        model: an exported network (``.onnx``, ``.xml``), or what :meth:`SceneModel.load` takes.
        weights: checkpoint for a config.
        device: such as ``'cpu'`` or ``'cuda:0'``; None: the GPU if there is one.
        precision: ``'fp32'``, ``'bf16'`` or, on a GPU, ``'fp16'``.
        threads: number of CPU threads; None: the default of torch or the backend.
        semantic: single-date segmentation network that gives a change network classes: model and weights, as
            :meth:`SingleDateModel.load` takes them.

    Raises:
        UserError: the model cannot be loaded; the message says why.
    """
    change = _load_change(model, weights, device, precision, threads)
    return change if semantic is None else _with_classes(change, semantic, str(change.device), precision)


def _load_change(model: str, weights: str | None, device: str | None, precision: str,
                 threads: int | None) -> SceneModel | ExportedModel:
    if backend_of(model) is not None:
        if weights is not None:
            raise SettingError(f'MODEL {model} is an exported network and holds its weights; omit --weights '
                               f'{weights}.')
        return ExportedModel(model, device, precision, threads)
    compat.prepare()  # without a stack, its error says how to install one
    import torch

    from schanger_mm.deploy.model import SceneModel
    if threads is not None:
        torch.set_num_threads(threads)
    return SceneModel.load(model, weights, device or ('cuda' if torch.cuda.is_available() else 'cpu'), precision)


def _with_classes(change: SceneModel | ExportedModel, semantic: tuple[str, str | None], device: str,
                  precision: str) -> WithClasses:
    model, weights = semantic
    if change.semantic_classes:
        raise SettingError(f'--semantic {model}: {change.weights} predicts classes itself ('
                           f'{", ".join(change.class_names)}); omit --semantic.')
    if backend_of(model) is not None:
        raise SettingError(f'--semantic {model}: exports compare two dates; expected the checkpoint or config of a '
                           'segmentation network for single images.')
    compat.prepare()
    from schanger_mm.deploy.single_date import SingleDateModel, WithClasses
    return WithClasses(change, SingleDateModel.load(model, weights, device, precision))
