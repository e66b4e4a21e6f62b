"""Mistakes around exported files."""

from __future__ import annotations

from pathlib import Path

from schanger_mm.wording import first_line


class DeployError(ValueError):
    """A network cannot be exported as asked, or an exported file cannot be run on what it was given."""


def unusable(path: str | Path, program: str, error: Exception) -> DeployError:
    """Word that ``program`` could not load a file, by the first line of what it says."""
    said = first_line(error, 200) or 'no reason given'
    return DeployError(f'{path}: {program} cannot load it ({type(error).__name__}: {said}). It is damaged, changed, '
                       'or was written by other versions: export the checkpoint again.')


def failed(path: str | Path, program: str, shape: tuple[int, ...], error: Exception) -> DeployError:
    """Word that ``program`` could not run a file on images ``(N, 3, H, W)``, by the first line of what it says."""
    said = first_line(error) or 'no reason given'
    return DeployError(f'{path}: {program} cannot run it on {shape[0]} pairs of {shape[2]} x {shape[3]} px '
                       f'({type(error).__name__}: {said}). It is damaged or was changed, or memory is short: export '
                       'the checkpoint again, or predict smaller windows.')
