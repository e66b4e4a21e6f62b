"""DINOv2, a Vision Transformer pre-trained without labels, over transformers' ``Dinov2Backbone``."""

from __future__ import annotations

import re
from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.fx.experimental.symbolic_shapes import statically_known_true
from torch.nn import functional as F

from schanger_mm.registry import MODELS
from schanger_mm.utils.errors import SettingError
from schanger_mm.utils.optional import require

ARCHS = {
    'small': dict(hidden_size=384, num_hidden_layers=12, num_attention_heads=6),
    'base': dict(hidden_size=768, num_hidden_layers=12, num_attention_heads=12),
    'large': dict(hidden_size=1024, num_hidden_layers=24, num_attention_heads=16),
}
"""The published sizes, ``facebook/dinov2-{small,base,large}``; all have positions for images of 518 px."""
SIZES = ('hidden_size', 'num_hidden_layers', 'num_attention_heads', 'mlp_ratio', 'image_size', 'patch_size',
         'num_channels')
RATES = ('layerscale_value', 'drop_path_rate', 'layer_norm_eps')
SETTINGS = (*SIZES, *RATES, 'qkv_bias')
"""What ``arch`` may set. Others could choose an implementation that transformers fetches from the hub and runs."""
PUBLISHED = {'attention.attention.query': 'attention.q_proj', 'attention.attention.key': 'attention.k_proj',
             'attention.attention.value': 'attention.v_proj', 'attention.output.dense': 'attention.o_proj'}
"""Names in published files, and what transformers calls these modules since 5.18."""


@MODELS.register_module()
class DINOv2(BaseModule):
    """Vision Transformer with patches of 14 px; the maps of several blocks, all of one size.

    Images of any size: they are padded at the bottom and right to whole
    patches, and the maps are resampled so that they cover the image and not
    what was padded. Building it reads no file and fetches nothing; weights
    come from ``init_cfg=dict(type='Pretrained', checkpoint=...)``: a
    ``.safetensors`` file or ``hf://org/name``. Entries of its state dict have the
    names of the published files, which transformers' ``from_pretrained`` reads.

    Source: Oquab et al., "DINOv2", arXiv 2304.07193.

    Args:
        arch: ``'small'``, ``'base'`` or ``'large'``, or a dict with some of
            :data:`SETTINGS`, named as in ``Dinov2Config``.
        out_indices: blocks whose maps are returned, counted from 0.
        stride: of the maps, in pixels of the image; None: that of the patches.
        norm: apply the last layer norm to every map, as transformers does.
        frozen: weights do not change, and all of it stays in eval mode.
        init_cfg: mmengine initialisation.

    Raises:
        MissingPackageError: transformers is not installed.
        SettingError: an unknown size or setting, a value of the wrong kind, or a block that does not exist.
    """

    def __init__(self,
                 arch: str | Mapping[str, Any] = 'base',
                 out_indices: Sequence[int] = (2, 5, 8, 11),
                 stride: int | None = None,
                 norm: bool = True,
                 frozen: bool = False,
                 init_cfg: dict | None = None):
        super().__init__(init_cfg)
        settings = _settings(arch)
        transformers = require('transformers', 'dino', 'The DINOv2 backbone')
        config = transformers.Dinov2Config(**settings, attn_implementation='sdpa')
        network = transformers.Dinov2Backbone(config)
        layers = config.num_hidden_layers
        if not out_indices or not all(isinstance(index, int) and 0 <= index < layers for index in out_indices):
            raise SettingError(f'DINOv2: out_indices={tuple(out_indices)}; expected blocks from 0 to {layers - 1}.')
        self.embeddings, self.encoder, self.layernorm = network.embeddings, network.encoder, network.layernorm
        self.patch = int(config.patch_size)
        self.stride = self.patch if stride is None else stride
        if self.stride < 1:
            raise SettingError(f'DINOv2: stride={stride}; expected pixels, 1 or more, or None.')
        self.out_indices, self.norm, self.frozen = sorted(out_indices), norm, frozen
        self.out_channels = [config.hidden_size] * len(self.out_indices)
        if frozen:
            self.requires_grad_(False).eval()
        else:
            unused = (self.embeddings.mask_token, *self.encoder.layer[max(out_indices) + 1:].parameters(),
                      *(() if norm else self.layernorm.parameters()))
            for parameter in unused:  # several processes would wait for their gradients
                if parameter is not None:
                    parameter.requires_grad_(False)
        self.register_state_dict_post_hook(_publish_names)
        self.register_load_state_dict_pre_hook(_read_published_names)

    def init_weights(self) -> None:
        """Keep transformers' initialisation, unless ``init_cfg`` says otherwise."""
        if self.init_cfg:
            super().init_weights()
        self._is_init = True

    def train(self, mode: bool = True) -> DINOv2:
        """Switch to training mode; a frozen backbone stays in eval mode."""
        return super().train(mode and not self.frozen)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Encode images ``(N, 3, H, W)`` of any size.

        Returns:
            A map ``(N, hidden_size, ceil(H / stride), ceil(W / stride))`` for each of ``out_indices``.
        """
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            return tuple(self._encode(x))

    def _encode(self, x: Tensor) -> list[Tensor]:
        height, width = x.shape[-2:]
        patches = self.embeddings.patch_embeddings.projection(self._pad(self._pad(x, 2), 3))
        rows, columns = patches.shape[-2:]
        tokens = patches.flatten(2).transpose(1, 2) + self._positions(rows, columns)
        first = self.embeddings.cls_token + self.embeddings.position_embeddings[:, :1]
        tokens = torch.cat([first.expand(tokens.shape[0], -1, -1), tokens], dim=1)
        found = []
        for index, layer in enumerate(self.encoder.layer[:self.out_indices[-1] + 1]):
            tokens = layer(tokens)
            if index in self.out_indices:
                level = (self.layernorm(tokens) if self.norm else tokens)[:, 1:]
                level = level.transpose(1, 2).unflatten(2, (rows, columns))
                found.append(self._cover(self._cover(level, 2, height), 3, width))
        return found

    def _pad(self, x: Tensor, dim: int) -> Tensor:
        """Repeat the last row or column up to whole patches; gathered, so that any size can be traced."""
        size = x.shape[dim]
        if statically_known_true(size % self.patch == 0):
            return x
        whole = (size + self.patch - 1) // self.patch * self.patch
        return x.index_select(dim, torch.arange(whole, device=x.device).clamp(max=size - 1))

    def _positions(self, rows: int, columns: int) -> Tensor:
        """Resample the learned positions to the patches, ``(1, rows * columns, C)``; bicubic, in float32."""
        known = self.embeddings.position_embeddings[:, 1:].transpose(1, 2)
        side = round(known.shape[-1] ** 0.5)
        kind = known.dtype if known.dtype == torch.float64 else torch.float32
        grid = known.unflatten(2, (side, side)).to(kind)
        resampled = F.interpolate(grid, size=(rows, columns), mode='bicubic', align_corners=False)
        return resampled.flatten(2).transpose(1, 2).to(known.dtype)

    def _cover(self, level: Tensor, dim: int, size: int) -> Tensor:
        """Resample one axis linearly, from patches that cover the padded image to cells that cover ``size`` pixels."""
        if self.stride == self.patch and statically_known_true(size % self.patch == 0):
            return level
        cells = (size + self.stride - 1) // self.stride
        centre = (torch.arange(cells, device=level.device, dtype=torch.float32) + 0.5) * size
        place = (centre / (cells * self.patch) - 0.5).clamp(min=0)
        low = place.floor()
        share = (place - low).to(level.dtype)[:, None]
        share = share if dim == 2 else share.transpose(0, 1)
        last, start = level.shape[dim] - 1, low.long()
        before, after = (level.index_select(dim, index.clamp(max=last)) for index in (start, start + 1))
        return before + (after - before) * share


def _settings(arch: str | Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a size or of a dict.

    Raises:
        SettingError: a name is unknown, or a value is none of its kind.
    """
    if isinstance(arch, str):
        if arch not in ARCHS:
            raise SettingError(f'DINOv2: arch={arch!r}; expected one of {", ".join(ARCHS)}, or a dict.')
        return dict(ARCHS[arch], image_size=518)
    settings = {**ARCHS['base'], 'image_size': 518, 'patch_size': 14, **arch}
    for name, value in settings.items():
        if name not in SETTINGS:
            raise SettingError(f'DINOv2: arch has the setting {name!r}; expected some of {", ".join(SETTINGS)}.')
        if name in SIZES:
            fits, expected = type(value) is int and value > 0, 'a whole number above 0'
        elif name in RATES:
            fits, expected = type(value) in (int, float) and 0 <= value < float('inf'), 'a number, 0 or more'
        else:
            fits, expected = type(value) is bool, 'True or False'
        if not fits:
            raise SettingError(f'DINOv2: arch.{name}={value!r}; expected {expected}.')
    for whole, part in (('hidden_size', 'num_attention_heads'), ('image_size', 'patch_size')):
        if settings[whole] % settings[part]:
            raise SettingError(f'DINOv2: arch.{whole}={settings[whole]}; expected a multiple of {part}, '
                               f'{settings[part]}.')
    return settings


def _publish_names(module: nn.Module, state: MutableMapping[str, Tensor], prefix: str, _: object) -> None:
    _rename(state, prefix, {own: published for published, own in PUBLISHED.items()})


def _read_published_names(module: nn.Module, state: MutableMapping[str, Tensor], prefix: str, *_: object) -> None:
    _rename(state, prefix, PUBLISHED)


def _rename(state: MutableMapping[str, Tensor], prefix: str, names: Mapping[str, str]) -> None:
    """Change the names of a state dict in place, below ``prefix``; the order of its entries stays."""
    pattern = re.compile(rf'{re.escape(prefix)}encoder\.layer\.\d+\.({"|".join(map(re.escape, names))})\.\w+')
    for name in list(state):
        match = pattern.fullmatch(name)
        value = state.pop(name)
        state[name[:match.start(1)] + names[match[1]] + name[match.end(1):] if match else name] = value
