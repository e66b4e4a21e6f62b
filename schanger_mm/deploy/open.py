"""Open an exported file with the backend for its format, or the one that the user chooses."""

from __future__ import annotations

from pathlib import Path

from schanger_mm.deploy.backends import OnnxRuntime, OpenVinoRuntime
from schanger_mm.deploy.card import backend_of
from schanger_mm.deploy.errors import DeployError
from schanger_mm.deploy.runtime import Runtime

TAKES = dict(onnx=('onnx', ), openvino=('openvino', 'onnx'))
"""Formats that each backend can run."""


def check_format(path: str | Path) -> str:
    """Return the format of a file that can be run here, ``'onnx'`` or ``'openvino'``, by its suffix.

    Raises:
        DeployError: it is a ``.pt2``, which is never loaded, or not an export.
    """
    own = backend_of(path)
    if own is None:
        raise DeployError(f'{path}: expected an exported network that ends in .onnx or .xml; `schanger export` makes '
                          'one from a checkpoint.')
    if own not in TAKES:
        raise DeployError(f'{path}: .pt2 files are written for other programs and not run here, because PyTorch runs '
                          'code from them when it loads them. Use the same network as .onnx or .xml (`schanger export` '
                          '--format onnx), or its checkpoint.')
    return own


def open_runtime(path: str | Path, backend: str | None = None, device: str = 'cpu', threads: int | None = None,
                 precision: str = 'fp32') -> Runtime:
    """Load an exported file.

    Args:
        path: ``.onnx`` or ``.xml``.
        backend: ``'onnx'`` or ``'openvino'`` (which runs ``.onnx`` files too); None: by suffix.
        device: ``'cpu'`` or, except with OpenVINO, ``'cuda:N'``.
        threads: number of CPU threads; None: the backend's default.
        precision: ``'fp32'``, or with OpenVINO ``'bf16'``.

    Raises:
        MissingPackageError: the backend is not installed.
        DeployError: the file is not an export of this project, or is a ``.pt2``, or the backend lacks a feature.
    """
    own = check_format(path)
    backend = backend or own
    if own not in TAKES.get(backend, ()):
        raise DeployError(f'{path} is a file for the backend {own}; {backend} cannot run it.')
    if precision != 'fp32' and backend != 'openvino':
        raise DeployError(f'precision {precision!r}: only the backend openvino has it, not {backend}.')
    if backend == 'openvino':
        if device != 'cpu':
            raise DeployError(f'{path} on {device}: OpenVINO runs on the CPU; choose another format or device.')
        return OpenVinoRuntime(path, threads, precision)
    return OnnxRuntime(path, device, threads)
