"""The blocks of a scene one after the other in this process, with reading in the background."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from schanger_mm.scene.block import Network, blend_block, name_of, quantise
from schanger_mm.scene.plan import Block, Plan
from schanger_mm.scene.progress import Clock
from schanger_mm.scene.source import PairSpec, PairWindow, open_pair


def run_serial(blocks: Sequence[Block], spec: PairSpec, plan: Plan, model: Network, batch_size: int, threshold: float,
               clock: Clock, progress: Callable[[int], None] = lambda count: None
               ) -> Iterator[tuple[Block, np.ndarray]]:
    """Yield each block with what :func:`predict_block` returns for it.

    While the network works on a block, a thread reads the next one; two
    blocks of pixels are in memory at a time.

    Args:
        blocks: what to predict, in this order.
        spec: the pair; opened by the reading thread.
        plan: of the scene.
        model: the network.
        batch_size: windows per forward pass.
        threshold: as for :func:`predict_block`.
        clock: gets the seconds of 'reading', 'waiting' and 'network'.
        progress: called with the number of windows after each forward pass.
    """
    timed = _Timed(model, clock, progress)
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
                probability = blend_block(pair, plan, block, timed, batch_size)
                del pair  # or three blocks would be in memory
                yield block, quantise(probability, threshold)
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
