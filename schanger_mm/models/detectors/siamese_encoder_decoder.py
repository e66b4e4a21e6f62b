"""The Siamese detector: one encoder for both dates, an optional neck, one decode head."""

from __future__ import annotations

import inspect
from collections.abc import Sequence

import torch
from mmseg.models.segmentors import EncoderDecoder
from torch import Tensor, nn
from torch.nn import functional as F

from schanger_mm.models.detectors.semantic_outputs import SemanticOutputs
from schanger_mm.models.inference import example_images, inference_form
from schanger_mm.models.layers import DateMaps, set_dates
from schanger_mm.registry import MODELS
from schanger_mm.utils.errors import SettingError

PRECISIONS = {'fp32': torch.float32, 'bf16': torch.bfloat16, 'fp16': torch.float16}


@MODELS.register_module()
class SiameseEncoderDecoder(SemanticOutputs, EncoderDecoder):
    """mmseg's :class:`EncoderDecoder` for image pairs, with shared weights for the dates.

    The input's channels are split into dates, each runs through the backbone,
    then ``neck(feats_from, feats_to)`` joins them. Where backbone and head
    allow it, both dates run in one batch in training and on a GPU, each with
    batch norm's statistics of its own, as if one ran after the other. Without a neck each level's
    dates are concatenated on channels, date A first, or handed over as a pair
    to a head that says ``accepts_pairs``. With ``num_dates=1`` it is an
    ordinary segmentor, which is how the network is pre-trained.

    Any image size works in prediction: the input is padded at the bottom and
    right to a multiple of ``size_divisor`` and the logits are cropped back.

    A head with classes (``semantic``) adds the classes of each date to the predictions, see
    :meth:`SemanticOutputs.postprocess_result`; ``mode='tensor'`` then returns the head's dict.

    Args:
        backbone: config of the backbone, built once.
        decode_head: config of the head.
        num_dates: 2 for change detection, 1 for single images.
        size_divisor: the sides that the network needs are multiples of it; by default what the backbone says,
            or 16.
        **kwargs: those of mmseg's :class:`EncoderDecoder`.
    """

    def __init__(self, backbone: dict, decode_head: dict, num_dates: int = 2, size_divisor: int | None = None,
                 **kwargs):
        super().__init__(backbone=backbone, decode_head=decode_head, **kwargs)
        if num_dates not in (1, 2):
            raise SettingError(f'SiameseEncoderDecoder: num_dates={num_dates}; expected 2 (change) or 1 (single date).')
        self.num_dates = num_dates
        self.semantic_classes = getattr(self.decode_head, 'semantic_classes', 0)
        if self.semantic_classes and num_dates != 2:
            raise SettingError('SiameseEncoderDecoder: num_dates=1, and the decode head has classes of two dates '
                               '(semantic); set num_dates=2.')
        self.bands = _bands(backbone, self.backbone)
        self.size_divisor = getattr(self.backbone, 'size_divisor', 16) if size_divisor is None else size_divisor
        self.precision = torch.float32
        self.joint = num_dates == 2 and getattr(self.backbone, 'joins_dates', False) and set_dates(self.backbone, 2)

    def for_inference(self, precision: str = 'fp32', portable: bool = False) -> SiameseEncoderDecoder:
        """Copy this network, with the weights it has now, into the form that predicts fast.

        In float32 it gives the same probabilities within 1e-5. It cannot be
        trained, and checkpoints do not fit it: load first, then convert. Each
        time it is compared with this network on a small random input.

        Args:
            precision: ``'fp32'``, ``'bf16'`` or, on a GPU, ``'fp16'``: type of
                weights and maps; logits are float32.
            portable: ordinary operators only, for export and compilation.

        Raises:
            SettingError: the precision is unknown, or float16 on a CPU.
            InferenceFormError: a part computes something else than its form, because one was changed without the other.
        """
        if precision not in PRECISIONS:
            raise SettingError(f'precision={precision!r}: expected one of {", ".join(PRECISIONS)}.')
        dtype = PRECISIONS[precision]
        if dtype == torch.float16 and next(self.parameters()).device.type == 'cpu':
            raise SettingError("precision='fp16': few CPUs compute in float16; use 'bf16' there, or a GPU.")
        model = inference_form(self, example_images(self.num_dates * self._find_bands(), self.size_divisor), portable)
        if dtype != torch.float32:
            for part in (model.backbone, *([model.neck] if model.with_neck else []), model.decode_head):
                part.to(dtype)
            model.precision = dtype
        return model

    def extract_feat(self, inputs: Tensor) -> Sequence[Tensor | tuple[Tensor, Tensor]]:
        """Encode a batch ``(N, num_dates * C, H, W)``, date A's channels first.

        Raises:
            SettingError: the batch is empty, or its channels are not those of as
                many dates as the network compares.
        """
        self._check(inputs)
        if self.precision != torch.float32:
            inputs = inputs.to(self.precision)
        # channels_last: the same numbers, 1.4 times as fast to train on a CPU
        if self.num_dates == 1:
            return super().extract_feat(inputs.contiguous(memory_format=torch.channels_last))
        joint = self.joint and (self.training or inputs.is_cuda)  # a CPU gains nothing, and takes twice the memory
        if joint:
            stacked = torch.cat(inputs.chunk(2, dim=1)).contiguous(memory_format=torch.channels_last)
            pairs = [DateMaps(level) for level in self.backbone(stacked)]
            feats_from, feats_to = zip(*pairs)
        else:
            feats_from, feats_to = (
                self.backbone(image.contiguous(memory_format=torch.channels_last)) for image in inputs.chunk(2, dim=1))
        if self.with_neck:
            return self.neck(feats_from, feats_to)
        if getattr(self.decode_head, 'accepts_pairs', False):
            return pairs if joint else list(zip(feats_from, feats_to))
        return [torch.cat(level, dim=1) for level in zip(feats_from, feats_to)]

    def predict(self, inputs: Tensor, data_samples: list | None = None) -> list:
        """Predict a batch ``(N, num_dates * C, H, W)`` of any height and width, as mmseg does.

        Raises:
            SettingError: as :meth:`extract_feat`; mmseg would look at the first image of an empty batch before.
        """
        self._check(inputs)
        return super().predict(inputs, data_samples)

    def _check(self, inputs: Tensor) -> None:
        """Refuse what no layer would word. Only sizes are looked at, so that the network can be traced."""
        if inputs.ndim != 4 or inputs.shape[0] == 0:
            raise SettingError(f'{type(self).__name__} got a batch of shape {tuple(inputs.shape)}; expected (N, '
                               'channels, height, width) with one image or more.')
        found = inputs.shape[1]
        if found % self.num_dates or self.bands not in (None, found // self.num_dates):
            expected = 'an even number' if self.bands is None else self.num_dates * self.bands
            which = (', date A first, then date B (PackBiTemporalInputs makes them)' if self.num_dates == 2 else
                     ' of one date, since num_dates=1')
            raise SettingError(f'{type(self).__name__} got {found} channels; expected {expected}{which}.')

    def _find_bands(self) -> int:
        """Return the bands of one date: those of the first convolution where the backbone does not say."""
        convs = (part for part in self.backbone.modules() if isinstance(part, nn.Conv2d))
        return self.bands or next((conv.in_channels for conv in convs), 3)

    def encode_decode(self, inputs: Tensor, batch_img_metas: list[dict]) -> Tensor:
        """Return logits ``(N, out_channels, H, W)`` for inputs of any height and width.

        With K classes there are ``2 K`` more channels, see :func:`split_logits`.
        """
        height, width = inputs.shape[-2:]
        bottom, right = -height % self.size_divisor, -width % self.size_divisor
        if bottom or right:
            inputs = F.pad(inputs, (0, right, 0, bottom), mode='replicate')
        metas = [dict(img_shape=inputs.shape[-2:])] * len(inputs)
        logits = super().encode_decode(inputs, metas)
        if self.semantic_classes:
            logits = torch.cat(list(logits.values()), dim=1)
        return logits[..., :height, :width].float()


def _bands(config: dict, backbone: nn.Module) -> int | None:
    """Return how many bands a backbone takes, None if it does not say."""
    default = inspect.signature(type(backbone)).parameters.get('in_channels')
    bands = config.get('in_channels', default and default.default)
    return bands if isinstance(bands, int) else None
