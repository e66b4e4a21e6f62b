"""Convert a trained network to its inference form."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from itertools import chain

import torch
from torch import Tensor, nn

from schanger_mm.models.inference.check import InferenceFormError, Outputs, check_form
from schanger_mm.models.inference.conv import InferenceConv
from schanger_mm.models.inference.flow import Flow
from schanger_mm.models.inference.forms import InferenceConvFusion, InferenceLFEM, InferenceSCAM, InferenceSCLKA
from schanger_mm.models.layers import LFEM, SCAM, SCLKA
from schanger_mm.models.necks.tfm import ConvFusion

FORMS: Mapping[type, type] = {
    LFEM: InferenceLFEM, SCAM: InferenceSCAM, SCLKA: InferenceSCLKA, ConvFusion: InferenceConvFusion}
"""Parts with their own form. Parts of other classes, including subclasses of these, run their own ``forward``."""


def example_images(channels: int, divisor: int = 1) -> Tensor:
    """Draw two small random images ``(2, channels, S, S)``, always the same, for :func:`inference_form`.

    Global random number generators are not changed.

    Args:
        channels: number of channels of all dates together.
        divisor: the side is a multiple of it.
    """
    side = divisor if divisor >= 16 else divisor * -(-64 // divisor)
    return torch.randn(2, channels, side, side, generator=torch.Generator().manual_seed(0))


def inference_form(model: nn.Module, example: Tensor, portable: bool = False,
                   forms: Mapping[type, type] = FORMS) -> nn.Module:
    """Copy a network into a form that only predicts: same inputs, same outputs up to rounding.

    Batch norms are folded into the convolutions before (in SCAM: after) them,
    activations run fused or in place. In other parts a batch norm is folded
    if a run on the example shows that it uses all outputs of the convolution,
    and nothing else does.

    The form is then compared with the network on the example, module by
    module, in float64 if all weights are float32.

    Args:
        model: any network with its trained weights; it is not changed, and
            its checkpoints do not fit the copy.
        example: a small input for the network, such as :func:`example_images`.
        portable: use ordinary operators on whole maps, which can be exported
            and compiled, instead of the fastest ones in eager mode.
        forms: form of each class of parts.

    Raises:
        InferenceFormError: a part was changed without its form; the message names it.
    """
    kinds = {x.dtype for x in chain(model.parameters(), model.buffers()) if x.is_floating_point()}
    device = next((x.device for x in model.parameters()), torch.device('cpu'))
    raised = kinds == {torch.float32} and device.type != 'mps'  # which has no float64
    plain = copy.deepcopy(model).eval().requires_grad_(False)
    if raised:
        plain, kinds = plain.double(), {torch.float64}
    example = example.to(device, next(iter(kinds)) if len(kinds) == 1 else None)
    tolerance = 1e-8 if kinds == {torch.float64} else 1e-3
    form, replaced, names = copy.deepcopy(plain), dict[str, type](), {''}
    with torch.no_grad(), torch.random.fork_rng([device] if device.type == 'cuda' else []):
        _use_forms(form, '', portable, forms, replaced, names)
        expected, flow = Outputs(plain, names), Flow(plain)
        with expected, flow:
            flow.finish(plain(example))
        names -= _fold(form, plain, flow, names, portable)
        check_form(form, example, [call for call in expected.calls if call[0] in names], tolerance,
                   lambda name: _describe(name, plain.get_submodule(name), replaced.get(name)))
    return form.float() if raised else form


def _fold(form: nn.Module, plain: nn.Module, flow: Flow, names: set[str], portable: bool) -> set[str]:
    """Fold norms and arrange the convolutions of all parts without their own form, in place.

    Returns:
        The names of the folded modules, whose outputs change.
    """
    name_of = {module: name for name, module in plain.named_modules()}
    folded = set()
    for conv, norm in flow.pairs():
        both = {name_of[conv], name_of[norm]}
        if type(conv) is nn.Conv2d and type(norm) is nn.BatchNorm2d and norm.running_var is not None and both <= names:
            form.set_submodule(name_of[conv], InferenceConv.of(conv, norm, portable=portable))
            form.set_submodule(name_of[norm], nn.Identity())
            folded |= both
    in_place = {name_of[taker] for _, taker in flow.pairs()}
    for name, module in list(form.named_modules()):
        if type(module) is nn.Conv2d:
            form.set_submodule(name, InferenceConv.of(module, portable=portable))
        elif isinstance(module, (nn.ReLU, nn.SiLU)):
            module.inplace = not portable and (module.inplace or name in in_place)
    return folded


def _use_forms(module: nn.Module, path: str, portable: bool, forms: Mapping[type, type], replaced: dict[str, type],
               names: set[str], part: nn.Module | None = None) -> None:
    """Replace parts by their forms, and collect the names of all unchanged modules.

    If ``module`` is the form of ``part``, these are those that it took over from the part; others are its own.
    """
    for key, child in list(module.named_children()):
        if part is not None and child is not getattr(part, key, None):
            continue
        name = f'{path}{key}'
        names.add(name)
        kind = forms.get(type(child))
        if kind is None:
            _use_forms(child, f'{name}.', portable, forms, replaced, names)
            continue
        replaced[name] = kind
        try:
            form = kind(child, portable)
        except Exception as error:  # a form that no longer fits its part may raise any error
            raise InferenceFormError(f'{_describe(name, child, kind)} The form cannot be made: {type(error).__name__}: '
                                     f'{error}') from error
        setattr(module, key, form)
        _use_forms(form, f'{name}.', portable, forms, replaced, names, child)


def _describe(name: str, part: nn.Module, form: type | None) -> str:
    what = f'{name or "the network"} ({type(part).__name__})'
    plain = '`schanger test --plain` tests the network as it was trained.'
    if form is None:
        return (f'{what} computes something else once batch norms are folded into convolutions and activations run in '
                f'place; {plain}')
    return (f'{what} computes something else than its inference form {form.__name__} in '
            f'{form.__module__.replace(".", "/")}.py: one was changed without the other. Change both, or make the '
            f'change in a class of your own, registered and named in the config, which runs as it is; {plain}')
