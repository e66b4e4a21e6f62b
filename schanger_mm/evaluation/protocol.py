"""The authors' evaluation protocol, and how a test differs from it."""

from __future__ import annotations

from dataclasses import dataclass

from mmengine.model import BaseTTAModel, is_model_wrapper
from mmengine.runner import Runner

from schanger_mm.evaluation.report import TILE

AUTHORS = f'{TILE} px tiles, no TTA, threshold 0.5'
TILES = dict(mode='slide', crop_size=(TILE, TILE), stride=(TILE, TILE))


@dataclass(frozen=True)
class Protocol:
    """How images are predicted.

    The authors score non-overlapping 256 px tiles, not resized, without
    test-time augmentation; changed is a probability above 0.5. Images whose
    sides are not multiples of 256 are covered by tiles that overlap at the
    bottom and right.

    Args:
        window: height and width of the sliding window in px, None for whole images.
        stride: its steps down and right in px.
        tta: description of test-time augmentation; empty without it.
        resized: a test transform resizes the images.
        threshold: probability above which a pixel is changed.
    """

    window: tuple[int, int] | None
    stride: tuple[int, int] | None
    tta: str
    resized: bool
    threshold: float

    @classmethod
    def of(cls, runner: Runner) -> Protocol:
        """Read it from the network and the config of a runner."""
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        tta = isinstance(model, BaseTTAModel)
        network = model.module if tta else model
        slide = network.test_cfg if network.test_cfg.get('mode') == 'slide' else {}
        pipeline = runner.cfg.test_dataloader.dataset.get('pipeline')
        return cls(
            window=tuple(slide['crop_size']) if slide else None,
            stride=tuple(slide['stride']) if slide else None,
            tta=(runner.cfg.get('tta_cfg') or {}).get('words', 'TTA') if tta else '',
            resized=not tta and 'Resize' in str(pipeline),  # nested in other transforms, too
            # with two channels, the larger one is above 0.5
            threshold=network.decode_head.threshold if network.out_channels == 1 else 0.5)

    def describe(self, tiles: int, images: int) -> str:
        """Say whether this is the authors' protocol on ``images`` images with ``tiles`` 256 px tiles in total."""
        differs = []
        one_tile_each = tiles == images  # then there is one window, and the whole image is the tile
        if self.window is None:
            differs += [] if one_tile_each else ['whole images']
        elif self.window != (TILE, TILE) or (self.stride != (TILE, TILE) and not one_tile_each):
            differs.append(f'windows of {_size(self.window)} px every {_size(self.stride)} px')
        if self.tta:
            differs.append(self.tta)
        if self.resized:
            differs.append('resized images')
        if self.threshold != 0.5:
            differs.append(f'threshold {self.threshold}')
        return f"not the authors' ({AUTHORS}): {', '.join(differs)}" if differs else f"authors' ({AUTHORS})"


def _size(sides: tuple[int, int] | None) -> str:
    return ' x '.join(map(str, dict.fromkeys(sides or ())))
