"""The interface of all backends: a single call, and its checks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from schanger_mm.deploy.card import Card, read_card
from schanger_mm.deploy.errors import DeployError, failed

DATES = ('before', 'after')
TOLERANCE = 1e-3
"""How far rounding may move a probability outside 0..1."""


class Semantic(NamedTuple):
    """What a network with classes predicts.

    Args:
        probability: ``(N, H, W)`` float32 probability of change.
        before, after: ``(N, K, H, W)`` float32 probabilities of the classes of each date, changed or not.
    """

    probability: np.ndarray
    before: np.ndarray
    after: np.ndarray

    def classes(self, date: str) -> np.ndarray:
        """Return the most probable class of each pixel ``before`` or ``after``, ``(N, H, W)`` uint8 from 0."""
        return getattr(self, date).argmax(axis=1).astype(np.uint8)


class Runtime(ABC):
    """An exported network, loaded once. All formats and variants are called in the same way.

    Args:
        path: the file.

    Attributes:
        card: metadata of the file.
        bands: number of bands of each date.
        program: name of the runtime, for messages.

    Raises:
        DeployError: the file is missing, damaged, or not an export of this project.
    """

    program: str

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.card: Card = read_card(path)
        self.bands = self.card.count

    def __call__(self, before: Any = None, after: Any = None) -> np.ndarray:
        """Predict pairs.

        Args:
            before, after: ``(N, C, H, W)`` float32 in 0..255, numpy or
                torch, earlier date first; RGB where there are three bands,
                otherwise in the order of the training; if the file expects normalised
                values, they are normalised here. Any H and W, unless the file
                has a fixed size.

        Returns:
            ``(N, H, W)`` float32 probability of change; :meth:`semantic` also returns classes.

        Raises:
            DeployError: a date is missing, images have another type or shape, or the
                file does not run or yields something other than probabilities.
        """
        return self._predict(before, after)[0]

    def semantic(self, before: Any = None, after: Any = None) -> Semantic:
        """Predict pairs as a call does, with the classes of both dates, which ``card.semantic_classes`` names.

        Raises:
            DeployError: the network has no classes; or as for a call.
        """
        if not self.card.semantic_classes:
            raise DeployError(f'{self.path}: this network predicts change only; export one that was trained with '
                              '`semantic` of the decode head for classes.')
        return Semantic(*self._predict(before, after))

    def _predict(self, before: Any, after: Any) -> list[np.ndarray]:
        """Return the probability of change ``(N, H, W)``, and those of the classes, if there are any."""
        images = [self._checked('before', before), self._checked('after', after)]
        if images[0].shape != images[1].shape:
            raise DeployError(f'before is {_words(images[0].shape)}, after {_words(images[1].shape)}; expected one '
                              'number of images and one size.')
        height, width = images[0].shape[-2:]
        if self.card.fixed_size and (height, width) != (self.card.tile, self.card.tile):
            raise DeployError(f'{self.path} was exported for tiles of {self.card.tile} x {self.card.tile} px, found '
                              f'{height} x {width}; cut the images into such tiles.')
        images = self.card.prepare(*images)
        shape = images[0].shape
        try:
            results = self._run([np.ascontiguousarray(x) for x in images])
        except Exception as error:  # each runtime has its own error types
            raise failed(self.path, self.program, shape, error) from error
        channels = [1, *([len(self.card.semantic_classes)] * 2 if self.card.semantic_classes else [])]
        results = [results] if isinstance(results, np.ndarray) else list(results)
        if len(results) != len(channels):
            raise DeployError(f'{self.path}: it has {len(results)} outputs; expected {len(channels)}. It is not an '
                              'export of this project, or was changed: export the checkpoint again.')
        for result, count in zip(results, channels):
            self._check_result(result, (shape[0], count, height, width))
        return [results[0][:, 0], *results[1:]]

    @abstractmethod
    def _run(self, images: list[np.ndarray]) -> np.ndarray | Sequence[np.ndarray]:
        """Map the file's inputs to ``(N, 1, H, W)``, or with K classes to a list: this and two ``(N, K, H, W)``."""

    def _check_result(self, result: Any, shape: tuple[int, ...]) -> None:
        if not isinstance(result, np.ndarray) or result.dtype != np.float32 or result.shape != shape:
            found = (f'{result.dtype} of shape {result.shape}' if isinstance(result, np.ndarray)
                     else f'a {type(result).__name__}')
            raise DeployError(f'{self.path}: its output is {found}; expected float32 probabilities of shape {shape}. '
                              'It is not an export of this project, or was changed: export the checkpoint again.')
        least, most = result.min(), result.max()  # nan if any value is
        if not (least >= -TOLERANCE and most <= 1 + TOLERANCE):
            raise DeployError(f'{self.path}: its output goes from {least:.3g} to {most:.3g}; expected probabilities in '
                              '0..1. Its weights are damaged, or it was changed: export the checkpoint again.')

    def _checked(self, name: str, image: Any) -> np.ndarray:
        if image is None:
            raise DeployError(f'{name}: the image of this date is missing; {self.path} compares two dates.')
        if hasattr(image, 'detach'):  # a tensor; this module works without torch
            image = image.detach().cpu().numpy()
        if not isinstance(image, np.ndarray) or image.dtype != np.float32:
            raise DeployError(f'{name}: expected a float32 array or tensor in 0..255, found '
                              f'{getattr(image, "dtype", type(image).__name__)}.')
        if image.ndim != 4 or image.shape[1] != self.bands or 0 in image.shape:
            raise DeployError(f'{name}: expected (N, {self.bands}, H, W) with at least one image and pixel, found '
                              f'{image.shape}.')
        return image


def _words(shape: tuple[int, ...]) -> str:
    return f'{shape[0]} x {shape[2]} x {shape[3]} px'
