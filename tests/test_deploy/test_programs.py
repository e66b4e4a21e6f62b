"""A .pt2 file runs code when torch loads it, so nothing here does."""

import contextlib
import io
import json
import os
import re
import zipfile

import pytest
import torch

from schanger_mm import apis
from schanger_mm.apis import ChangeDetector
from schanger_mm.commands.predict import predict
from schanger_mm.deploy import DeployError, open_runtime, read_card
from schanger_mm.deploy.exported import ExportedModel
from schanger_mm.deploy.exported_detector import ExportedDetector
from schanger_mm.deploy.formats import ProgramRuntime, write_program
from schanger_mm.deploy.load import load_model

WAYS = 'weights', 'sample inputs', 'size of an axis'


class Difference(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor(10.0))

    def forward(self, before, after):
        return ((after - before).mean(1, keepdim=True) * self.weight).sigmoid()


class Runs:
    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command, )


@pytest.fixture(scope='session')
def honest(card, tmp_path_factory):
    path = tmp_path_factory.mktemp('honest') / 'net.pt2'
    dims = {axis: torch.export.Dim(name) for axis, name in ((0, 'batch'), (2, 'height'), (3, 'width'))}
    pair = torch.zeros(2, 3, 40, 50), torch.zeros(2, 3, 40, 50)
    write_program(torch.export.export(Difference(), pair, dynamic_shapes=(dims, dims)), path, card)
    return path


@pytest.fixture(params=WAYS)
def hostile(request, honest, tmp_path):
    """An export that creates the file canary beside itself when torch loads it."""
    command = f'touch {tmp_path / "canary"}'
    stream = io.BytesIO()
    torch.save(Runs(command), stream)
    expression = json.dumps(f"__import__('os').system({command!r})")

    def changed(name, content):
        if request.param == 'weights' and name.endswith('weights_config.json'):
            return content.replace(b'"use_pickle": false', b'"use_pickle": true')
        if request.param == 'weights' and re.search(r'weights/weight_\d+$', name):
            return stream.getvalue()
        if request.param == 'sample inputs' and '/sample_inputs/' in name:
            return stream.getvalue()
        if request.param == 'size of an axis' and name.endswith('models/model.json'):
            return re.sub(rb'"expr_str": "[^"]*"', b'"expr_str": ' + expression.encode(), content, count=1)
        return content

    path = tmp_path / 'hostile.pt2'
    with zipfile.ZipFile(honest) as archive, zipfile.ZipFile(path, 'w') as out:
        members = {name: changed(name, archive.read(name)) for name in archive.namelist()}
        assert sum(members[name] != archive.read(name) for name in members) >= 1
        for name, content in members.items():
            out.writestr(name, content)
    return path


def test_torch_runs_code_of_a_pt2(hostile):
    """If this fails, torch has closed a hole; .pt2 files can be run when all of them are closed."""
    with contextlib.suppress(Exception):  # some ways end in an error after the code has run
        torch.export.load(hostile)
    assert (hostile.parent / 'canary').exists()


def score(path, root):
    cfg = apis.load_config(root / 'configs/schanger/demo.py')
    apis.prepare(cfg, 'demo.py', str(path.parent / 'work'))
    apis.test_only(cfg, str(path))


ENTRANCES = {
    'open_runtime': lambda path, root: open_runtime(path),
    'load_model': lambda path, root: load_model(str(path)),
    'ExportedModel': lambda path, root: ExportedModel(str(path)),
    'ChangeDetector': lambda path, root: ChangeDetector(path, device='cpu'),
    'predict': lambda path, root: predict(str(path), 'a.tif', 'b.tif', str(path.parent), device='cpu'),
    'ExportedDetector': lambda path, root: ExportedDetector(str(path)),
    'test': score,
}


@pytest.mark.parametrize('entrance', ENTRANCES)
def test_no_entrance_loads_one(hostile, root, entrance):
    with pytest.raises(DeployError, match=r'hostile.pt2: .pt2 files are written for other programs and not run here, '
                                          r'because .*Use the same network as .onnx or .xml .*, or its checkpoint\.'):
        ENTRANCES[entrance](hostile, root)
    assert not (hostile.parent / 'canary').exists()
    assert read_card(hostile).config == 'c.py'  # what it says about itself is text


def test_a_program_is_run_from_memory_to_verify_it(card, tmp_path):
    program = torch.export.export(Difference(), (torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 8, 8)))
    write_program(program, tmp_path / 'net.pt2', card)
    one = torch.zeros(1, 3, 8, 8)
    runtime = ProgramRuntime(tmp_path / 'net.pt2', program)
    assert runtime(one, one + 1).min() > 0.99 and runtime.card == card
    with pytest.raises(DeployError, match='PyTorch cannot run it on 1 pairs of 4 x 4 px'):
        runtime(one[..., :4, :4], one[..., :4, :4])


def test_an_onnx_file_that_is_a_program_too_is_onnx_only(hostile, make_onnx, needs):
    """OpenVINO's convert_model hands the path of any zip with a program's members to torch first (2025.0 to 2026.4)."""
    needs('openvino')
    path = make_onnx(hostile.with_name('both.onnx'))
    network = path.read_bytes()
    field = b'\xa2\x06'  # number 100, bytes: readers skip what they do not know

    def length(size):
        return bytes([size & 127 | 128, size >> 7 & 127 | 128, size >> 14 & 127 | 128, size >> 21])

    path.write_bytes(network + field + length(0))
    with zipfile.ZipFile(hostile) as archive, zipfile.ZipFile(path, 'a') as out:
        for name in archive.namelist():
            out.writestr(name, archive.read(name))
    content = path.read_bytes()
    start = len(network + field) + 4
    path.write_bytes(network + field + length(len(content) - start) + content[start:])

    one = torch.zeros(1, 3, 8, 8)
    assert open_runtime(path, 'openvino', threads=1)(one, one + 1).max() > 0.7
    assert not (path.parent / 'canary').exists()
