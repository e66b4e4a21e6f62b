"""OpenVINO and ONNX Runtime report to their makers unless they are told not to."""

import os
import subprocess
import sys

import pytest

from schanger_mm.utils.optional import require

PROGRAM = """
import os, sys
onnx_file, xml, sought = sys.argv[1:]
record = os.open(sought, os.O_CREAT | os.O_WRONLY | os.O_APPEND)  # processes that are forked write to it too
def refuse(event, arguments):
    if event in ('socket.connect', 'socket.getaddrinfo', 'socket.sendto'):
        os.write(record, f'{event} {arguments}\\n'.encode())
        raise OSError('no network')
sys.addaudithook(refuse)
import numpy as np
from pathlib import Path
from schanger_mm.deploy import open_runtime, read_card
from schanger_mm.deploy.formats import write_openvino
onnx_file, xml = Path(onnx_file), Path(xml)
write_openvino(onnx_file, xml, read_card(onnx_file))
image = np.zeros((1, 3, 16, 16), np.float32)
for file, backend in (onnx_file, 'onnx'), (onnx_file, 'openvino'), (xml, 'openvino'):
    assert open_runtime(file, backend, threads=1)(image, image).shape == (1, 16, 16)
"""


def test_exports_run_without_a_connection_and_leave_the_home_folder_empty(make_onnx, needs, root, tmp_path):
    needs('onnx')
    needs('openvino')
    home, sought = tmp_path / 'home', tmp_path / 'sought'
    home.mkdir()
    environment = {key: value for key, value in os.environ.items()
                   if key not in ('CI', 'TF_BUILD', 'JENKINS_URL', 'ORT_DISABLE_TELEMETRY', 'XDG_CACHE_HOME')}
    environment.update(HOME=str(home), MPLCONFIGDIR=str(tmp_path), PYTHONPATH=str(root), OMP_NUM_THREADS='1')
    files = make_onnx(tmp_path / 'a.onnx'), tmp_path / 'a.xml', sought
    done = subprocess.run([sys.executable, '-c', PROGRAM, *map(str, files)], env=environment, capture_output=True,
                          text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    assert sought.read_text() == ''
    # mmengine 0.10 imports yapf, which keeps its grammar there
    assert [str(file) for file in home.rglob('*') if file.is_file() and 'YAPF' not in file.parts] == []


def test_who_asked_for_reports_before_keeps_them(monkeypatch):
    pytest.importorskip('onnxruntime')
    monkeypatch.setenv('ORT_DISABLE_TELEMETRY', '0')
    require('onnxruntime', 'export', 'A test')
    assert os.environ['ORT_DISABLE_TELEMETRY'] == '0'
