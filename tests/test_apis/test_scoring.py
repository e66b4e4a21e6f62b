"""Scoring a checkpoint: options, protocol and report, on a random network and drawn pairs."""

import csv
import hashlib
import json
import shutil

import cv2
import numpy as np
import pytest
import torch
from mmengine.registry import DefaultScope
from PIL import Image

from schanger_mm import apis
from schanger_mm.apis import scoring
from schanger_mm.engine.hooks import lineage_hook
from schanger_mm.models import ChangeTTAModel
from schanger_mm.registry import SCOPE
from schanger_mm.utils.devices import FOR_INFERENCE

NAMES = ['0000', '0001', '0002']


@pytest.fixture(scope='module')
def score(root, demo_set, demo_checkpoint, tmp_path_factory):
    """Return a function that tests, with options of test_only and of evaluate."""
    def score(out=None, worst=None, overwrite=False, change=lambda cfg: None, **options):
        cfg = apis.load_config(root / 'configs/schanger/demo.py')
        apis.prepare(cfg, 'demo.py', str(tmp_path_factory.mktemp('work')))
        cfg.test_dataloader.update(num_workers=0, persistent_workers=False)
        cfg.test_dataloader.dataset.update(data_root=str(demo_set), type='LEVIRCDDataset')
        change(cfg)
        apis.test_only(cfg, str(demo_checkpoint), **options)
        return apis.evaluate(cfg, out and str(out), worst, overwrite)
    return score


@pytest.fixture(scope='module')
def plain(score, tmp_path_factory):
    """Scores and folder of a test without options; not to be changed."""
    folder = tmp_path_factory.mktemp('plain')
    with DefaultScope.overwrite_default_scope(SCOPE):
        return score(folder, worst=2), folder


def content(folder):
    return {f.relative_to(folder).as_posix(): f.read_bytes() for f in folder.rglob('*') if f.is_file()}


def test_the_report_agrees_with_the_files(plain, demo_set, demo_checkpoint):
    scores, out = plain
    report = json.loads((out / 'report.json').read_text())
    masks = [np.asarray(Image.open(out / f'predictions/{name}.png')) for name in NAMES]
    truths = [cv2.imread(str(demo_set / f'test/label/{name}.png'), 0) > 0 for name in NAMES]
    assert all(set(np.unique(mask)) == {0, 255} for mask in masks)
    rows = []
    for name, mask, truth in zip(NAMES, masks, truths, strict=True):
        p = mask > 0
        rows.append((name, int((p & truth).sum()), int((p & ~truth).sum()), int((~p & truth).sum()),
                     int((~p & ~truth).sum())))
    tp, fp, fn, tn = (sum(column) for column in list(zip(*rows, strict=True))[1:])
    assert report['confusion'] == dict(TP=tp, FP=fp, FN=fn, TN=tn, ignored=0) and tp + fp + fn + tn == 3 * 64 * 64
    assert report['scores']['F1'] == pytest.approx(200 * tp / (2 * tp + fp + fn)) == scores['changed/F1']
    assert report['scores']['IoU'] == pytest.approx(100 * tp / (tp + fp + fn))
    groups = report['calibration']['groups']
    assert sum(group['pixels'] for group in groups) == tp + fp + fn + tn
    assert sum(group['pixels'] * group['changed'] for group in groups) == pytest.approx(100 * (tp + fn))
    assert report['calibration']['error'] == pytest.approx(sum(
        group['pixels'] * abs(group['probability'] - group['changed']) for group in groups) / (tp + fp + fn + tn))
    with (out / 'per_image.csv').open() as stream:
        table = list(csv.DictReader(stream))
    assert [(r['name'], *(int(r[k]) for k in ('TP', 'FP', 'FN', 'TN'))) for r in table] == rows

    by_errors = [row[0] for row in sorted(rows, key=lambda row: -row[2] - row[3])]
    assert sorted(f.name for f in (out / 'worst').iterdir()) == [
        f'01_{by_errors[0]}.png', f'02_{by_errors[1]}.png']
    assert report | dict(date='', scores=0, confusion=0, calibration=0) == dict(
        form='inference form, fp32', data_set='LEVIR-CD', split='test', images=3, tiles=3, official_tiles=2048,
        partial=True,
        coverage="PARTIAL: 3 of the 2048 tiles of LEVIR-CD's official test split; not comparable with published "
                 'numbers', scores=0, confusion=0, calibration=0,
        protocol="authors' (256 px tiles, no TTA, threshold 0.5)", threshold=0.5,
        config=report['config'], checkpoint=str(demo_checkpoint),
        checkpoint_sha256=hashlib.sha256(demo_checkpoint.read_bytes()).hexdigest(), versions=report['versions'],
        date='')
    assert report['config'].endswith('configs/schanger/demo.py') and report['versions']['torch'] == torch.__version__
    assert not (out / '.partial').exists()


def test_the_inference_form_is_the_default_and_scores_like_the_plain_network(plain, score, tmp_path):
    scores, out = plain
    again = score(tmp_path, plain=True)
    assert json.loads((out / 'report.json').read_text())['form'] == 'inference form, fp32'
    assert json.loads((tmp_path / 'report.json').read_text())['form'] == 'plain'
    assert {key: round(value, 2) for key, value in again.items()} == {
        key: round(value, 2) for key, value in scores.items()}


@pytest.mark.skipif(torch.cuda.is_available(), reason='the allocator is that of CPUs')
def test_training_keeps_all_freed_memory_and_a_test_keeps_some(score, tmp_path, monkeypatch):
    """The Runner asks for what training needs; a test lowers it before its first image."""
    asked = []
    monkeypatch.setattr('schanger_mm.engine.runner.keep_freed_memory', lambda: asked.append('all'))
    monkeypatch.setattr(scoring, 'keep_freed_memory', asked.append)
    monkeypatch.setattr('mmengine.runner.Runner.test', lambda runner: asked.append('test') or {})
    score()
    assert asked == ['all', FOR_INFERENCE, 'test']


def test_other_precision_scores_nearly_the_same(plain, score, tmp_path):
    found = score(tmp_path, precision='bf16')
    assert found['changed/F1'] == pytest.approx(plain[0]['changed/F1'], abs=2)
    assert found != plain[0]
    assert json.loads((tmp_path / 'report.json').read_text())['form'] == 'inference form, bf16'


def test_batches_change_nothing(plain, score, tmp_path):
    scores, out = plain
    assert score(tmp_path, worst=2, batch_size=3) == scores
    one, three = content(out), content(tmp_path)
    one.pop('report.json'), three.pop('report.json')
    assert one == three and len(one) == 3 + 1 + 2


def test_images_of_different_size_in_a_batch_are_refused(score, demo_set, tmp_path):
    shutil.copytree(demo_set / 'test', tmp_path / 'data/test')
    for part in ('A', 'B', 'label'):
        file = tmp_path / 'data/test' / part / '0001.png'
        cv2.imwrite(str(file), cv2.imread(str(file), cv2.IMREAD_UNCHANGED)[:32])

    def change(cfg):
        cfg.test_dataloader.dataset.data_root = str(tmp_path / 'data')

    with pytest.raises(ValueError, match=r'different sizes \[\(32, 64\), \(64, 64\)\]; set batch_size=1'):
        score(change=change, batch_size=3, plain=True)


@pytest.mark.parametrize(('mode', 'test_cfg'), [
    ('tiles', dict(mode='slide', crop_size=(256, 256), stride=(256, 256))),
    ('overlap', dict(mode='slide', crop_size=(256, 256), stride=(128, 128))),
    ('whole', dict(mode='whole')),
    (None, dict(mode='slide', crop_size=(256, 256), stride=(256, 256))),
])
def test_modes(root, demo_checkpoint, mode, test_cfg):
    cfg = apis.load_config(root / 'configs/schanger/levir.py')
    apis.test_only(cfg, str(demo_checkpoint), mode=mode)
    assert cfg.model.test_cfg == test_cfg


def test_views_reach_the_network_and_the_report(score, tmp_path, monkeypatch):
    runners = []

    def build(cfg):
        runners.append(apis.build_runner(cfg))
        return runners[0]

    monkeypatch.setattr(scoring, 'build_runner', build)
    score(tmp_path, worst=0, mode='overlap', tta=True, tta_scales=[0.5, 1.0], batch_size=2, plain=True)
    (runner, ) = runners
    assert isinstance(runner.model, ChangeTTAModel) and runner.model.module.test_cfg.stride == (128, 128)
    assert len(runner.test_dataloader.dataset[0]['inputs']) == 8
    protocol = json.loads((tmp_path / 'report.json').read_text())['protocol']
    assert protocol.endswith(': TTA over 4 flips at scales 0.5, 1.0')  # an image of one tile has one window
    assert not (tmp_path / 'worst').exists() and len(content(tmp_path)) == 3 + 2


def test_an_earlier_report_is_refused_before_anything_is_built(score, tmp_path, monkeypatch):
    (tmp_path / 'report.json').write_text('{}')
    monkeypatch.setattr(scoring, 'build_runner', lambda cfg: pytest.fail('built'))
    with pytest.raises(ValueError, match='it already holds report.json; use another folder, or pass --overwrite'):
        score(tmp_path)


def test_a_test_that_fails_leaves_the_earlier_report(plain, score, demo_set, tmp_path):
    shutil.copytree(plain[1], tmp_path / 'out')
    before = content(tmp_path / 'out')
    shutil.copytree(demo_set / 'test', tmp_path / 'data/test')
    broken = tmp_path / 'data/test/B/0002.png'
    broken.write_bytes(broken.read_bytes()[:2000])
    with pytest.raises(ValueError, match='0002.png'):
        score(tmp_path / 'out', overwrite=True, plain=True,
              change=lambda cfg: cfg.test_dataloader.dataset.update(data_root=str(tmp_path / 'data')))
    after = content(tmp_path / 'out')
    assert {k: v for k, v in after.items() if not k.startswith('.partial/')} == before


def test_images_without_labels_get_predictions_and_no_scores(score, tmp_path):
    def change(cfg):
        cfg.test_dataloader.dataset.pipeline.pop(1)
        cfg.test_evaluator.format_only = True

    assert score(tmp_path, change=change, plain=True) == {}
    assert sorted(content(tmp_path)) == [*(f'predictions/{name}.png' for name in NAMES), 'report.json']
    report = json.loads((tmp_path / 'report.json').read_text())
    assert (report['scores'], report['confusion'], report['images']) == (None, None, 3)


def other_metric(cfg):
    cfg.test_evaluator = dict(type='mmseg.IoUMetric')


@pytest.mark.parametrize(('options', 'message'), [
    (dict(batch_size=0), '--batch-size 0: expected 1 or more'),
    (dict(tta_scales=[1.0]), 'add --tta'),
    (dict(tta=True, tta_scales=[0.75, 1.25]), '--tta-scales 0.75 1.25: expected .* among them 1.0'),
    (dict(tta=True, tta_scales=[-1.0, 1.0]), 'numbers above 0'),
    (dict(tta=True, tta_scales=[1.0, 1.0]), 'different numbers'),
    (dict(tta=True, change=lambda cfg: cfg.update(tta_pipeline=[dict()])), 'set tta_pipeline=None'),
    (dict(tta=True, change=lambda cfg: cfg.test_dataloader.dataset.pop('pipeline')), 'has no pipeline of its own'),
    (dict(plain=True, precision='bf16'), '--plain is the network as it was trained, in float32'),
    (dict(plain=True, backend='onnx'), 'omit --precision and --backend'),
    (dict(worst=3), 'add --out DIR'),
    (dict(overwrite=True), 'add --out DIR'),
    (dict(out='out', worst=-1), '--worst -1: expected 0 or more'),
    (dict(out='out', change=other_metric), 'needs ChangeMetric, but test_evaluator is mmseg.IoUMetric'),
    (dict(change=lambda cfg: cfg.update(test_cfg=None)), 'the config has no test'),
])
def test_options_that_make_no_sense_are_refused(score, options, message):
    with pytest.raises(apis.ConfigError, match=message):
        score(**options)


def test_a_missing_checkpoint_is_refused(root):
    with pytest.raises(apis.ConfigError, match='no checkpoint none.pth'):
        apis.test_only(apis.load_config(root / 'configs/schanger/demo.py'), 'none.pth')


def test_single_images_get_views_too(root):
    cfg = apis.load_config(root / 'configs/schanger/pretrain_demo.py')
    cfg.test_dataloader = cfg.val_dataloader
    scoring.augment(cfg, [1.0])
    *_, views = cfg.test_dataloader.dataset.pipeline
    assert views['transforms'][1][3] == dict(type='mmseg.RandomFlip', prob=1.0, direction='diagonal')
    assert views['transforms'][2] == [dict(type='mmseg.PackSegInputs')]


def test_images_read_otherwise_than_in_the_training_are_a_warning(score, monkeypatch):
    found, compare = [], lineage_hook._other_reading
    monkeypatch.setattr(lineage_hook, '_other_reading', lambda *args: found.append(list(compare(*args))) or found[-1])
    for settings in ({}, dict(bands='all', scale='0:255')):
        score(change=lambda cfg, more=settings: cfg.test_dataloader.dataset.pipeline[0].update(more))
    assert found[0] == [] and [line.partition(', and ')[0].rpartition(' ')[2] for line in found[1]] == [
        'bands=all', 'scale=0:255']
    assert all(line.endswith('was trained with None: its scores will be off; set it as in the training.')
               for line in found[1])
