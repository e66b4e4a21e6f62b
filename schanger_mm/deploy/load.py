"""Load the network of a scene by name: an exported file, which needs no torch, or a checkpoint or config."""

from __future__ import annotations

from typing import TYPE_CHECKING, Union

from schanger_mm.config import compat
from schanger_mm.deploy.card import backend_of
from schanger_mm.deploy.exported import ExportedModel
from schanger_mm.utils.errors import SettingError

if TYPE_CHECKING:
    from schanger_mm.deploy.model import SceneModel

Model = Union['SceneModel', ExportedModel]


def load_model(model: str, weights: str | None = None, device: str | None = None, precision: str = 'fp32',
               threads: int | None = None) -> Model:
    """Load the network that a user specifies.

    Args:
        model: an exported network (``.onnx``, ``.xml``), or what :meth:`SceneModel.load` takes.
        weights: checkpoint for a config.
        device: such as ``'cpu'`` or ``'cuda:0'``; None: the GPU if there is one.
        precision: ``'fp32'``, ``'bf16'`` or, on a GPU, ``'fp16'``.
        threads: number of CPU threads; None: the default of torch or the backend.

    Raises:
        UserError: the model cannot be loaded; the message says why.
    """
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
