"""The programs that run exported files; each is imported when it is first used."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import torch

from schanger_mm.checkpoints.quarantine import TRUST
from schanger_mm.deploy.card import EXTRA, backend_of
from schanger_mm.deploy.errors import DeployError, unusable
from schanger_mm.deploy.formats import quiet
from schanger_mm.deploy.runtime import Runtime
from schanger_mm.devices import find_device, parse_device
from schanger_mm.optional import require


class OnnxRuntime(Runtime):
    """An ``.onnx`` file in ONNX Runtime.

    Args:
        path: the file.
        device: ``'cpu'``, or ``'cuda'`` or ``'cuda:N'`` with onnxruntime-gpu.
        threads: of the CPU; None: one per core.

    Raises:
        ImportError: onnxruntime or onnx is not installed.
        DeployError: see :class:`Runtime`; or the device cannot be used.
    """

    program = 'ONNX Runtime'

    def __init__(self, path: str | Path, device: str = 'cpu', threads: int | None = None):
        super().__init__(path)
        onnxruntime = require('onnxruntime', EXTRA, 'Running ONNX files')
        kind = parse_device(device, DeployError)
        provider = 'CUDAExecutionProvider' if kind.type == 'cuda' else 'CPUExecutionProvider'
        if provider not in onnxruntime.get_available_providers():
            raise DeployError(f'{path} on {device}: the installed onnxruntime has no {provider}; install '
                              'onnxruntime-gpu, or run it on the CPU.')
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or 0
        settings = {'device_id': kind.index or 0} if kind.type == 'cuda' else {}
        try:
            self._session = onnxruntime.InferenceSession(path, options, providers=[(provider, settings)])
        except Exception as error:  # a class of its own for each status code
            raise unusable(path, self.program, error) from error

    def _run(self, images: list[np.ndarray]) -> np.ndarray:
        return self._session.run(None, dict(zip(self.card.inputs, images)))[0]


class OpenVinoRuntime(Runtime):
    """An ``.xml`` file, or an ``.onnx`` one, in OpenVINO on the CPU.

    Args:
        path: the file.
        threads: None: one per core.
        precision: ``'fp32'``, or ``'bf16'`` where the CPU has it: twice as
            fast, probabilities move by about 1e-2.

    Raises:
        ImportError: openvino is not installed.
        DeployError: see :class:`Runtime`; or the precision is not to be had.
    """

    program = 'OpenVINO'

    def __init__(self, path: str | Path, threads: int | None = None, precision: str = 'fp32'):
        super().__init__(path)
        openvino = require('openvino', EXTRA, 'Running OpenVINO files')
        hints = dict(fp32='f32', bf16='bf16')
        if precision not in hints:
            raise DeployError(f'precision {precision!r}: expected one of {", ".join(hints)}.')
        core = openvino.Core()
        if precision == 'bf16' and 'BF16' not in core.get_property('CPU', 'OPTIMIZATION_CAPABILITIES'):
            raise DeployError(f'{path}: this CPU does not compute in bf16; leave the precision at fp32.')
        if backend_of(path) == 'onnx':
            # read_model would not fold the biases into the convolutions. Bytes, because convert_model offers the path
            # of a file that is a zip as well to torch.jit.load and torch.export.load, which runs what is in there.
            def read(path):
                return openvino.convert_model(io.BytesIO(Path(path).read_bytes()))
        else:
            if not Path(path).with_suffix('.bin').is_file():
                raise DeployError(f'{path}: its weights, {Path(path).stem}.bin beside it, are missing; keep both files '
                                  'together.')
            read = core.read_model
        settings: dict[str, str | int] = {'INFERENCE_PRECISION_HINT': hints[precision], 'PERFORMANCE_HINT': 'LATENCY'}
        if threads:
            settings['INFERENCE_NUM_THREADS'] = threads
        try:
            self._model = core.compile_model(read(path), 'CPU', settings)
        except Exception as error:  # RuntimeErrors, and those of its ONNX reader
            raise unusable(path, self.program, error) from error

    def _run(self, images: list[np.ndarray]) -> np.ndarray:
        return self._model(images)[0]


class ProgramRuntime(Runtime):
    """A ``.pt2`` file, PyTorch's ExportedProgram, in torch.

    ``torch.export.load`` unpickles weights, constants and sample inputs
    wherever the file asks for it, and evaluates the sizes in its graph as
    Python (torch 2.13). So the file runs code as a program does.

    Args:
        path: the file.
        device: such as ``'cpu'`` or ``'cuda:0'``.
        trust: load it nevertheless.

    Raises:
        DeployError: see :class:`Runtime`; or ``trust`` is not set.
    """

    program = 'PyTorch'

    def __init__(self, path: str | Path, device: str = 'cpu', trust: bool = False):
        super().__init__(path)
        if not trust:
            raise DeployError(f'{path} is refused: PyTorch runs code from .pt2 files when it loads them. Take the same '
                              'network as .onnx or OpenVINO .xml, which run none (tools/export.py --format onnx). If '
                              f'you made the file yourself or trust its maker as you trust a program, pass {TRUST} '
                              '(in Python: trust=True).')
        self.device = find_device(device, 'run it on', DeployError)
        exported = _loaded(path)
        if self.device.type != 'cpu':
            from torch.export.passes import move_to_device_pass
            exported = move_to_device_pass(exported, self.device)
        self._module = exported.module()

    @torch.inference_mode()
    def _run(self, images: list[np.ndarray]) -> np.ndarray:
        return self._module(*(torch.from_numpy(x).to(self.device) for x in images)).cpu().numpy()


def _loaded(path: str | Path) -> torch.export.ExportedProgram:
    try:
        with quiet():
            return torch.export.load(path)
    except Exception as error:  # torch raises a dozen kinds of a damaged file
        raise unusable(path, 'PyTorch', error) from error
