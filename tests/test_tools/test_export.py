"""tools/export.py, typed as a user types it; what its options do is tested in tests/test_apis/test_export.py."""

import os
import re
import zipfile
from importlib.util import find_spec

import pytest
import torch

from schanger_mm.apis import load_config
from schanger_mm.datasets.synthetic import DemoSizes, write_demo_set
from schanger_mm.deploy.card import Card
from schanger_mm.registry import MODELS

CONFIG = 'configs/schanger/demo.py'


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp('demo') / 'data'
    write_demo_set(root, DemoSizes(pretrain_train=1, pretrain_val=1, train=1, val=1, test=2), image_size=64)
    return f'test_dataloader.dataset.data_root={root}'


@pytest.fixture(scope='module')
def checkpoint(root, tmp_path_factory):
    """Random weights."""
    torch.manual_seed(0)
    network = MODELS.build({'_scope_': 'schanger_mm', **load_config(root / CONFIG).model})
    path = tmp_path_factory.mktemp('weights') / 'random.pth'
    torch.save({'state_dict': network.state_dict()}, path)
    return path


def f1(text):
    return re.findall(r'changed/F1: +([\d.]+)', text)[-1]


@pytest.mark.long
def test_an_export_is_written_scored_and_not_written_twice(run, data, checkpoint, tmp_path):
    if missing := [name for name in ('onnx', 'onnxscript', 'onnxruntime', 'openvino') if find_spec(name) is None]:
        (pytest.fail if os.environ.get('CI') == 'true' else pytest.skip)(f'{missing} not installed (extra [export])')
    out = tmp_path / 'net.xml'
    words = ['tools/export.py', CONFIG, checkpoint, '--format', 'openvino', '--out', out]
    text = run(*words, '--cfg-options', data)
    assert 'test pair 1: ' in text and f'{out}: ' in text and 'Warning' not in text
    assert sorted(path.name for path in tmp_path.iterdir()) == ['net.bin', 'net.xml']
    error = run(*words, fails=2)
    assert error.count('\n') == 1 and 'exists; name another file, or pass --overwrite' in error

    test = ['tools/test.py', CONFIG]
    options = ['--work-dir', tmp_path / 'w', '--cfg-options', data]
    assert f1(run(*test, out, '--backend', 'openvino', *options)) == f1(run(*test, checkpoint, *options))


@pytest.mark.parametrize(('words', 'message'), [
    (['tools/export.py', CONFIG, 'none.pth', '--format', 'program', '--out', 'a.pt2'], 'error: no checkpoint none.pth'),
    (['tools/export.py', CONFIG, 'none.pth', '--format', 'onnx', '--out', 'a.pt2'], 'must end in .onnx'),
    (['tools/test.py', CONFIG, 'none.onnx'], 'error: no exported network none.onnx'),
])
def test_mistakes_end_in_one_clear_error(run, words, message):
    error = run(*words, fails=2)
    assert message in error and error.count('\n') == 1


def test_a_pt2_needs_a_word_of_trust(run, tmp_path):
    card = Card(('before', 'after'), ('unchanged', 'changed'), ((0.0, ) * 3, ) * 2, ((1.0, ) * 3, ) * 2, 'inside', 0.5,
                256, False, None, True, 'c.py', 'c.pth', '0' * 64, {})
    file = tmp_path / 'net.pt2'
    with zipfile.ZipFile(file, 'w') as archive:
        archive.writestr('net/extra/schanger_mm.json', card.dumps())
    words = ['tools/predict.py', file, 'a.tif', 'b.tif', '--out', tmp_path, '--device', 'cpu']
    error = run(*words, fails=2)
    assert error.count('\n') == 1 and 'net.pt2 is refused: PyTorch runs code' in error
    assert 'pass --i-trust-this-file' in error
    error = run(*words, '--i-trust-this-file', fails=2)
    assert 'net.pt2: PyTorch cannot load it' in error
