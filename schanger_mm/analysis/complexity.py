"""Parameters and multiply-accumulates of a config's network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from mmengine.analysis import FlopAnalyzer, parameter_count
from mmengine.config import Config
from mmengine.registry import DefaultScope
from prettytable import PrettyTable
from torch import Tensor, nn

from schanger_mm.registry import MODELS, SCOPE

_DETECTOR = 'detector'
_PAPERS_BASE = (2_369_995, 256, 256)  # parameters, height, width


@dataclass(frozen=True)
class PartComplexity:
    """One part of a detector.

    Args:
        name: the part's name in the detector; ``total`` for all of it.
        parameters: learned numbers.
        conv_macs: multiply-accumulates of its convolutions.
        all_macs: the same plus what mmengine counts for norms (2 per element for
            batch norm, 5 for layer norm) and bilinear resizing (4 per element).
    """

    name: str
    parameters: int
    conv_macs: int
    all_macs: int


@dataclass(frozen=True)
class Complexity:
    """What one prediction costs.

    Args:
        dates: images of one input.
        shape: height and width asked for, in pixels.
        padded: height and width that the network works on.
        parts: the detector's parts, the last of them ``total``.
        uncounted: operations that enter neither count.
    """

    dates: int
    shape: tuple[int, int]
    padded: tuple[int, int]
    parts: list[PartComplexity]
    uncounted: list[str]

    @property
    def total(self) -> PartComplexity:
        """The whole detector."""
        return self.parts[-1]

    def __str__(self) -> str:
        table = PrettyTable(['part', 'parameters', 'convolutions (GMAC)', 'with norms and resizing (GMAC)'])
        table.align = 'r'
        table.align['part'] = 'l'
        for part in self.parts:
            if part is self.total:
                table.add_divider()
            table.add_row([part.name, f'{part.parameters:,}', f'{part.conv_macs / 1e9:.3f}',
                           f'{part.all_macs / 1e9:.3f}'])
        inputs = 'one pair' if self.dates == 2 else 'one image'
        height, width = self.padded
        padded = f', padded to {height} x {width}' if self.padded != self.shape else ''
        paper = ''
        if (self.total.parameters, *self.shape) == _PAPERS_BASE:
            paper = '\nThe SChanger paper prints 18.275 G for this network and size; ways of counting differ.'
        return (f'{inputs} of {self.shape[0]} x {self.shape[1]} px{padded}\n{table}\n'
                'One multiply-accumulate is two floating-point operations. Not counted: '
                f'{", ".join(self.uncounted)}.{paper}')


def count_complexity(cfg: Config, shape: Sequence[int] = (256, 256)) -> Complexity:
    """Count parameters and multiply-accumulates of one prediction, the window being the whole image.

    The detector is built from ``cfg.model`` and traced by mmengine's analysis
    in evaluation mode on zeros, one image per date; sides that are no
    multiples of the detector's ``size_divisor`` are rounded up, as it pads.

    Args:
        cfg: a config whose model is a detector with a decode head.
        shape: height and width in pixels; one number for both.

    Raises:
        ValueError: ``shape`` is no size, or the config has no such model.
    """
    if len(shape) not in (1, 2) or min(shape) < 1:
        raise ValueError(f'--shape {" ".join(map(str, shape))}: expected height and width in pixels, or one side.')
    height, width = shape[0], shape[-1]
    if not cfg.get('model') or 'decode_head' not in cfg.model:
        raise ValueError(f'{cfg.filename}: no model with a decode_head; expected a config of configs/schanger/.')
    with DefaultScope.overwrite_default_scope(SCOPE):
        detector = MODELS.build({key: value for key, value in cfg.model.items() if key != 'data_preprocessor'})
    dates, divisor = getattr(detector, 'num_dates', 1), getattr(detector, 'size_divisor', 1)
    padded = (height + -height % divisor, width + -width % divisor)
    bands = next(module.in_channels for module in detector.backbone.modules() if isinstance(module, nn.Conv2d))
    analyzer = FlopAnalyzer(_Forward(detector).eval(), (torch.zeros(1, dates * bands, *padded), ))
    analyzer.unsupported_ops_warnings(False).uncalled_modules_warnings(False).tracer_warnings('none')
    with torch.no_grad():  # nothing to keep for a backward pass
        macs = analyzer.by_module_and_operator()
    parameters = parameter_count(detector)

    def part(name: str, module: str, key: str) -> PartComplexity:
        counts = macs[module]
        return PartComplexity(name, parameters[key], int(counts['conv']), int(sum(counts.values())))

    parts = [part(name, f'{_DETECTOR}.{name}', name) for name, _ in detector.named_children() if parameters[name]]
    uncounted = sorted(name.removeprefix('aten::') for name in analyzer.unsupported_ops())
    return Complexity(dates, (height, width), padded, [*parts, part('total', '', '')], uncounted)


class _Forward(nn.Module):
    """Encoder, neck and head, each called as a module: mmseg calls ``decode_head.forward``, which the tracer misses."""

    def __init__(self, detector: nn.Module):
        super().__init__()
        self.add_module(_DETECTOR, detector)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.detector.decode_head(self.detector.extract_feat(inputs))
