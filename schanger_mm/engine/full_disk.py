"""A disk that is full while a log line is written costs the line, not the training."""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Callable
from functools import wraps
from typing import TextIO

from mmengine.visualization import Visualizer

from schanger_mm.utils.files import FULL

_LOSSES = (*FULL, errno.EPIPE)
_WRITERS = ('add_config', 'add_image', 'add_scalar', 'add_scalars')


def outlive_full_disk(logger: logging.Logger) -> None:
    """Let the handlers of a logger lose records that cannot be written, and say so once on the console.

    The streams do it, for mmengine also writes to them directly.
    """
    for handler in logger.handlers:
        if isinstance(handler, logging.StreamHandler) and not isinstance(handler.stream, _LosingStream):
            # not by setStream(), which flushes the old stream; a logger of the same second may keep a closed one
            handler.stream = _LosingStream(handler.stream, _Once(getattr(handler, 'baseFilename', 'stdout')))


def outlive_full_disk_drawing(visualizer: Visualizer) -> None:
    """Let the backends of a visualizer lose scalars and pictures that cannot be written, and say so once."""
    for name, backend in visualizer._vis_backends.items():
        warn = _Once(f'visualizer.vis_backends: {name}')
        for writer in _WRITERS:
            setattr(backend, writer, _losing(getattr(backend, writer), warn))


class _Once:
    """Warns of the first loss on the console; the log may be what cannot be written."""

    def __init__(self, what: str):
        self._what = what
        self._warned = False

    def __call__(self, error: OSError) -> None:
        if not self._warned and error.errno != errno.EPIPE:
            text = f'warning: {self._what}: {error.strerror}; records are lost until there is room. Training goes on.\n'
            try:
                os.write(2, text.encode())
            except OSError:  # the console is a file on the same disk
                return
        self._warned = True


class _LosingStream:
    """A stream that loses what cannot be written."""

    def __init__(self, stream: TextIO, warn: _Once):
        self._stream = stream
        self.write, self.flush, self.close = (_losing(getattr(stream, name), warn)
                                              for name in ('write', 'flush', 'close'))

    def __getattr__(self, name: str):
        return getattr(self._stream, name)


def _losing(write: Callable[..., None], warn: _Once) -> Callable[..., None]:
    @wraps(write)
    def losing(*args, **kwargs) -> None:
        try:
            write(*args, **kwargs)
        except OSError as error:
            if error.errno not in _LOSSES:
                raise
            warn(error)

    return losing
