"""From a trained network to its inference form."""

from __future__ import annotations

import copy
import re

import torch
from torch import nn

from schanger_mm.models.inference.conv import InferenceConv
from schanger_mm.models.inference.forms import InferenceConvFusion, InferenceLFEM, InferenceSCAM
from schanger_mm.models.layers import LFEM, SCAM
from schanger_mm.models.necks.tfm import ConvFusion

FORMS: dict[type, type] = {LFEM: InferenceLFEM, SCAM: InferenceSCAM, ConvFusion: InferenceConvFusion}


def inference_form(model: nn.Module, portable: bool = False) -> nn.Module:
    """Copy a network into a form that only predicts: same inputs, same outputs within rounding.

    Batch norms are folded into the convolutions before (in SCAM: behind) them,
    activations run fused or in place. Other networks' pairs of convolution and
    batch norm (mmseg's ResNets, mmcv's ``ConvModule``) are folded where names
    or order say that one follows the other; the rest of them stays as it is.

    Args:
        model: any network with its trained weights; it is not changed, and
            its checkpoints do not fit the copy.
        portable: use ordinary operators on whole maps, which can be exported
            and compiled, instead of what is fastest in eager mode.
    """
    model = copy.deepcopy(model).eval().requires_grad_(False)
    with torch.no_grad():
        _convert(model, portable)
    return model


def _convert(module: nn.Module, portable: bool) -> None:
    _fold_norms(module, portable)
    for name, child in module.named_children():
        if form := FORMS.get(type(child)):
            setattr(module, name, form(child, portable))
            _convert(getattr(module, name), portable)  # the attention inside SCAM
        elif type(child) is nn.Conv2d:
            setattr(module, name, InferenceConv.of(child, portable=portable))
        elif isinstance(child, (nn.ReLU, nn.SiLU)):
            child.inplace = not portable
        else:
            _convert(child, portable)


def _fold_norms(module: nn.Module, portable: bool) -> None:
    """Fold each batch norm into the convolution that feeds it, among the children of one module."""
    children = list(module.named_children())
    for (name, conv), (after, norm) in zip(children, children[1:]):
        if type(conv) is not nn.Conv2d or not isinstance(norm, nn.BatchNorm2d) or norm.running_var is None:
            continue
        follows = isinstance(module, nn.Sequential)
        if match := re.fullmatch(r'conv(\d*)', name):
            follows = follows or after in (f'bn{match[1]}', f'norm{match[1]}')
        if follows:
            setattr(module, name, InferenceConv.of(conv, norm, portable=portable))
            setattr(module, after, nn.Identity())
