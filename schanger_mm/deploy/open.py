"""Opening an exported file with the backend that it, or its user, names."""

from __future__ import annotations

from pathlib import Path

from schanger_mm.deploy.backends import OnnxRuntime, OpenVinoRuntime, ProgramRuntime
from schanger_mm.deploy.card import BACKENDS, backend_of
from schanger_mm.deploy.errors import DeployError
from schanger_mm.deploy.runtime import Runtime

TAKES = dict(onnx=('onnx', ), openvino=('openvino', 'onnx'), program=('program', ))
"""Formats that each backend can run."""


def open_runtime(path: str | Path, backend: str | None = None, device: str = 'cpu', threads: int | None = None,
                 precision: str = 'fp32', trust: bool = False) -> Runtime:
    """Load an exported file.

    Args:
        path: the file.
        backend: ``'onnx'``, ``'openvino'`` (which runs ``.onnx`` files too) or ``'program'``; None: by suffix.
        device: ``'cpu'`` or, except with OpenVINO, ``'cuda:N'``.
        threads: of the CPU; None: the backend's default. A program uses torch's.
        precision: ``'fp32'``, or with OpenVINO ``'bf16'``.
        trust: load a ``.pt2`` file, from which PyTorch runs code; no other file needs it.

    Raises:
        ImportError: the backend is not installed.
        DeployError: the file is no export of this project, it is a ``.pt2`` without ``trust``, or the backend cannot
            do what is asked.
    """
    own = backend_of(path)
    if own is None:
        raise DeployError(f'{path}: expected an exported network that ends in {", ".join(BACKENDS.values())}; '
                          'tools/export.py makes one of a checkpoint.')
    backend = backend or own
    if own not in TAKES.get(backend, ()):
        raise DeployError(f'{path} is a file for the backend {own}; {backend} cannot run it.')
    if precision != 'fp32' and backend != 'openvino':
        raise DeployError(f'precision {precision!r}: only the backend openvino has it, not {backend}.')
    if backend == 'openvino':
        if device != 'cpu':
            raise DeployError(f'{path} on {device}: OpenVINO runs on the CPU; choose another format or device.')
        return OpenVinoRuntime(path, threads, precision)
    return OnnxRuntime(path, device, threads) if backend == 'onnx' else ProgramRuntime(path, device, trust)
