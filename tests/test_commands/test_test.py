"""tools/test.py, typed as a user types it; what its options do is tested in tests/test_apis/test_evaluate.py."""

import json

import numpy as np
import pytest
from PIL import Image

from schanger_mm.demo.scenes import DemoSizes, write_demo_set

CONFIG = 'configs/schanger/demo.py'


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp('demo') / 'data'
    write_demo_set(root, DemoSizes(pretrain_train=1, pretrain_val=1, train=1, val=1, test=3), image_size=64)
    for part in ('A', 'B', 'label'):  # equal stems in different folders
        (root / 'test' / part / 'city').mkdir()
        (root / 'test' / part / '0002.png').rename(root / 'test' / part / 'city/0000.png')
    return root


def test_scoring_writes_the_report_and_pictures(run, data, demo_checkpoint, tmp_path):
    words = ['tools/test.py', CONFIG, demo_checkpoint, '--work-dir', tmp_path / 'w', '--out', tmp_path / 'out',
             '--worst', 1, '--show-dir', tmp_path / 'show', '--mode', 'overlap', '--tta', '--tta-scales', '1.0', '1.25',
             '--batch-size', 3, '--cfg-options', f'test_dataloader.dataset.data_root={data}']
    text = run(*words)
    assert 'the drawn scenes, test: 3 images, 3 tiles of up to 256 px' in text
    assert "not the authors' (256 px tiles, no TTA, threshold 0.5): TTA over 4 flips at scales 1.0, 1.25" in text
    names = ['0000', '0001', 'city/0000']
    for folder in ('show', 'out/predictions'):
        found = (tmp_path / folder).rglob('*.png')
        assert sorted(f.relative_to(tmp_path / folder).with_suffix('').as_posix() for f in found) == names
    masks = [np.asarray(Image.open(tmp_path / f'out/predictions/{name}.png')) for name in names]
    counts = json.loads((tmp_path / 'out/report.json').read_text())['confusion']
    assert sum(int((mask == 255).sum()) for mask in masks) == counts['TP'] + counts['FP']
    truths = [np.asarray(Image.open(data / f'test/label/{name}.png')) for name in names]
    assert sum(int((truth > 0).sum()) for truth in truths) == counts['TP'] + counts['FN']
    assert len(list((tmp_path / 'out/worst').iterdir())) == 1
    metrics = json.loads(next((tmp_path / 'w').glob('*/*.json')).read_text())
    assert 'changed/F1' in metrics

    error = run(*words, fails=2)
    assert error.count('\n') == 1 and 'it already holds predictions, worst, per_image.csv, report.json' in error


@pytest.mark.parametrize(('words', 'message'), [
    (['none.pth'], 'error: no checkpoint none.pth'),
    (['none.pth', '--mode', 'tile'], "invalid choice: 'tile'"),
])
def test_mistakes_end_in_one_clear_error(run, tmp_path, words, message):
    assert message in run('tools/test.py', CONFIG, *words, '--work-dir', tmp_path, fails=2)
