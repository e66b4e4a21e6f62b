"""tools/export.py, typed as a user types it; what its options do is tested in tests/test_deploy/test_export.py."""

import os
import re
from importlib.util import find_spec

import pytest

CONFIG = 'configs/schanger/demo.py'


def f1(text):
    return re.findall(r'changed/F1: +([\d.]+)', text)[-1]


@pytest.mark.long
def test_an_export_is_written_scored_and_not_written_twice(run, demo_set, demo_checkpoint, tmp_path):
    if missing := [name for name in ('onnx', 'onnxscript', 'onnxruntime', 'openvino') if find_spec(name) is None]:
        (pytest.fail if os.environ.get('CI') == 'true' else pytest.skip)(f'{missing} not installed (extra [export])')
    out, data = tmp_path / 'net.xml', f'test_dataloader.dataset.data_root={demo_set}'
    words = ['tools/export.py', CONFIG, demo_checkpoint, '--format', 'openvino', '--out', out]
    text = run(*words, '--cfg-options', data)
    assert 'test pair 1: ' in text and f'{out}: ' in text and 'Warning' not in text
    assert sorted(path.name for path in tmp_path.iterdir()) == ['net.bin', 'net.xml']
    error = run(*words, fails=2)
    assert error.count('\n') == 1 and 'exists already; nothing was written' in error

    test = ['tools/test.py', CONFIG]
    options = ['--work-dir', tmp_path / 'w', '--cfg-options', data]
    assert f1(run(*test, out, '--backend', 'openvino', *options)) == f1(run(*test, demo_checkpoint, *options))


@pytest.mark.parametrize(('words', 'message'), [
    (['tools/export.py', CONFIG, 'none.pth', '--format', 'program', '--out', 'a.pt2'], 'error: no checkpoint none.pth'),
    (['tools/export.py', CONFIG, 'none.pth', '--format', 'onnx', '--out', 'a.pt2'], 'must end in .onnx'),
    (['tools/test.py', CONFIG, 'none.onnx'], 'error: no exported network none.onnx'),
    (['tools/predict.py', 'a.pt2', 'a.tif', 'b.tif', '--out', 'none'],
     'error: a.pt2: .pt2 files are written for other programs and not run here'),
])
def test_mistakes_end_in_one_clear_error(run, words, message):
    error = run(*words, fails=2)
    assert message in error and error.count('\n') == 1
