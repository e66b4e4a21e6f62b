import dataclasses
import hashlib
import json
import zipfile
from pathlib import Path

import pytest
import torch

from schanger_mm.deploy import DeployError, read_card
from schanger_mm.deploy.card import Card
from schanger_mm.version import __version__


@pytest.mark.parametrize('backend', ['onnx', 'openvino', 'program'])
def test_every_format_carries_the_same_facts(trained, needs, backend):
    needs(backend)
    card = read_card(trained.files[backend])
    assert dataclasses.asdict(card) == dict(
        inputs=('before', 'after'), classes=('unchanged', 'changed'), mean=((90, 100, 110), (120, 130, 140)),
        std=((40, 45, 50), (55, 60, 65)), normalisation='inside', threshold=0.5, tile=256, fixed_size=False, gsd=0.5,
        align_corners=False, config='own.py', checkpoint='trained.pth',
        checkpoint_sha256=hashlib.sha256(Path(trained.checkpoint).read_bytes()).hexdigest(),
        versions=dict(schanger_mm=__version__, torch=torch.__version__), temperature=1.0, format=1, semantic_classes=(),
        scale=None, bands=())


def test_plain_onnxruntime_reads_the_facts(trained, needs):
    needs('onnx')
    import onnxruntime
    session = onnxruntime.InferenceSession(trained.files['onnx'], providers=['CPUExecutionProvider'])
    assert json.loads(session.get_modelmeta().custom_metadata_map['schanger_mm'])['mean'][1] == [120, 130, 140]
    assert [i.shape for i in session.get_inputs()] == [['batch', 3, 'height', 'width']] * 2
    assert session.get_outputs()[0].shape == ['batch', 1, 'height', 'width']


@pytest.mark.parametrize(('name', 'content', 'message'), [
    ('a.onnx', b'\xff not a model', 'cannot be read as ONNX'),
    ('a.xml', b'<net', "cannot be read as OpenVINO's XML"),
    ('a.xml', b'<net><rt_info/></net>', 'is not an export of this project'),
    ('a.pt2', b'not a zip', 'cannot be read as an ExportedProgram'),
    ('a.pth', b'', 'expected an exported network that ends in .onnx, .xml, .pt2'),
])
def test_other_files_are_refused(tmp_path, needs, name, content, message):
    if name.endswith('.onnx'):
        needs('onnx')
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DeployError, match=message):
        read_card(tmp_path / name)


def test_networks_of_others_are_refused(tmp_path, needs, other_onnx):
    with pytest.raises(DeployError, match=r'other.onnx is not an export of this project \(it has no schanger_mm'):
        read_card(other_onnx)
    with zipfile.ZipFile(tmp_path / 'other.pt2', 'w') as archive:
        archive.writestr('other/version', '1')
    with pytest.raises(DeployError, match='is not an export of this project'):
        read_card(tmp_path / 'other.pt2')
    with pytest.raises(DeployError, match='no exported network none.onnx'):
        read_card('none.onnx')


def test_another_version_is_refused(trained):
    facts = dataclasses.asdict(read_card(trained.files['program']))
    with pytest.raises(DeployError, match=f'version 2, expected 1; export .* the one that wrote it .{__version__}'):
        Card.loads(json.dumps({**facts, 'format': 2}), 'f.onnx')
