"""The study with two iterations for each training."""

import json

import numpy as np
import pytest

from schanger_mm.demo.scenes import DemoSizes
from schanger_mm.experiments import study
from schanger_mm.experiments.study import NETWORKS, Study

SEMI = 'SChanger, semi-supervised'


@pytest.mark.long
def test_study_shortened(root, tmp_path, monkeypatch):
    """Every kind of training for two iterations; the scores mean nothing."""
    monkeypatch.setenv('PYTHONPATH', str(root))
    monkeypatch.setitem(NETWORKS, 'SChanger', ('schanger-tiny', {
        name: NETWORKS['SChanger'][1][name] for name in ('random', 'SaDL, then supervised')}))
    monkeypatch.setitem(NETWORKS, SEMI, ('unimatch-v2_schanger-tiny', {
        'SaDL, then supervised': NETWORKS[SEMI][1]['SaDL, then supervised']}))
    monkeypatch.setitem(NETWORKS, 'ResNet-18-FPN', ('fpn-cd_r18', {
        name: NETWORKS['ResNet-18-FPN'][1][name] for name in ('SimSiam', 'SaDL, then supervised')}))
    monkeypatch.setattr(study, 'PERCENT', (5, 100))
    sizes = DemoSizes(pretrain_train=16, pretrain_val=2, train=20, val=1, test=2)
    result = Study(root, tmp_path / 'out', (1, ), jobs=2, max_iters=2, sizes=sizes).run()
    cells = [values for starts in result.values() for by in starts.values() for values in by.values()]
    assert len(cells) == 9 and all(len(values) == 1 for values in cells)
    assert all(0 <= value <= 100 and np.isfinite(value) for values in cells for value in values)
    assert json.loads((tmp_path / 'out/results.json').read_text()) == {
        'seeds': [1], 'F1': json.loads(json.dumps(result))}
    for chain in ('SChanger/SaDL+supervised_5', f'{SEMI}/SaDL+supervised_5', 'ResNet-18-FPN/SaDL+supervised_100',
                  'ResNet-18-FPN/SimSiam_5'):
        (log, ) = (tmp_path / 'out/seed_1' / chain).glob('train.log')
        assert 'entries taken; new: decode_head' in log.read_text(), chain
