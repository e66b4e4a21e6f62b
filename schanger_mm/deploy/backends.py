"""The runtimes for exported files; each is imported when it is first used."""

from __future__ import annotations

import io
import logging
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from schanger_mm.deploy.card import EXTRA, backend_of, weights_of
from schanger_mm.deploy.errors import DeployError, unusable
from schanger_mm.deploy.onnx_files import EXTRA as ONNX_EXTRA
from schanger_mm.deploy.runtime import Runtime
from schanger_mm.utils.devices import parse_device
from schanger_mm.utils.files import sha256_of
from schanger_mm.utils.optional import require


def has_cuda() -> bool:
    """Return whether the installed onnxruntime was built for NVIDIA's GPUs."""
    return 'CUDAExecutionProvider' in require('onnxruntime', ONNX_EXTRA, 'Running ONNX files').get_available_providers()


def convert_onnx(path: str | Path) -> Any:
    """Return the ``openvino.Model`` of an ONNX file, converted from its bytes.

    With a path, OpenVINO would pass a file that is also a zip to torch.jit.load and torch.export.load, which run its
    code. While it converts, it sets the root logger to ERROR, and leaves it there when the conversion fails, so that no
    warning of any package would be shown afterwards; here the root logger is always put back.

    Raises:
        ImportError: openvino is not installed.
        RuntimeError: OpenVINO, or its ONNX reader, cannot convert it.
    """
    openvino = require('openvino', EXTRA, 'Reading ONNX files with OpenVINO')
    root = logging.getLogger()
    before = root.level, root.filters[:], root.handlers[:]
    try:
        return openvino.convert_model(io.BytesIO(Path(path).read_bytes()))
    finally:
        root.setLevel(before[0])
        root.filters, root.handlers = before[1:]


class OnnxRuntime(Runtime):
    """An ``.onnx`` file in ONNX Runtime.

    Args:
        path: the file.
        device: ``'cpu'``, or ``'cuda'`` or ``'cuda:N'`` with onnxruntime-gpu.
        threads: number of CPU threads; None: one per core.

    Raises:
        ImportError: onnxruntime is not installed.
        DeployError: see :class:`Runtime`; or the device cannot be used.
    """

    program = 'ONNX Runtime'

    def __init__(self, path: str | Path, device: str = 'cpu', threads: int | None = None):
        super().__init__(path)
        onnxruntime = require('onnxruntime', ONNX_EXTRA, 'Running ONNX files')
        kind, number = parse_device(device)
        provider = 'CUDAExecutionProvider' if kind == 'cuda' else 'CPUExecutionProvider'
        if provider not in onnxruntime.get_available_providers():
            raise DeployError(f'{path} on {device}: the installed onnxruntime has no {provider}; install '
                              'onnxruntime-gpu, or run it on the CPU.')
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or 0
        settings = {'device_id': number or 0} if kind == 'cuda' else {}
        try:
            self._session = onnxruntime.InferenceSession(path, options, providers=[(provider, settings)])
        except Exception as error:  # onnxruntime has one class per status code
            raise unusable(path, self.program, error) from error

    def _run(self, images: list[np.ndarray]) -> list[np.ndarray]:
        return self._session.run(None, dict(zip(self.card.inputs, images)))


@cache
def one_core(openvino: ModuleType) -> Any:
    """Return the one ``openvino.Core`` of this process, which is never freed.

    Its CPU plugin replaces the stack on which signals are handled, and puts the old one back when it is freed. Two that
    are freed in the order of their creation leave one that is no longer mapped, and the next Ctrl-C or ended child ends
    the process by a segmentation fault (OpenVINO 2026.4).
    """
    return openvino.Core()


class OpenVinoRuntime(Runtime):
    """An ``.xml`` file, or an ``.onnx`` one, in OpenVINO on the CPU.

    Args:
        path: the file.
        threads: number of CPU threads; None: one per core.
        precision: ``'fp32'``, or ``'bf16'`` if the CPU supports it: twice as
            fast, but probabilities change by about 1e-2.

    Raises:
        ImportError: openvino is not installed.
        DeployError: see :class:`Runtime`; or the precision is not available.
    """

    program = 'OpenVINO'

    def __init__(self, path: str | Path, threads: int | None = None, precision: str = 'fp32'):
        super().__init__(path)
        core = one_core(require('openvino', EXTRA, 'Running OpenVINO files'))
        hints = dict(fp32='f32', bf16='bf16')
        if precision not in hints:
            raise DeployError(f'precision {precision!r}: expected one of {", ".join(hints)}.')
        if precision == 'bf16' and 'BF16' not in core.get_property('CPU', 'OPTIMIZATION_CAPABILITIES'):
            raise DeployError(f'{path}: this CPU does not compute in bf16; leave the precision at fp32.')
        if backend_of(path) == 'onnx':
            read = convert_onnx  # read_model would not fold the biases into the convolutions
        else:
            weights = Path(path).with_suffix('.bin')
            if not weights.is_file():
                raise DeployError(f'{path}: its weights, {weights.name} beside it, are missing; keep both files '
                                  'together.')
            if (expected := weights_of(Path(path))) not in (None, found := sha256_of(weights)):
                raise DeployError(f'{path}: {weights.name} beside it is of another export (SHA-256 {found[:12]}, '
                                  f'expected {expected:.12}); copy both files of one export, or export again.')
            read = core.read_model
        settings: dict[str, str | int] = {'INFERENCE_PRECISION_HINT': hints[precision], 'PERFORMANCE_HINT': 'LATENCY'}
        if threads:
            settings['INFERENCE_NUM_THREADS'] = threads
        try:
            self._model = core.compile_model(read(path), 'CPU', settings)
        except Exception as error:  # RuntimeErrors, and those of its ONNX reader
            raise unusable(path, self.program, error) from error

    def _run(self, images: list[np.ndarray]) -> list[np.ndarray]:
        found = self._model(images)
        return [found[index] for index in range(len(self._model.outputs))]
