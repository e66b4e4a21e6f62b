"""Build the measured network by name, the same in every process, and count the cost of a call."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy

import torch
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import DefaultScope
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd
from torch.optim.swa_utils import update_bn
from torch.utils.flop_counter import FlopCounterMode

from schanger_mm.checkpoints.convert import network
from schanger_mm.checkpoints.hub import is_address
from schanger_mm.checkpoints.reading import read_weights
from schanger_mm.config.building import config_errors
from schanger_mm.config.loading import ConfigError, load_config
from schanger_mm.deploy.model import filled_network
from schanger_mm.deploy.model_files import open_named, published_config, published_name
from schanger_mm.models.layers.arch import ARCHS
from schanger_mm.registry import MODELS, SCOPE
from schanger_mm.utils.errors import SettingError
from schanger_mm.visualization.report import format_table

WEIGHTS = ('.pth', '.safetensors')


def build(name: str, options: dict | None = None) -> nn.Module:
    """Build a network on the CPU, in eval mode, without pre-trained weights.

    ``name`` is a config, optionally with ``options``; a size or widths of SChanger: ``'4,4,6,8,10,12'``; a
    published network such as ``'levir-base'``; or a model that holds its config: a checkpoint, or ``hf://org/name``.
    """
    if published_name(name):
        name = str(published_config(name))
    elif holds_weights(name):
        if options:
            raise SettingError(f'--cfg-options: {name} holds its config, which cannot be changed here.')
        found = open_named(name)
        return filled_network(found.cfg, found.checkpoint, found.config_name).eval()
    if is_size(name):
        return network(name if name in ARCHS else tuple(map(int, name.split(','))), num_dates=2).eval()
    cfg = load_config(name, options)
    if not cfg.get('model') or 'decode_head' not in cfg.model:
        raise ConfigError(f'{name}: no model with a decode_head; expected the config of a detector or segmentor.')
    with DefaultScope.overwrite_default_scope(cfg.get('default_scope') or SCOPE), config_errors(cfg):
        model = MODELS.build({key: value for key, value in cfg.model.items() if key != 'data_preprocessor'})
    for module in model.modules():
        if 'Pretrained' in str(getattr(module, 'init_cfg', None)):
            module.init_cfg = None
    return revert_sync_batchnorm(model).eval()


def is_size(name: str) -> bool:
    """Return whether this is a size of SChanger or a list of widths, and not a config."""
    return name in ARCHS or all(map(str.isdecimal, name.split(',')))


def holds_weights(name: str) -> bool:
    """Return whether this is a model that holds its config and weights: a checkpoint, or ``hf://org/name``."""
    return is_address(name) or name.endswith(WEIGHTS)


def load(name: str, checkpoint: str | None, seed: int = 0) -> nn.Module:
    """Build a network with a checkpoint's weights, its own, or the random ones that training starts from.

    With random weights, batch norms take their statistics from random images and the logits are scaled, so that
    probabilities vary like those of a trained network.
    """
    torch.manual_seed(seed)
    model = build(name)
    if checkpoint is not None:
        try:
            model.load_state_dict(read_weights(checkpoint))
        except RuntimeError as error:  # torch lists every missing, unknown and differing entry
            raise SettingError(f'--checkpoint {checkpoint} does not fit {name}: '
                               f'{" ".join(str(error).split()):.1000}') from error
        return model
    if holds_weights(name):
        return model
    model.init_weights()
    images = torch.randn(2, channels(model), 128, 128)
    with torch.no_grad():
        update_bn([images], model)
        logits = model.eval()(images, mode='tensor')
        if isinstance(logits, Tensor) and hasattr(model.decode_head, 'conv_seg'):
            for parameter in model.decode_head.conv_seg.parameters():
                parameter.mul_(2 / logits.std())
    return model


def dates(model: nn.Module) -> int:
    """Return the number of images per input: ours define it, Open-CD's detectors have ``backbone_inchannels``."""
    return getattr(model, 'num_dates', 2 if hasattr(model, 'backbone_inchannels') else 1)


def channels(model: nn.Module) -> int:
    """Return the number of input channels of all dates."""
    first = next(module for module in model.backbone.modules() if isinstance(module, nn.Conv2d))
    return getattr(model, 'backbone_inchannels', first.in_channels) * dates(model)


def count_cost(model: nn.Module, batch: int, height: int, width: int) -> dict:
    """Count one forward pass on torch's ``meta`` device, which has shapes and no data.

    Detectors of other projects may need more than ``mode='tensor'`` hands over, or values of their features: then the
    way that predictions take is counted, and a pass with data.

    Returns ``flops`` of convolutions and all matrix products, two per multiply-accumulate; ``values`` that convolutions
    and linear layers read and write when they run one after the other; their ``macs`` and all ``parameters`` by part.
    """
    parameters = {name: sum(value.numel() for value in child.parameters()) for name, child in model.named_children()}
    shape = batch, channels(model), height, width
    shapeless, errors = deepcopy(model).to('meta'), []
    # ours pads what it predicts, and would count another size
    ways = (_tensor, ) if hasattr(model, 'num_dates') else (_tensor, _as_predicted)
    for counted in (shapeless, model):
        for forward in ways:
            try:
                return dict(**_count_pass(counted, forward, shape), parameters=parameters)
            except (RuntimeError, ValueError, TypeError, AssertionError, IndexError, AttributeError) as error:
                errors.append(error)
    raise SettingError(f'the network does not run on inputs of {shape}: {errors[0]}') from errors[0]


def _tensor(model: nn.Module, images: Tensor) -> None:
    model(images, mode='tensor')


def _as_predicted(model: nn.Module, images: Tensor) -> None:
    size = tuple(images.shape[-2:])
    info = dict(ori_shape=size, img_shape=size, pad_shape=size, padding_size=[0, 0, 0, 0])
    model.encode_decode(images, [info] * len(images))


def _count_pass(model: nn.Module, forward: Callable[[nn.Module, Tensor], None], shape: tuple[int, ...]) -> dict:
    macs, values = dict.fromkeys((name for name, _ in model.named_children()), 0), []

    def count(part: str, layer: nn.Module, image: Tensor, output: Tensor) -> None:
        values.append(image.numel() + output.numel() + sum(value.numel() for value in layer.parameters()))
        macs[part] += (image if getattr(layer, 'transposed', False) else output).numel() * layer.weight[0].numel()

    handles = []
    for name, module in model.named_modules():
        if isinstance(module, (_ConvNd, nn.Linear)):
            part = name.split('.')[0]
            handles.append(module.register_forward_hook(
                lambda layer, inputs, output, part=part: count(part, layer, inputs[0], output)))
    try:
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            forward(model, torch.zeros(shape, device=next(model.parameters()).device))
    finally:
        for handle in handles:
            handle.remove()
    return dict(flops=counter.get_total_flops(), values=sum(values), macs=macs)


def format_complexity(model: nn.Module, *shape: int) -> str:
    """Show what one prediction costs, part by part; sides (one: both) are rounded up as the detector pads images."""
    if len(shape) not in (1, 2) or min(shape) < 1:
        raise SettingError(f'--shape {" ".join(map(str, shape))}: expected height and width in pixels, or one side.')
    divisor = getattr(model, 'size_divisor', 1)
    height, width = (side + -side % divisor for side in (shape[0], shape[-1]))
    cost = count_cost(model, 1, height, width)
    rows = [(name, count, cost['macs'][name]) for name, count in cost['parameters'].items() if count]
    rows.append(('total', sum(cost['parameters'].values()), cost['flops'] // 2))
    table = format_table([dict(part=name, parameters=count, GMAC=f'{macs / 1e9:.3f}') for name, count, macs in rows])
    return (f'{"one pair" if dates(model) == 2 else "one image"} of {height} x {width} px\n{table}\n'
            'GMAC (two operations each) of convolutions and linear layers; in the total of other matrix products too.\n'
            'Norms, activations and resizing are not counted. The SChanger paper prints 18.275 G for base at 256 px.')
