"""A checkpoint that has been read; it is passed on instead of its path, so that a command reads the file once."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from schanger_mm.checkpoints.errors import CheckpointError
from schanger_mm.checkpoints.values import config_values

STATE = 'state_dict'


@dataclass(frozen=True)
class Checkpoint:
    """The content of a file when it was read.

    Args:
        path: the file.
        content: tensors, numbers, texts and containers of them.
        sha256: of the bytes that were read.
        stamp: device, inode, size and time of the file; see :func:`stamp_of`.
        name: the model that the file belongs to, such as ``hf://org/name@COMMIT``; empty for a file by itself.
        note: why it has no config, if that is known.
    """

    path: Path
    content: dict
    sha256: str
    stamp: tuple[int, ...]
    name: str = ''
    note: str = ''

    @property
    def label(self) -> str:
        """Return what to call it in messages and reports: the model, or the path of the file."""
        return self.name or str(self.path)

    @property
    def weights(self) -> dict[str, Tensor]:
        """Return the state dict.

        Raises:
            CheckpointError: it holds something other than tensors by name.
        """
        state = self.content.get(STATE, self.content)
        if not isinstance(state, Mapping) or not state or not all(isinstance(v, Tensor) for v in state.values()):
            raise CheckpointError(f"{self.path}: expected a dict of tensors, or {{'{STATE}': ...}}.")
        return dict(state)

    @property
    def meta(self) -> dict:
        """Return the metadata that mmengine writes: iteration, config text, classes; empty if there are none."""
        meta = self.content.get('meta')
        return meta if isinstance(meta, dict) else {}

    @property
    def has_config(self) -> bool:
        """Return whether it holds the text of a config."""
        return isinstance(self.meta.get('cfg'), str)

    def config(self) -> dict:
        """Read the values of the config it was trained with, without executing it; empty if there is none.

        Raises:
            CheckpointError: the config contains more than plain values.
        """
        try:
            return config_values(self.meta['cfg']) if self.has_config else {}
        except ValueError as error:
            raise CheckpointError(f'{self.path}: its config is not made of plain values ({error}), and a checkpoint '
                                  'must not run code') from error

    def config_if_plain(self) -> dict:
        """Return the values of its config; empty if there is none or it cannot be read without executing it."""
        try:
            return self.config()
        except CheckpointError:
            return {}

    def is_current(self) -> bool:
        """Return whether the path still points to the file that was read, unchanged."""
        try:
            return stamp_of(os.stat(self.path)) == self.stamp
        except OSError:
            return False


def stamp_of(stat: os.stat_result) -> tuple[int, ...]:
    """Return values that distinguish two files, or two states of one, without reading them."""
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns
