import importlib
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch

from schanger_mm.deploy import DeployError, open_runtime

BACKENDS = 'onnx', 'openvino'


@pytest.fixture(scope='module')
def runtimes(trained, needs):
    """Return a function that opens the export of a backend, once."""
    opened = {}

    def runtime(backend):
        needs(backend)
        if backend not in opened:
            opened[backend] = open_runtime(trained.files[backend], threads=1)
        return opened[backend]
    return runtime


@pytest.mark.parametrize('size', [(2, 32, 48), (1, 37, 100), (3, 16, 16), (1, 5, 3), (1, 1, 1)])
@pytest.mark.parametrize('backend', BACKENDS)
def test_probabilities_are_those_of_pytorch_at_any_size(trained, runtimes, pair, backend, size):
    before, after = pair(*size)
    expected = trained.reference(before, after)
    found = runtimes(backend)(before, after)
    assert found.shape == size and found.dtype == np.float32
    if min(size[1:]) > 16:
        assert expected.std() > 0.05 and np.abs(expected - trained.reference(after, before)).max() > 0.05
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_tensors_and_arrays_are_taken_alike(runtimes, pair):
    before, after = pair(1, 20, 20)
    runtime = runtimes('onnx')
    np.testing.assert_array_equal(runtime(torch.from_numpy(before), torch.from_numpy(after).requires_grad_()),
                                  runtime(before, after))


def test_openvino_runs_onnx_files_too(trained, runtimes, needs, pair):
    needs('openvino')
    both = pair(1, 40, 24)
    found = open_runtime(trained.files['onnx'], 'openvino', threads=1)(*both)
    np.testing.assert_allclose(found, runtimes('openvino')(*both), atol=1e-5)


def test_bf16_is_near_and_only_where_the_cpu_has_it(trained, needs, pair):
    needs('openvino')
    import openvino

    from schanger_mm.deploy.backends import one_core
    both = pair(1, 64, 64)
    if 'BF16' in one_core(openvino).get_property('CPU', 'OPTIMIZATION_CAPABILITIES'):
        difference = np.abs(open_runtime(trained.files['openvino'], precision='bf16')(*both) - trained.reference(*both))
        assert 1e-5 < difference.max() < 0.5 and difference.mean() < 0.05
    else:
        with pytest.raises(DeployError, match='this CPU does not compute in bf16'):
            open_runtime(trained.files['openvino'], precision='bf16')


FREED_IN_THEIR_ORDER = """
import faulthandler, signal, subprocess, sys
faulthandler.enable()
signal.signal(signal.SIGCHLD, lambda *_: None)  # torch's loaders do
from schanger_mm.deploy import open_runtime
first, second = open_runtime(sys.argv[1], threads=1), open_runtime(sys.argv[1], threads=1)
del first
del second
subprocess.run([sys.executable, '-c', ''], check=True)
print('alive')
"""


@pytest.mark.skipif(not hasattr(signal, 'SIGCHLD'), reason='POSIX')
def test_openvino_leaves_a_stack_for_signals(trained, needs):
    """With a Core of its own for each, the end of a child process was a segmentation fault."""
    needs('openvino')
    done = subprocess.run([sys.executable, '-c', FREED_IN_THEIR_ORDER, trained.files['openvino']], capture_output=True,
                          text=True)
    assert (done.returncode, done.stdout) == (0, 'alive\n'), done.stderr


GOOD = np.zeros((1, 3, 8, 8), np.float32)


@pytest.mark.parametrize(('dates', 'message'), [
    ((GOOD, ), 'after: the image of this date is missing'),
    ((None, GOOD), 'before: the image of this date is missing'),
    ((GOOD, GOOD[:, :2]), r'after: expected \(N, 3, H, W\) .* found \(1, 2, 8, 8\)'),
    ((GOOD[0], GOOD[0]), r'before: expected \(N, 3, H, W\) .* found \(3, 8, 8\)'),
    ((GOOD[:0], GOOD[:0]), r'before: expected .* at least one image and pixel, found \(0, 3, 8, 8\)'),
    ((GOOD, GOOD[..., :7]), 'before is 1 x 8 x 8 px, after 1 x 8 x 7 px; expected one number of images and one size'),
    ((GOOD.repeat(2, 0), GOOD), 'before is 2 x 8 x 8 px, after 1 x 8 x 8 px'),
    ((GOOD.astype(np.uint8), GOOD), 'before: expected a float32 array .* found uint8'),
    (([1.0], GOOD), 'before: expected a float32 array .* found list'),
])
def test_other_images_are_refused(runtimes, dates, message):
    with pytest.raises(DeployError, match=message):
        runtimes('onnx')(*dates)


def test_what_a_backend_cannot_do_is_refused(trained, needs, tmp_path):
    needs('openvino')
    with pytest.raises(DeployError, match='is a file for the backend openvino; onnx cannot run it'):
        open_runtime(trained.files['openvino'], 'onnx')
    with pytest.raises(DeployError, match="precision 'bf16': only the backend openvino has it, not onnx"):
        open_runtime(trained.files['onnx'], precision='bf16')
    with pytest.raises(DeployError, match='OpenVINO runs on the CPU'):
        open_runtime(trained.files['openvino'], device='cuda')
    with pytest.raises(DeployError, match="precision 'int8': expected one of fp32, bf16"):
        open_runtime(trained.files['openvino'], precision='int8')
    shutil.copy(trained.files['openvino'], tmp_path / 'alone.xml')
    with pytest.raises(DeployError, match='its weights, alone.bin beside it, are missing'):
        open_runtime(tmp_path / 'alone.xml')
    with pytest.raises(DeployError, match='expected an exported network that ends in'):
        open_runtime(trained.checkpoint)


def test_onnxruntime_without_gpu_says_so(trained, needs, monkeypatch):
    needs('onnx')
    monkeypatch.setattr(importlib.import_module('onnxruntime'), 'get_available_providers',
                        lambda: ['CPUExecutionProvider'])
    with pytest.raises(DeployError, match='on cuda:0: the installed onnxruntime has no CUDAExecutionProvider'):
        open_runtime(trained.files['onnx'], device='cuda:0')



def test_an_xml_beside_the_weights_of_another_export_is_refused(card, make_onnx, needs, tmp_path):
    needs('openvino')
    from schanger_mm.deploy.formats import write_openvino
    network = make_onnx(tmp_path / 'net.onnx')
    write_openvino(network, tmp_path / 'net.xml', card)
    weights = tmp_path / 'net.bin'
    open_runtime(tmp_path / 'net.xml')
    weights.write_bytes(weights.read_bytes()[:-1] + b'?')
    with pytest.raises(DeployError, match=r'net\.xml: net\.bin beside it is of another export \(SHA-256 .*, expected '
                       r'[0-9a-f]{12}\); copy both files of one export'):
        open_runtime(tmp_path / 'net.xml')


@pytest.mark.parametrize(('backend', 'package', 'extra'), [('onnx', 'onnxruntime', 'predict'),
                                                           ('openvino', 'openvino', 'export')])
def test_a_missing_backend_is_named_with_the_command(trained, needs, monkeypatch, backend, package, extra):
    needs(backend)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=rf'needs {package}, .*pip install "schanger-mm\[{extra}\]"'):
        open_runtime(trained.files[backend])
