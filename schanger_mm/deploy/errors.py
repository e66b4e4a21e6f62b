"""Errors about exported files."""

from __future__ import annotations

from pathlib import Path

from schanger_mm.utils.errors import UserError
from schanger_mm.utils.text import first_line


class DeployError(UserError, ValueError):
    """A network cannot be exported as requested, or an exported file cannot be run on the given input."""


def unusable(path: str | Path, program: str, error: Exception) -> DeployError:
    """Make an error for a file that ``program`` could not load, with the first line of its message."""
    said = first_line(error, 200) or 'no reason given'
    return DeployError(f'{path}: {program} cannot load it ({type(error).__name__}: {said}). It is damaged, changed, '
                       'or was written by other versions: export the checkpoint again.')


def failed(path: str | Path, program: str, shape: tuple[int, ...], error: Exception) -> DeployError:
    """Make an error for a file that ``program`` could not run on ``(N, C, H, W)``, with its message's first line."""
    said = first_line(error) or 'no reason given'
    return DeployError(f'{path}: {program} cannot run it on {shape[0]} pairs of {shape[2]} x {shape[3]} px '
                       f'({type(error).__name__}: {said}). It is damaged or was changed, or memory is short: export '
                       'the checkpoint again, or predict smaller windows.')
