"""The variants in which a network is measured."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from schanger_mm.benchmark.machine import DTYPES
from schanger_mm.benchmark.network import channels, dates
from schanger_mm.deploy.card import Card
from schanger_mm.deploy.formats import write_onnx
from schanger_mm.deploy.graph import PairGraph, trace
from schanger_mm.deploy.open import open_runtime
from schanger_mm.engine.compilation import compile_loss
from schanger_mm.models.data_preprocessor import BiTemporalPreProcessor
from schanger_mm.models.detectors import SiameseEncoderDecoder
from schanger_mm.models.layers import part_dates
from schanger_mm.utils.band_order import COLOUR_BANDS
from schanger_mm.utils.errors import SettingError

PLAIN = 'plain'  # what the others are compared with
EXPORTED = ('onnx', 'openvino')  # forms that run outside torch
_LOSS_SCALE = 2.0**16  # what mixed precision in float16 starts with


@dataclass(frozen=True)
class Variant:
    """A variant: plain (each date separately, contiguous NCHW, nothing fused, eager), the unchanged detector, fast, ...

    ``malloc`` of glibc keeps all freed memory (tuned), as much as the tools allow for inference (limited), or is
    unchanged. ``recompute`` keeps only the inputs of blocks in training. Some are for one ``device`` only.
    """

    form: str
    precision: str = 'fp32'
    malloc: str = 'tuned'
    recompute: bool = False
    device: str | None = None


VARIANTS = dict(
    inference={
        PLAIN: Variant('plain', malloc='default'),
        'plain-tuned': Variant('plain', device='cpu'),
        'channels-last': Variant('detector'),
        'fast': Variant('fast', malloc='limited'),
        'fast-tuned': Variant('fast', device='cpu'),
        'fast-default': Variant('fast', malloc='default', device='cpu'),
        'fast-bf16': Variant('fast', 'bf16', 'limited'),
        'fast-fp16': Variant('fast', 'fp16', device='cuda'),
        'compile': Variant('compile'),
        'onnx': Variant('onnx', device='cpu'),
        'openvino': Variant('openvino', device='cpu'),
        'openvino-bf16': Variant('openvino', 'bf16', device='cpu')},
    train={
        PLAIN: Variant('plain', malloc='default'),
        'plain-tuned': Variant('plain', device='cpu'),
        'channels-last': Variant('detector'),
        'recompute': Variant('detector', recompute=True),
        'recompute-default': Variant('detector', malloc='default', recompute=True, device='cpu'),
        'bf16': Variant('detector', 'bf16'),
        'recompute-bf16': Variant('detector', 'bf16', recompute=True),
        'fp16': Variant('detector', 'fp16', device='cuda'),
        'recompute-fp16': Variant('detector', 'fp16', recompute=True, device='cuda'),
        'compile': Variant('compile')})


def make_step(task: str, variant: Variant, model: nn.Module, batch: int, size: int, seed: int) -> Callable[[], Tensor]:
    """Make a call on ``batch`` random inputs of ``size`` px, normally distributed like normalised images.

    In inference it returns logits (an exported network probabilities), as a partial of the call on other inputs. In
    training it does what an iteration does before the optimiser (losses on random labels, backward, gradients to zero)
    and returns the loss.
    """
    device, draw = next(model.parameters()).device, torch.Generator().manual_seed(seed)
    inputs = torch.randn(batch, channels(model), size, size, generator=draw).to(device)
    labels = torch.randint(model.num_classes, (batch, 1, size, size), generator=draw)
    if variant.form == 'plain' or variant.recompute:
        part_dates(model)
    if variant.form == 'plain':
        model.backbone.register_forward_pre_hook(lambda _, images: images[0].contiguous())
    elif variant.form in ('detector', 'compile') and not isinstance(model, SiameseEncoderDecoder):  # it does so itself
        model.to(memory_format=torch.channels_last)
        inputs = inputs.contiguous(memory_format=torch.channels_last)
    if task == 'train':
        return _training_step(variant, model, inputs, labels)
    return partial(make_forward(variant, model), inputs)


def make_forward(variant: Variant, model: nn.Module) -> Callable[[Tensor], Tensor]:
    """Make the call of a variant in inference: normalised images to logits, of an exported network to probabilities."""
    if variant.form in EXPORTED:
        return _export_and_open(variant.form, model, variant.precision)
    if variant.form == 'fast' and not hasattr(model, 'for_inference'):
        raise SettingError(f'{type(model).__name__} has no for_inference()')
    if variant.form in ('fast', 'compile') and hasattr(model, 'for_inference'):
        model = model.for_inference(variant.precision, portable=variant.form == 'compile')
    forward = torch.compile(model) if variant.form == 'compile' else model
    return torch.inference_mode()(lambda inputs: forward(inputs, mode='tensor'))


def _training_step(variant: Variant, model: nn.Module, inputs: Tensor, labels: Tensor) -> Callable[[], Tensor]:
    samples = [SegDataSample(gt_sem_seg=PixelData(data=label), metainfo=dict(img_shape=label.shape[1:]))
               for label in labels.to(inputs.device)]
    parts = [module for module in model.train().modules() if hasattr(module, 'with_cp')]
    if variant.recompute and not parts:
        raise SettingError(f'no part of {type(model).__name__} has with_cp')
    for part in parts:
        part.with_cp = variant.recompute
    compile_loss(model, variant.form == 'compile')
    scale = _LOSS_SCALE if variant.precision == 'fp16' else 1.0

    def step() -> Tensor:
        mixed = variant.precision != 'fp32'
        with torch.autocast(inputs.device.type, DTYPES[variant.precision]) if mixed else contextlib.nullcontext():
            loss, _ = model.parse_losses(model(inputs, samples, mode='loss'))
        (loss * scale).backward()
        model.zero_grad()
        return loss.detach()
    return step


def _export_and_open(backend: str, model: nn.Module, precision: str) -> Callable[[Tensor], Tensor]:
    """Export to a temporary file and open it with torch's number of threads; the call returns probabilities."""
    bands = channels(model) // dates(model)
    model.data_preprocessor = BiTemporalPreProcessor(mean=[0.0] * 2 * bands, std=[1.0] * 2 * bands,
                                                     bgr_to_rgb=bands == COLOUR_BANDS)
    graph = PairGraph(model, normalise=False)
    card = Card(inputs=graph.INPUTS, classes=('unchanged', 'changed'), mean=((0.0, ) * bands, ) * 2,
                std=((1.0, ) * bands, ) * 2, normalisation='inside',  # so that the runtime does not change its inputs
                threshold=0.5, tile=256, fixed_size=False, gsd=None, align_corners=True, config='', checkpoint='',
                checkpoint_sha256='', versions={})
    with tempfile.TemporaryDirectory(prefix='benchmark-') as folder:
        path = Path(folder) / 'network.onnx'
        write_onnx(trace(graph), path, card)
        runtime = open_runtime(path, backend, threads=torch.get_num_threads(), precision=precision)
    return lambda inputs: torch.from_numpy(runtime(*inputs.chunk(2, dim=1)))
