import csv
import io
import json
import math

import numpy as np
import pytest
import torch
from mmengine.config import Config
from PIL import Image

from schanger_mm import apis
from schanger_mm.analysis import thresholds
from schanger_mm.analysis.thresholds import as_csv, draw, summary, sweep_split, table
from schanger_mm.apis import ConfigError, build_runner, load_config, prepare
from schanger_mm.checkpoints import read_checkpoint
from schanger_mm.checkpoints.convert import network, write_weights
from schanger_mm.demo.scenes import DemoSizes, write_demo_set
from schanger_mm.evaluation.threshold_sweep import Sweep, count_probabilities
from schanger_mm.utils.errors import SettingError


@pytest.fixture
def sweep():
    """Two changed pixels at 0.9 and 0.3, an unchanged one at 0.1, an ignored one."""
    return count_probabilities(np.array([[0.9, 0.3], [0.1, 0.7]]), np.array([[1, 1], [0, 255]]), 10)


def test_the_summary_holds_both_thresholds_and_is_strict_json(sweep):
    content = json.loads(json.dumps(summary(sweep), allow_nan=False))
    assert content['average_precision'] == 100 and content['bins'] == 10
    assert content['at_0.5']['confusion'] == dict(TP=1, FP=0, FN=1, TN=1, ignored=1)
    assert content['at_0.5']['scores']['F1'] == pytest.approx(200 / 3)
    assert content['best']['threshold'] == 0.1 and content['best']['scores']['F1'] == 100
    assert (content['same_F1_from'], content['same_F1_to']) == (0.1, 0.2)


def test_undefined_scores_are_none():
    found_none = count_probabilities(np.array([[0.0, 0.0]]), np.array([[1, 0]]), 2)
    assert summary(found_none)['at_0.5']['scores']['precision'] is None


def test_the_csv_has_a_line_per_threshold(sweep):
    rows = list(csv.DictReader(io.StringIO(as_csv(sweep))))
    assert [row['threshold'] for row in rows] == ['0', *(f'0.{k}' for k in range(1, 10)), '1']
    assert rows[5] == dict(threshold='0.5', TP='1', FP='0', FN='1', TN='1', F1='66.6667', precision='100.0000',
                           recall='50.0000', IoU='50.0000')
    assert rows[10]['precision'] == '' and rows[0]['FP'] == '1'


def test_the_table_says_how_wide_the_best_threshold_is(sweep):
    said = table(sweep)
    assert 'best threshold 0.1 (the same F1 from 0.1 to 0.2)' in said
    assert '1 pixels ignored' in said and 'average precision 100.00 %' in said


def test_the_picture_marks_both_thresholds(sweep, tmp_path):
    draw(sweep, 'a $title$', tmp_path / 'p.png')
    pixels = np.asarray(Image.open(tmp_path / 'p.png').convert('RGB')).astype(int)
    for colour in ((0x2E, 0x8B, 0xC0), (0xD5, 0x5E, 0x00), (0x00, 0x9E, 0x73)):
        near = np.abs(pixels - colour).sum(2) < 30
        left, right = np.split(near, 2, axis=1)
        assert left.sum() > 100 and right.sum() > 100


def test_the_summary_says_how_far_probabilities_can_be_trusted():
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (200, 200))
    truth = (rng.random(logits.shape) < 1 / (1 + np.exp(-logits / 2))).astype(np.uint8)
    sweep = count_probabilities(1 / (1 + np.exp(-logits)), truth, 1000)
    found = summary(sweep)['calibration']
    assert found['temperature'] == pytest.approx(2, rel=0.05)
    assert found['error'] > 5 > 1 > found['error_at_temperature']
    assert f'{found["error"]:.2f} %, {found["error_at_temperature"]:.2f} % at temperature {found["temperature"]:.4g}' \
        in table(sweep)


def test_a_split_without_change_has_no_best_threshold():
    empty = Sweep(np.array([[1, 0, 0], [0, 0, 0]]))
    assert math.isnan(empty.average_precision)
    with pytest.raises(ValueError, match='no pixel of the truth is changed'):
        table(empty)


def test_a_config_without_the_split_is_refused(root):
    cfg = load_config(root / 'configs/schanger/demo.py')
    cfg.val_dataloader = None
    with pytest.raises(ConfigError, match=r'demo\.py has no val split: set val_dataloader, or pass --split test'):
        sweep_split(cfg, 'x.pth')


def test_the_sweep_of_a_runner_agrees_with_its_change_metric(root, tmp_path):
    sizes = DemoSizes(pretrain_train=1, pretrain_val=1, train=1, val=2, test=1)
    write_demo_set(tmp_path / 'data', sizes, image_size=64)
    model = network((8, 8, 12, 16, 20, 24), 2)
    torch.nn.init.normal_(model.decode_head.conv_seg.weight, std=20.0)  # probabilities all over the range
    write_weights(tmp_path / 'random.pth', model.state_dict())

    def config():
        cfg = load_config(root / 'configs/schanger/demo.py')
        prepare(cfg, 'demo.py', str(tmp_path / 'work'))
        cfg.val_dataloader.update(num_workers=0)
        cfg.val_dataloader.dataset.data_root = str(tmp_path / 'data')
        return cfg

    sweep = sweep_split(config(), str(tmp_path / 'random.pth'), bins=100)
    cfg = config()
    cfg.test_dataloader = cfg.val_dataloader
    apis.test_only(cfg, str(tmp_path / 'random.pth'))
    runner = build_runner(cfg)
    runner.test()
    (metric, ) = runner.test_loop.evaluator.metrics
    assert sweep.at(0.5) == metric.evaluation.total
    assert min(sweep.at(0.5).tp, sweep.at(0.5).tn) > 0 and (sweep.counts.sum(0) > 0).sum() > 10


def test_a_temperature_is_kept_for_the_weights_that_were_scored(sweep, tmp_path, monkeypatch):
    """And nothing is written where the file was replaced meanwhile."""
    def swept(cfg, checkpoint, split, bins):
        if replaced:
            torch.save(dict(meta={}, state_dict={'a': torch.ones(1)}), path)
        return sweep

    path, kept = tmp_path / 'a.pth', tmp_path / 'kept.pth'
    torch.save(dict(meta=dict(cfg='a = 1'), state_dict={'a': torch.zeros(1)}), path)
    monkeypatch.setattr(thresholds, 'sweep_split', swept)
    cfg = Config(dict(work_dir=str(tmp_path), load_from=None))
    replaced = True
    with pytest.raises(SettingError, match='a.pth: it changed while it was scored'):
        thresholds.sweep_checkpoint(cfg, str(path), keep=kept)
    assert [found.name for found in tmp_path.iterdir()] == ['a.pth']
    replaced = False
    torch.save(dict(meta=dict(cfg='a = 1'), state_dict={'a': torch.zeros(1)}), path)
    assert str(kept) in thresholds.sweep_checkpoint(cfg, str(path), keep=kept)
    assert (tmp_path / 'threshold_sweep_val/sweep.csv').exists()
    kept_value = read_checkpoint(kept).config()['temperature']
    assert kept_value == pytest.approx(thresholds.fit_temperature(sweep), abs=1e-6)
