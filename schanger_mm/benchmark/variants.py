"""The forms in which a network is measured."""

from __future__ import annotations

import contextlib
import logging
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from schanger_mm.benchmark.subject import dates, is_siamese, plain_features, random_inputs, random_labels
from schanger_mm.models.data_preprocessor import BiTemporalPreProcessor

TASKS = ('inference', 'train')
PLAIN = 'plain'
"""What the others are compared with."""
BYTES = dict(fp32=4, bf16=2, fp16=2)
_DTYPES = dict(bf16=torch.bfloat16, fp16=torch.float16)
_LOSS_SCALE = 2.0**16  # what mixed precision in float16 starts with

Step = Callable[[], Tensor]
"""One call: of inference, which returns logits (an exported network probabilities), or of training, which returns the
loss."""
EXPORTED = ('onnx', 'openvino')
"""Forms that run outside of torch."""


@dataclass(frozen=True)
class Variant:
    """One form.

    Args:
        name: on the command line.
        title: in tables.
        form: ``'plain'``: each date on its own, contiguous NCHW, nothing fused,
            eager; ``'detector'``: the network as it is; ``'fast'``: its
            inference form; ``'compile'``; ``'onnx'``; ``'openvino'``.
        precision: of maps.
        malloc: setting of glibc's allocator: ``'default'``; ``'tuned'``: it keeps all freed memory, see
            :func:`keep_freed_memory`; ``'limited'``: it keeps as much as the tools let it keep for inference.
        recompute: keep only the inputs of blocks in training.
        device: ``'cpu'`` or ``'cuda'`` where it makes sense on one of them only.
    """

    name: str
    title: str
    form: str
    precision: str = 'fp32'
    malloc: str = 'tuned'
    recompute: bool = False
    device: str | None = None


VARIANTS: dict[str, dict[str, Variant]] = {
    'inference': {variant.name: variant for variant in (
        Variant(PLAIN, 'plain', 'plain', malloc='default'),
        Variant('plain-tuned', 'plain, tuned malloc', 'plain', device='cpu'),
        Variant('channels-last', 'channels_last', 'detector'),
        Variant('fast', 'fast', 'fast', malloc='limited'),
        Variant('fast-tuned', 'fast, tuned malloc', 'fast', device='cpu'),
        Variant('fast-default', 'fast, default malloc', 'fast', malloc='default', device='cpu'),
        Variant('fast-bf16', 'fast bf16', 'fast', 'bf16', malloc='limited'),
        Variant('fast-fp16', 'fast fp16', 'fast', 'fp16', device='cuda'),
        Variant('compile', 'compile', 'compile'),
        Variant('onnx', 'onnx', 'onnx', device='cpu'),
        Variant('openvino', 'openvino', 'openvino', device='cpu'),
        Variant('openvino-bf16', 'openvino bf16', 'openvino', 'bf16', device='cpu'))},
    'train': {variant.name: variant for variant in (
        Variant(PLAIN, 'plain', 'plain', malloc='default'),
        Variant('plain-tuned', 'plain, tuned malloc', 'plain', device='cpu'),
        Variant('channels-last', 'channels_last', 'detector'),
        Variant('recompute', 'recompute', 'detector', recompute=True),
        Variant('recompute-default', 'recompute, default malloc', 'detector', malloc='default', recompute=True,
                device='cpu'),
        Variant('bf16', 'bf16', 'detector', 'bf16'),
        Variant('recompute-bf16', 'recompute bf16', 'detector', 'bf16', recompute=True),
        Variant('fp16', 'fp16', 'detector', 'fp16', device='cuda'),
        Variant('recompute-fp16', 'recompute fp16', 'detector', 'fp16', recompute=True, device='cuda'),
        Variant('compile', 'compile', 'compile'))}}


def choose(tasks: Iterable[str], names: Sequence[str] | None, device: str) -> dict[str, list[Variant]]:
    """Variants of each task in the order of the table; all that the device has where no names are given.

    Raises:
        ValueError: naming every name that no task knows, or that needs another device.
    """
    known = {task: VARIANTS[task] for task in tasks}
    unknown = [name for name in names or () if not any(name in variants for variants in known.values())]
    if unknown:
        lists = '; '.join(f'{task}: {", ".join(variants)}' for task, variants in known.items())
        raise ValueError(f'--variants {" ".join(unknown)}: unknown here; expected of {lists}.')
    other = [name for name in names or () if not any(
        variants[name].device in (None, device) for variants in known.values() if name in variants)]
    if other:
        raise ValueError(f'--variants {" ".join(other)}: not on --device {device}; leave them away.')
    return {task: [variant for variant in variants.values()
                   if variant.device in (None, device) and (names is None or variant.name in names)]
            for task, variants in known.items()}


def inference_step(variant: Variant, model: nn.Module, batch: int, size: int, seed: int) -> Step:
    """Make a call that predicts a random batch.

    Args:
        variant: of :data:`VARIANTS`.
        model: in eval mode, on its device.
        batch, size: of the inputs, pairs and px.
        seed: of the inputs.

    Raises:
        ValueError: the network has no such form.
    """
    device = next(model.parameters()).device
    inputs = random_inputs(model, batch, size, seed).to(device)
    if variant.form in EXPORTED:
        run = _export_and_open(variant.form, model, variant.precision)
        return lambda: run(inputs)
    if variant.form == 'plain':
        _make_plain(model)
    elif variant.form == 'detector':
        inputs = _in_channels_last(model, inputs)
    elif variant.form == 'fast':
        if not hasattr(model, 'for_inference'):
            raise ValueError(f'{type(model).__name__} has no for_inference()')
        model = model.for_inference(variant.precision)
    elif variant.form == 'compile':
        model = _compiled(model.for_inference(portable=True) if hasattr(model, 'for_inference') else model)

    @torch.inference_mode()
    def step() -> Tensor:
        return model(inputs, mode='tensor')
    return step


def training_step(variant: Variant, model: nn.Module, batch: int, size: int, seed: int) -> Step:
    """Make a call that does what an iteration does before the optimiser: losses, backward, gradients to zero.

    Args:
        variant: of :data:`VARIANTS`.
        model: on its device.
        batch, size: of inputs and labels, pairs and px.
        seed: of inputs and labels.

    Raises:
        ValueError: the network has no such form.
    """
    device = next(model.parameters()).device
    inputs = random_inputs(model, batch, size, seed).to(device)
    labels = [sample.to(device) for sample in random_labels(model, batch, size, seed)]
    model.train()
    _set_recompute(model, variant.recompute)
    if variant.form == 'plain':
        _make_plain(model)
    else:
        inputs = _in_channels_last(model, inputs)
    forward = _compiled(model) if variant.form == 'compile' else model
    dtype = _DTYPES.get(variant.precision)
    scale = _LOSS_SCALE if variant.precision == 'fp16' else 1.0

    def step() -> Tensor:
        with torch.autocast(device.type, dtype) if dtype else contextlib.nullcontext():
            loss, _ = model.parse_losses(forward(inputs, labels, mode='loss'))
        (loss * scale).backward()
        model.zero_grad()
        return loss.detach()
    return step


def _compiled(model: nn.Module) -> Callable:
    torch._logging.set_logs(dynamo=logging.ERROR)  # it lists every place where the graph is cut
    return torch.compile(model)


def _make_plain(model: nn.Module) -> None:
    if is_siamese(model):
        model.extract_feat = lambda inputs: plain_features(model, inputs)


def _in_channels_last(model: nn.Module, inputs: Tensor) -> Tensor:
    """Ours does it itself."""
    if is_siamese(model):
        return inputs
    model.to(memory_format=torch.channels_last)
    return inputs.contiguous(memory_format=torch.channels_last)


def _set_recompute(model: nn.Module, on: bool) -> None:
    parts = [module for module in model.modules() if hasattr(module, 'with_cp')]
    if on and not parts:
        raise ValueError(f'no part of {type(model).__name__} has with_cp')
    for part in parts:
        part.with_cp = on


def _export_and_open(backend: str, model: nn.Module, precision: str) -> Callable[[Tensor], Tensor]:
    """Export to a temporary file and open it with torch's number of threads; the call returns probabilities."""
    from schanger_mm.deploy.card import Card
    from schanger_mm.deploy.formats import write_onnx
    from schanger_mm.deploy.graph import PairGraph, trace
    from schanger_mm.deploy.open import open_runtime
    if dates(model) != 2:
        raise ValueError('only networks for two dates can be exported')
    model.data_preprocessor = BiTemporalPreProcessor(mean=[0.0] * 6, std=[1.0] * 6, bgr_to_rgb=True)
    graph = PairGraph(model, normalise=False)
    card = Card(inputs=graph.INPUTS, classes=('unchanged', 'changed'), mean=((0.0, ) * 3, ) * 2,
                std=((1.0, ) * 3, ) * 2, normalisation='inside',  # so that the runtime leaves its inputs alone
                threshold=0.5, tile=256, fixed_size=False, gsd=None, align_corners=True, config='', checkpoint='',
                checkpoint_sha256='', versions={})
    with tempfile.TemporaryDirectory(prefix='benchmark-') as folder:
        path = Path(folder) / 'network.onnx'
        write_onnx(trace(graph), path, card, {})
        runtime = open_runtime(path, backend, threads=torch.get_num_threads(), precision=precision)
    return lambda inputs: torch.from_numpy(runtime(*inputs.chunk(2, dim=1)))
