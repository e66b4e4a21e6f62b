"""Predict the blocks of a scene one by one in this process, with reading in the background."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from schanger_mm.geo.errors import SceneError
from schanger_mm.geo.grid import Grid
from schanger_mm.geo.pair import PairSpec, PairWindow, open_pair
from schanger_mm.geo.reading import Reading
from schanger_mm.scene.block import Network, blend_block, name_of
from schanger_mm.scene.class_maps import SemanticNetwork, Stacked, classes_of, encode, split_maps, with_classes
from schanger_mm.scene.plan import Block, Plan
from schanger_mm.scene.progress import Clock
from schanger_mm.utils.band_order import COLOUR_BANDS


def run_serial(blocks: Sequence[Block], spec: PairSpec, plan: Plan, model: Network, batch_size: int, threshold: float,
               clock: Clock, progress: Callable[[int], None] = lambda count: None
               ) -> Iterator[tuple[Block, np.ndarray]]:
    """Yield each block with its result of :func:`~schanger_mm.scene.class_maps.predict_levels`.

    While the network works on a block, a thread reads the next one; two
    blocks of pixels are in memory at a time.

    Args:
        blocks: the blocks to predict, in this order.
        spec: the pair; opened by the reading thread.
        plan: of the scene.
        model: the network.
        batch_size: windows per forward pass.
        threshold: probability above which a pixel is changed.
        clock: gets the seconds of 'reading', 'waiting' and 'network'.
        progress: called with the number of windows after each forward pass.
    """
    classes, timed = len(classes_of(model)), _Timed(with_classes(model), clock, progress)
    with ThreadPoolExecutor(1, 'reader') as reader:  # one thread: the pair is opened, read and closed there
        source = reader.submit(open_pair, spec).result()

        def read(block: Block) -> PairWindow:
            with clock('reading'):
                return source.read(*plan.region(block))

        try:
            ahead = reader.submit(read, blocks[0]) if blocks else None
            for index, block in enumerate(blocks):
                with clock('waiting'):
                    pair = ahead.result()
                ahead = reader.submit(read, blocks[index + 1]) if index + 1 < len(blocks) else None
                maps = blend_block(pair, plan, block, timed, batch_size)
                del pair  # otherwise three blocks would be in memory
                yield block, encode(maps, threshold, classes)
        finally:
            reader.submit(source.close).result()


class _Timed:
    """A network that counts its time and its windows."""

    def __init__(self, model: Network, clock: Clock, progress: Callable[[int], None]):
        self._model, self._clock, self._progress = model, clock, progress
        self.weights = name_of(model)

    def predict(self, images: np.ndarray) -> np.ndarray:
        with self._clock('network'):
            result = self._model.predict(images)
        self._progress(len(images))
        return result


def predict_arrays(before: np.ndarray, after: np.ndarray, model: Network, window: int = 256, overlap: int = 128,
                   batch_size: int = 4) -> np.ndarray:
    """Predict two images as one block.

    Args:
        before, after: ``(H, W, C)`` uint8, RGB if C is 3; of a network that was trained on scaled values also float32,
            scaled to 0..255.
        model: the network.
        window, overlap, batch_size: as in :class:`schanger_mm.scene.run.Settings`.

    Returns:
        ``(H, W)`` float32 probability of change.

    Raises:
        SceneError: other arrays, or arrays of different size.
    """
    return _blend_arrays(before, after, model, window, overlap, batch_size)


def predict_semantic_arrays(before: np.ndarray, after: np.ndarray, model: SemanticNetwork, window: int = 256,
                            overlap: int = 128, batch_size: int = 4) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Predict two images as one block, with the classes of both dates.

    Arguments and errors are those of :func:`predict_arrays`.

    Returns:
        The probability of change ``(H, W)`` float32, and the most probable class of each pixel before and after,
        ``(H, W)`` uint8 from 0; probabilities of windows are averaged.
    """
    return split_maps(_blend_arrays(before, after, Stacked(model), window, overlap, batch_size))


def _blend_arrays(before: np.ndarray, after: np.ndarray, model: Network, window: int, overlap: int,
                  batch_size: int) -> np.ndarray:
    bands, scaled = getattr(model, 'bands', COLOUR_BANDS), getattr(model, 'reading', Reading()).scale is not None
    kinds = ('uint8', 'float32') if scaled else ('uint8', )
    for name, image in (('before', before), ('after', after)):
        if not isinstance(image, np.ndarray) or image.ndim != 3 or image.shape[2] != bands or image.dtype not in kinds:
            found = f'{image.shape} {image.dtype}' if isinstance(image, np.ndarray) else type(image).__name__
            raise SceneError(f'{name}: expected a (H, W, {bands}) {" or ".join(kinds)} array'
                             f'{" in RGB" if bands == COLOUR_BANDS else ""}, found {found}.')
    if before.shape != after.shape:
        raise SceneError(f'before is {before.shape[1]} x {before.shape[0]} px, after {after.shape[1]} x '
                         f'{after.shape[0]}; expected one size.')
    height, width = before.shape[:2]
    if not height or not width or batch_size < 1:
        raise SceneError(f'expected pixels and a batch_size of 1 or more, found {width} x {height} px and '
                         f'{batch_size}.')
    grid = Grid(width, height, (1.0, 0.0, 0.0, 0.0, 1.0, 0.0), None)
    plan = Plan(grid, max(window, width, height), window, window - overlap)
    images = np.stack([before, after]).transpose(0, 3, 1, 2).astype(np.float32)
    (block,) = plan.blocks()
    return blend_block(PairWindow(images, np.ones((height, width), bool)), plan, block, model, batch_size)
