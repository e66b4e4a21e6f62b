import csv
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from schanger_mm.evaluation import ChangeMetric, change_metric
from schanger_mm.evaluation.confusion import Confusion, outcome_codes
from schanger_mm.registry import METRICS

TRUTH = np.array([[1, 1, 1, 0], [0, 0, 0, 255]])
PREDICTION = np.array([[1, 1, 0, 1], [0, 0, 0, 1]])  # TP 2, FP 1, FN 1, TN 3, ignored 1


def sample(prediction, truth=None, path='a/x.png', **meta):
    out = dict(meta, img_path=path, pred_sem_seg=dict(data=torch.as_tensor(prediction)[None]))
    if truth is not None:
        out['gt_sem_seg'] = dict(data=torch.as_tensor(truth)[None])
    return out


def evaluate(samples, batch_size=1, **kwargs):
    metric = ChangeMetric(**kwargs)
    for i in range(0, len(samples), batch_size):
        metric.process({}, samples[i:i + batch_size])
    return metric.evaluate(len(samples))


def files(folder):
    return sorted(f.relative_to(folder).as_posix() for f in folder.rglob('*') if f.is_file())


def test_scores_are_those_computed_by_hand():
    scores = evaluate([sample(PREDICTION, TRUTH)])
    assert list(scores) == [f'changed/{n}' for n in ('F1', 'precision', 'recall', 'IoU', 'OA', 'kappa')]
    assert scores['changed/F1'] == pytest.approx(200 / 3)
    assert scores['changed/precision'] == pytest.approx(200 / 3)
    assert scores['changed/recall'] == pytest.approx(200 / 3)
    assert scores['changed/IoU'] == pytest.approx(50)
    assert scores['changed/OA'] == pytest.approx(500 / 7)
    chance = (3 * 3 + 4 * 4) / 49
    assert scores['changed/kappa'] == pytest.approx(100 * (5 / 7 - chance) / (1 - chance))


def test_ignored_pixels_do_not_count_whatever_is_predicted_there():
    other = PREDICTION.copy()
    other[TRUTH == 255] = 0
    assert evaluate([sample(PREDICTION, TRUTH)]) == evaluate([sample(other, TRUTH)])
    assert Confusion.of(PREDICTION, TRUTH) == Confusion(tp=2, fp=1, fn=1, tn=3, ignored=1)


def test_another_ignore_index():
    truth = np.where(TRUTH == 255, 7, TRUTH)
    assert Confusion.of(PREDICTION, truth, ignore_index=7) == Confusion(2, 1, 1, 3, 1)


def test_float_predictions_as_mmseg_makes_them_for_one_channel():
    assert evaluate([sample(PREDICTION.astype(np.float32), TRUTH)])['changed/F1'] == pytest.approx(200 / 3)


def test_outcome_codes():
    assert outcome_codes(PREDICTION, TRUTH).tolist() == [[3, 3, 2, 1], [0, 0, 0, 4]]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2 ** 32 - 1), st.integers(1, 12), st.integers(1, 12), st.floats(0, 1), st.floats(0, 1))
def test_scores_agree_with_their_definitions(seed, height, width, p_truth, p_ignored):
    rng = np.random.default_rng(seed)
    truth = (rng.random((height, width)) < p_truth).astype(np.int64)
    prediction = np.where(rng.random(truth.shape) < 0.3, 1 - truth, truth)
    marked = np.where(rng.random(truth.shape) < p_ignored, 255, truth)
    t, p = truth[marked != 255], prediction[marked != 255]
    got = Confusion.of(prediction, marked).scores()

    def ratio(a, b):
        return 100 * a / b if b else math.nan

    precision, recall = ratio((t * p).sum(), p.sum()), ratio((t * p).sum(), t.sum())
    f1 = 2 * precision * recall / (precision + recall) if precision + recall else ratio(0, t.sum() + p.sum())
    if math.isnan(precision) or math.isnan(recall):
        f1 = ratio(0, t.sum() + p.sum())  # only one of both is empty: nothing is right
    observed = np.mean(t == p) if t.size else math.nan
    chance = (np.mean(t) * np.mean(p) + np.mean(1 - t) * np.mean(1 - p)) if t.size else math.nan
    kappa = 100 * (observed - chance) / (1 - chance) if t.size and chance < 1 else math.nan
    expected = dict(F1=f1, precision=precision, recall=recall, IoU=ratio((t & p).sum(), (t | p).sum()),
                    OA=100 * observed, kappa=kappa)
    for name, value in expected.items():
        assert got[name] == pytest.approx(value, nan_ok=True, abs=1e-8), name


@pytest.mark.parametrize('batch_size', [1, 3, 8])
@pytest.mark.parametrize('tile', [4, 8, 16])
def test_neither_tiles_nor_batches_change_a_score(batch_size, tile):
    rng = np.random.default_rng(0)
    truth, prediction = rng.choice([0, 1, 255], (32, 32)), rng.integers(0, 2, (32, 32))
    tiles = [(slice(y, y + tile), slice(x, x + tile)) for y in range(0, 32, tile) for x in range(0, 32, tile)]
    whole = evaluate([sample(prediction, truth)])
    assert evaluate([sample(prediction[t], truth[t]) for t in tiles], batch_size) == whole


def test_images_of_different_size_go_together():
    scores = evaluate([sample(PREDICTION, TRUTH), sample(np.ones((1, 1)), np.ones((1, 1)))])
    assert scores['changed/F1'] == pytest.approx(100 * 6 / 8)


def test_a_second_evaluation_starts_afresh():
    metric = ChangeMetric()
    for _ in range(2):
        metric.process({}, [sample(PREDICTION, TRUTH)])
        assert metric.evaluate(1)['changed/F1'] == pytest.approx(200 / 3)


def test_nothing_changed_and_nothing_found_is_nan_and_said_once(monkeypatch):
    said = []
    monkeypatch.setattr(change_metric, 'print_log', lambda text, **kw: said.append(text))
    metric, empty = ChangeMetric(), np.zeros((4, 4))
    for _ in range(2):
        metric.process({}, [sample(empty, empty)])
        scores = metric.evaluate(1)
        assert math.isnan(scores['changed/F1']) and math.isnan(scores['changed/kappa'])
        assert scores['changed/OA'] == 100
    assert sum('changed/F1 is undefined' in text for text in said) == 1


def test_labels_of_0_and_255_are_named_as_the_likely_cause(monkeypatch):
    said = []
    monkeypatch.setattr(change_metric, 'print_log', lambda text, **kw: said.append(text))
    evaluate([sample(np.zeros((2, 2)), np.array([[0, 255], [255, 0]]))])
    assert '2 pixels are ignored' in said[0] and 'map 255 to 1' in said[0]


def test_missing_and_found_nothing_is_0_not_nan():
    scores = evaluate([sample(np.zeros((2, 2)), np.ones((2, 2)))])
    assert scores['changed/F1'] == 0 and math.isnan(scores['changed/precision'])


def test_the_prefix_can_be_set_and_the_registry_knows_it():
    metric = METRICS.build(dict(type='ChangeMetric', prefix='building'))
    metric.process({}, [sample(PREDICTION, TRUTH)])
    assert 'building/F1' in metric.evaluate(1)


def test_a_table_is_logged(monkeypatch):
    said = []
    monkeypatch.setattr(change_metric, 'print_log', lambda text, **kw: said.append(text))
    evaluate([sample(PREDICTION, TRUTH)])
    assert '66.67' in said[-1] and 'kappa' in said[-1] and '12.5%' in said[-1]


@pytest.mark.parametrize(('bad', 'message'), [
    (sample(PREDICTION, TRUTH[:1], ['A/x.png', 'B/x.png']), 'A/x.png: the prediction is 2 x 4, the truth 1'),
    (sample(PREDICTION, path='A/x.png'), 'A/x.png has no truth'),
    (sample(PREDICTION, TRUTH * 2, 'x.png'), 'x.png: the truth holds the value 2'),
    (sample(PREDICTION * 3, TRUTH, 'x.png'), 'x.png: the prediction holds the value 3'),
    (sample(PREDICTION, TRUTH * 2, None), r'sample 0 \(no img_path\)'),
])
def test_errors_name_the_image(bad, message):
    with pytest.raises(ValueError, match=message):
        ChangeMetric().process({}, [bad])


def test_predictions_and_table_are_written_under_date_as_name(tmp_path):
    paths = ['d/A/one.tif', 'd/B/other.tif']
    empty = sample(PREDICTION * 0, TRUTH * 0, 'two.png')
    evaluate([sample(PREDICTION, TRUTH, paths), empty], output_dir=tmp_path)
    written = np.asarray(Image.open(tmp_path / 'predictions/one.png'))
    assert written.dtype == np.uint8 and written.tolist() == (PREDICTION * 255).tolist()
    assert files(tmp_path) == ['per_image.csv', 'predictions/one.png', 'predictions/two.png']
    with (tmp_path / 'per_image.csv').open() as stream:
        rows = list(csv.reader(stream))
    assert rows == [['name', 'F1', 'TP', 'FP', 'FN', 'TN'], ['one', '66.6667', '2', '1', '1', '3'],
                    ['two', '', '0', '0', '0', '8']]


def test_two_images_of_one_name_do_not_overwrite_each_other(tmp_path):
    metric = ChangeMetric(output_dir=tmp_path)
    metric.process({}, [sample(PREDICTION, TRUTH, 'a/x.png')])
    with pytest.raises(ValueError, match=r'b/x\.png and a/x\.png would both be written'):
        metric.process({}, [sample(PREDICTION, TRUTH, 'b/x.png')])
    metric.evaluate(1)
    metric.process({}, [sample(PREDICTION, TRUTH, 'b/x.png')])  # the next evaluation may


def test_equal_stems_in_different_sub_folders_do_not_collide(tmp_path):
    names = ['paris/tile_1', 'rome/tile_1']
    samples = [sample(PREDICTION, TRUTH, f'{name}.png', name=name) for name in names]
    for batch_size in (1, 2):
        evaluate(samples, batch_size, output_dir=tmp_path)
        assert files(tmp_path) == ['per_image.csv', *(f'predictions/{name}.png' for name in names)]
        table = (tmp_path / 'per_image.csv').read_text().splitlines()
        assert [line.split(',')[0] for line in table[1:]] == names


def test_the_table_says_how_much_of_the_official_split_was_scored(monkeypatch):
    said = []
    monkeypatch.setattr(change_metric, 'print_log', lambda text, **kw: said.append(text))
    for images, words in ((1, "PARTIAL: 2 of the 4 tiles of X-CD's official test split; not comparable with published"),
                          (2, 'the full official test split of X-CD (4 tiles of 256 px)')):
        metric = ChangeMetric()
        metric.dataset_meta = dict(data_set='X-CD', split='test', official_tiles=4)
        for _ in range(images):
            metric.process({}, [sample(np.ones((10, 257)), np.ones((10, 257)))])
        metric.evaluate(images)
        assert words in said[-1] and '100.00' in said[-1]
        assert metric.evaluation.partial == (images == 1) and metric.evaluation.total.tp == images * 2570


def test_format_only_needs_no_truth_but_a_folder(tmp_path):
    assert evaluate([sample(PREDICTION)], output_dir=tmp_path, format_only=True) == {}
    assert files(tmp_path) == ['predictions/x.png']
    with pytest.raises(ValueError, match='output_dir'):
        ChangeMetric(format_only=True)


def test_a_network_that_yields_nan_is_not_scored():
    logits = torch.zeros(1, 2, 2)
    scored = sample(np.zeros((2, 2)), np.zeros((2, 2)))
    ChangeMetric().process({}, [dict(scored, seg_logits=dict(data=logits))])
    logits[0, 1, 1] = float('nan')
    with pytest.raises(ValueError, match='the network yields NaN for x: its weights'):
        ChangeMetric().process({}, [dict(scored, seg_logits=dict(data=logits))])
