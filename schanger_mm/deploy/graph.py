"""The computation that is exported: images in, probabilities out, any size."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from schanger_mm.deploy.errors import DeployError
from schanger_mm.deploy.fusion import FORMS_TO_EXPORT
from schanger_mm.models.inference import example_images, inference_form
from schanger_mm.utils.band_order import COLOUR_BANDS


class PairGraph(nn.Module):
    """Map two images to the probability of change.

    Args:
        network: a trained detector for two dates; it is copied.
        normalise: take values in 0..255 and normalise them per date; otherwise take normalised values.
        temperature: number by which logits are divided.

    Raises:
        InferenceFormError: a part of the network computes something other than the form that is exported.
    """

    INPUTS: tuple[str, ...] = ('before', 'after')

    def __init__(self, network: nn.Module, normalise: bool, temperature: float = 1.0):
        super().__init__()
        preprocessor = network.data_preprocessor
        self.divisor = getattr(network, 'size_divisor', 1)
        self.normalise, self.temperature = normalise, temperature
        self.bands = preprocessor.mean.numel() // 2
        # three bands come as R, G, B, and in training as B, G, R; others in one order
        self.flip = bool(preprocessor.bgr_to_rgb) != (self.bands == COLOUR_BANDS)
        example = example_images(2 * self.bands, self.divisor)
        self.network = inference_form(network, example, portable=True, forms=FORMS_TO_EXPORT)
        self.network.data_preprocessor = None
        self.register_buffer('mean', preprocessor.mean.detach().float().cpu().clone())
        self.register_buffer('std', preprocessor.std.detach().float().cpu().clone())

    def forward(self, before: Tensor, after: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Predict a pair: two ``(N, C, H, W)`` float32, RGB if C is 3, to ``(N, 1, H, W)`` in 0..1.

        With K classes also to their probabilities before and after, ``(N, K, H, W)`` each.
        """
        return self.predict(torch.cat([before, after], dim=1))

    def predict(self, images: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Map ``(N, 2C, H, W)``, the earlier date's bands first, to what :meth:`forward` returns."""
        height, width = images.shape[-2:]
        if self.flip:
            images = torch.cat([date.flip(1) for date in images.chunk(2, dim=1)], dim=1)
        x = self._pad(self._pad(images, 2), 3)
        if self.normalise:
            x = (x - self.mean) / self.std
        logits = self.network.decode_head(self.network.extract_feat(x))
        logits, *classes = logits.values() if isinstance(logits, dict) else [logits]
        logits = self._resize(logits, x)
        if self.temperature != 1:
            logits = logits / self.temperature
        probability = logits.sigmoid() if logits.shape[1] == 1 else logits.softmax(dim=1)[:, 1:]
        found = [probability, *(self._resize(one, x).softmax(dim=1) for one in classes)]
        found = [one[..., :height, :width] for one in found]
        return tuple(found) if classes else found[0]

    def _resize(self, logits: Tensor, x: Tensor) -> Tensor:
        if logits.shape[-2:] == x.shape[-2:]:
            return logits
        return F.interpolate(logits, size=x.shape[-2:], mode='bilinear',
                             align_corners=self.network.decode_head.align_corners)

    def _pad(self, x: Tensor, dim: int) -> Tensor:
        """Repeat the last row or column up to a multiple of the divisor.

        The padded size is read from a tensor: a tracer then treats it as a new
        number that is known to be a multiple, whereas it would otherwise be
        tied to the size of the example.
        """
        size = x.shape[dim]
        if self.divisor == 1 or (isinstance(size, int) and size % self.divisor == 0):
            return x
        steps = torch.scalar_tensor((size + self.divisor - 1) // self.divisor, dtype=torch.int64).item()
        torch._check(steps >= 1)
        return x.index_select(dim, torch.arange(steps * self.divisor, device=x.device).clamp(max=size - 1))


def trace(graph: PairGraph) -> torch.export.ExportedProgram:
    """Trace a graph for any batch and any height and width.

    Raises:
        DeployError: the network's computation depends on its input in a way that cannot be traced.
    """
    examples = tuple(torch.zeros(2, graph.bands, 50, 70) for _ in graph.INPUTS)
    dims = {dim: torch.export.Dim(name) for dim, name in ((0, 'batch'), (2, 'height'), (3, 'width'))}
    try:
        with torch.no_grad():
            return torch.export.export(graph.eval(), examples, dynamic_shapes=(dims, ) * len(examples), strict=False)
    except RuntimeError as error:
        lines = str(error).strip().splitlines()
        raise DeployError(f'torch.export cannot trace {type(graph.network).__name__} ({type(error).__name__}: '
                          f'{lines[0] if lines else ""}); its parts must be ordinary operators on any size.') from error

