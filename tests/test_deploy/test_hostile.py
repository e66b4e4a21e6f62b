"""Exported files of somebody who means harm: names of other files, changed cards, damage."""

import dataclasses
import json
import logging
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from schanger_mm.deploy import DeployError, open_runtime, read_card
from schanger_mm.deploy.card import LONGEST

ONE = np.zeros((1, 3, 8, 8), np.float32)


def outside(location):
    """Return a change of a tensor: its values lie in another file."""
    def change(tensor):
        tensor.ClearField('raw_data')
        tensor.data_location = tensor.EXTERNAL
        for key, value in (('location', location), ('offset', '0'), ('length', '4')):
            entry = tensor.external_data.add()
            entry.key, entry.value = key, value
    return change


@pytest.mark.parametrize('backend', ['onnx', 'openvino'])
@pytest.mark.parametrize('location', ['secret', '../secret', '{tmp}/secret', 'link', '*/_ORT_MEM_ADDR_/*'])
def test_an_onnx_file_names_no_other_file(make_onnx, tmp_path, needs, location, backend):
    needs(backend)
    (tmp_path / 'folder').mkdir()
    for path in (tmp_path / 'secret', tmp_path / 'folder/secret'):
        path.write_bytes(np.ones(1, np.float32).tobytes())
    (tmp_path / 'folder/link').symlink_to('../secret')
    path = make_onnx(tmp_path / 'folder/net.onnx', outside(location.format(tmp=tmp_path)))
    with pytest.raises(DeployError, match=r'net\.onnx is refused: its weights are in another file'):
        open_runtime(path, backend)
    assert open_runtime(make_onnx(tmp_path / 'folder/whole.onnx'), backend)(ONE, ONE).max() == 0.5


def test_a_name_deep_in_the_graph_is_found(make_onnx, tmp_path):
    onnx = pytest.importorskip('onnx')
    path = make_onnx(tmp_path / 'net.onnx')
    model = onnx.load(path)
    tensor = onnx.helper.make_tensor('t', onnx.TensorProto.FLOAT, [1], bytes(4), True)
    outside('../deep')(tensor)
    inner = onnx.helper.make_graph([onnx.helper.make_node('Constant', [], ['c'], value=tensor)], 'inner', [], [])
    model.graph.node.append(onnx.helper.make_node('If', ['x'], ['y'], then_branch=inner, else_branch=inner))
    path.write_bytes(model.SerializeToString())
    with pytest.raises(DeployError, match=r"another file \('\.\./deep'\)"):
        read_card(path)


@pytest.fixture
def as_xml(make_onnx, needs, tmp_path):
    needs('openvino')
    import openvino

    from schanger_mm.deploy.card import KEY
    model = openvino.convert_model(make_onnx(tmp_path / 'net.onnx'))
    model.set_rt_info(read_card(tmp_path / 'net.onnx').dumps(), [KEY])
    openvino.save_model(model, tmp_path / 'net.xml', compress_to_fp16=False)
    (tmp_path / 'net.onnx').unlink()
    return tmp_path / 'net.xml'


def test_an_xml_reads_its_own_bin_and_nothing_else(as_xml):
    """Its only reference is an offset into the .bin beside it: neither entities nor offsets lead out."""
    assert open_runtime(as_xml, threads=1)(ONE, ONE).max() == 0.5
    text = as_xml.read_text()
    secret = as_xml.with_name('secret')
    secret.write_text('value')
    entity = f'<!DOCTYPE net [<!ENTITY s SYSTEM "{secret}">]>'
    changed = text.replace('<?xml version="1.0"?>', f'<?xml version="1.0"?>{entity}')
    assert changed != text
    as_xml.write_text(changed.replace('<rt_info>', '<rt_info>&s;', 1))
    with pytest.raises(DeployError, match=r"net\.xml cannot be read as OpenVINO's XML"):
        open_runtime(as_xml)
    assert 'offset="0"' in text
    as_xml.write_text(text.replace('offset="0"', 'offset="100000000"'))
    with pytest.raises(DeployError, match=r'net\.xml: OpenVINO cannot load it'):
        open_runtime(as_xml)


def test_entities_of_an_xml_do_not_fill_the_memory(tmp_path):
    levels = ''.join(f'<!ENTITY l{n + 1} "{f"&l{n};" * 10}">' for n in range(12))
    (tmp_path / 'laughs.xml').write_text(f'<!DOCTYPE net [<!ENTITY l0 "ha">{levels}]><net>&l12;</net>')
    with pytest.raises(DeployError, match=r"laughs\.xml cannot be read as OpenVINO's XML"):
        read_card(tmp_path / 'laughs.xml')


@pytest.mark.parametrize(('change', 'message'), [
    (dict(mean=[[0, 0, 0]]), r'mean is \[\[0, 0, 0\]\], expected one number per band and date'),
    (dict(std=[[1, 1, 0], [1, 1, 1]]), 'std is .* expected one number above 0'),
    (dict(threshold=float('nan')), 'threshold is nan, expected a number from 0 to 1'),
    (dict(tile=10**400), 'tile is 1000'),
    (dict(tile=True), 'tile is True, expected a number of pixels'),
    (dict(inputs='before'), 'inputs is before, expected two names'),
    (dict(gsd='1'), 'gsd is 1, expected metres or null'),
    (dict(versions=[]), 'versions is .* expected texts by name'),
    (dict(more=1), "'more' is unknown"),
    (dict(format=2, versions=3), r'version 2, expected 1; .* the one that wrote it \(None\)'),
])
def test_a_changed_card_is_refused(make_onnx, card, tmp_path, change, message):
    path = make_onnx(tmp_path / 'net.onnx', text=json.dumps({**dataclasses.asdict(card), **change}))
    with pytest.raises(DeployError, match=rf'net\.onnx.*{message}'):
        read_card(path)


@pytest.mark.parametrize('text', ['{', '[1]', '"text"', '[' * 100_000, 'NaN', '{"format": {}}'])
def test_a_card_that_is_none_is_refused(make_onnx, tmp_path, text):
    with pytest.raises(DeployError, match=r'net\.onnx.* its metadata'):
        read_card(make_onnx(tmp_path / 'net.onnx', text=text))


def test_a_card_that_unpacks_to_gigabytes_is_not_unpacked(tmp_path):
    with zipfile.ZipFile(tmp_path / 'bomb.pt2', 'w', zipfile.ZIP_DEFLATED) as archive:
        archive.writestr('bomb/extra/schanger_mm.json', bytes(LONGEST + 1))
    with pytest.raises(DeployError, match=f'bomb.pt2 cannot be read as an ExportedProgram: .* longer than {LONGEST}'):
        read_card(tmp_path / 'bomb.pt2')


def shaped(*dims):
    """Return a change of a tensor: its shape."""
    def change(tensor):
        tensor.dims[:] = dims
    return change


def of_four_bits(tensor):
    tensor.data_type, tensor.raw_data = tensor.INT4, bytes(1)
    tensor.dims[:] = [3]


def listed(tensor):
    tensor.ClearField('raw_data')
    tensor.float_data.extend([1, 1])


@pytest.mark.parametrize('backend', ['onnx', 'openvino'])
@pytest.mark.parametrize(('change', 'said'), [
    (shaped(10**9), '1000000000 values in'), (shaped(-1), '-1 values in'), (shaped(2), '.*'), (shaped(0), '.*'),
    (shaped(2**62, 2**62), f'{2**124} values in'), (of_four_bits, '.*'), (listed, '.*'),
    (lambda tensor: setattr(tensor, 'data_type', 0), '.*'), (lambda tensor: setattr(tensor, 'data_type', 99), '.*')])
def test_a_tensor_that_claims_other_values_than_it_has_is_refused(make_onnx, tmp_path, needs, backend, change, said):
    """The oldest OpenVINO allowed loads it, and reads what lies behind."""
    needs(backend)
    path = make_onnx(tmp_path / 'net.onnx', change)
    with pytest.raises(DeployError, match=rf"net\.onnx is refused: its tensor 'weight' .* \({said}.*\); export"):
        open_runtime(path, backend)


@pytest.mark.parametrize('backend', ['onnx', 'openvino'])
def test_a_network_that_does_not_fit_together_is_named(make_onnx, needs, tmp_path, backend, caplog):
    """And warnings are shown afterwards as before: OpenVINO leaves the root logger at ERROR."""
    needs(backend)
    root = logging.getLogger()
    before = root.level, root.filters[:], root.handlers[:]

    def of_whole_numbers(weight):
        weight.data_type, weight.raw_data = weight.INT64, bytes(8)
    path = make_onnx(tmp_path / 'net.onnx', of_whole_numbers)
    with pytest.raises(DeployError, match=r'net\.onnx: (ONNX Runtime|OpenVINO) cannot load it .* export'):
        open_runtime(path, backend)
    assert (root.level, root.filters, root.handlers) == before
    logging.getLogger('schanger_mm.any').warning('a warning')
    assert 'a warning' in caplog.text


PREDICTS = '''
import sys
from pathlib import Path

from mmengine.config import Config

from schanger_mm import apis
from schanger_mm.commands.predict import predict

assert apis.load_config('configs/schanger/demo.py').model  # what is watched below does happen with a config
seen = []
sys.addaudithook(lambda event, args: seen.append(args) if event == 'exec' and 'configs' in str(args[0]) else None)


def refused(*args, **kwargs):
    raise SystemExit('a config is read')


Config.fromfile = Config._file2dict = Config.fromstring = refused
try:
    apis.load_config('configs/schanger/demo.py')
except SystemExit as error:
    assert str(error) == 'a config is read'
else:
    sys.exit('the watch does not work')
status = predict(*sys.argv[1:4], sys.argv[4], device='cpu', window=64, overlap=32)
assert not seen, seen
print('status', status)
'''


def test_predicting_with_an_export_reads_no_config(make_onnx, needs, root, tmp_path):
    needs('onnx')
    pytest.importorskip('rasterio')
    from PIL import Image
    for name, grey in (('a.png', 10), ('b.png', 200)):
        Image.fromarray(np.full((64, 64, 3), grey, np.uint8)).save(tmp_path / name)
    (tmp_path / 'program.py').write_text(PREDICTS)
    files = [make_onnx(tmp_path / 'net.onnx'), tmp_path / 'a.png', tmp_path / 'b.png', tmp_path / 'out']
    done = subprocess.run([sys.executable, tmp_path / 'program.py', *map(str, files)], capture_output=True, text=True,
                          cwd=root, env={**os.environ, 'PYTHONPATH': str(root)}, timeout=600)
    assert 'status 0' in done.stdout, done.stdout + done.stderr
    assert '100.00% of' in done.stdout and Path(tmp_path / 'out/change.tif').is_file()
