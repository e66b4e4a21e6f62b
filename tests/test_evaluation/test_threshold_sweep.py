import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from schanger_mm.evaluation import ChangeMetric
from schanger_mm.evaluation.confusion import Confusion
from schanger_mm.evaluation.threshold_sweep import ThresholdSweep, change_probability, count_probabilities
from schanger_mm.registry import METRICS

SIDE = 4
EDGES = st.sampled_from([np.float32(k / 10) for k in range(11)])  # probabilities that lie on thresholds
PROBABILITIES = arrays.arrays(np.float32, (SIDE, SIDE), elements=EDGES | st.floats(0, 1, width=32))
TRUTHS = arrays.arrays(np.uint8, (SIDE, SIDE), elements=st.sampled_from([0, 1, 255]))


def sample(probability, truth, path='a.png'):
    return dict(img_path=[path, 'b.png'], seg_logits=dict(data=torch.as_tensor(probability)[None]),
                pred_sem_seg=dict(data=(torch.as_tensor(probability) > 0.5)[None].long()),
                gt_sem_seg=dict(data=torch.as_tensor(truth)[None].long()))


def evaluate(metric, samples):
    metric.process({}, samples)
    return metric.evaluate(len(samples))


@settings(max_examples=60, deadline=None)
@given(PROBABILITIES, TRUTHS)
def test_every_threshold_counts_what_torch_predicts_there(probability, truth):
    sweep = count_probabilities(probability, truth, 10)
    for threshold in sweep.thresholds:  # as the decode head compares: float32 against a Python number
        predicted = torch.as_tensor(probability) > float(threshold)
        assert sweep.at(threshold) == Confusion.of(predicted.long(), truth)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(PROBABILITIES, TRUTHS), min_size=1, max_size=4), st.sampled_from([2, 10, 1000]))
def test_at_one_half_it_agrees_with_the_change_metric(pairs, bins):
    samples = [sample(*pair) for pair in pairs]
    sweep, change = ThresholdSweep(bins), ChangeMetric()
    scalars, scores = evaluate(sweep, samples), evaluate(change, samples)
    assert sweep.sweep.at(0.5) == sum((Confusion.of(s['pred_sem_seg']['data'], s['gt_sem_seg']['data'])
                                       for s in samples), Confusion())
    assert scalars['changed/F1_at_0.5'] == pytest.approx(scores['changed/F1'], rel=0, abs=0, nan_ok=True)


@settings(max_examples=60, deadline=None)
@given(arrays.arrays(np.int32, (SIDE, SIDE), elements=st.integers(0, 10)), TRUTHS)
def test_average_precision_is_the_sum_over_distinct_probabilities(tenths, truth):
    """Every probability has a bin of its own, so the histogram loses nothing."""
    sweep = count_probabilities((tenths / 10).astype(np.float64), truth, 10)
    kept, changed = truth != 255, truth == 1
    expected, before = 0.0, 0
    for tenth in range(10, -1, -1):
        found = (tenths >= tenth) & kept
        hits = (found & changed).sum()
        if found.any():
            expected += 100 * (hits - before) * hits / found.sum() / max(1, changed.sum())
        before = hits
    assert sweep.average_precision == pytest.approx(expected if changed.any() else math.nan, nan_ok=True)


def test_a_perfect_ranking_has_the_middle_of_the_gap_for_its_best_threshold():
    probability = np.array([[0.1, 0.2], [0.6, 0.9]], np.float32)
    truth = np.array([[0, 0], [1, 1]], np.uint8)
    sweep = count_probabilities(probability, truth, 1000)
    first, last = sweep.plateau
    assert (sweep.thresholds[first], sweep.thresholds[last], sweep.best) == (0.2, 0.599, 0.399)
    assert sweep.average_precision == 100 and sweep.at(sweep.best).f1 == 100


@pytest.mark.parametrize('probability, plateau, best', [
    ([0.9, 0.8, 0.7, 0.3], (0, 2), 0.1),
    ([0.9, 0.3, 0.2, 0.1], (3, 8), 0.5),
])
def test_the_longer_of_two_plateaus_is_taken(probability, plateau, best):
    """One hit and no false alarm has the F1 of two hits and two false alarms: 2/3."""
    sweep = count_probabilities(np.array([probability]), np.array([[1, 0, 0, 1]]), 10)
    assert sweep.curves['F1'].max() == pytest.approx(200 / 3) and sweep.curves['F1'][0] == sweep.curves['F1'][8]
    assert sweep.plateau == plateau and sweep.best == best


def test_counts_add_up_over_images_and_batches():
    rng = np.random.default_rng(0)
    samples = [sample(rng.random((5, 5), np.float32), rng.choice([0, 1, 255], (5, 5))) for _ in range(4)]
    one, many = ThresholdSweep(100), ThresholdSweep(100)
    all_at_once = evaluate(one, samples)
    for s in samples:
        many.process({}, [s])
    assert len(many.results) == 1  # two histograms, however many images
    assert many.evaluate(4) == all_at_once
    assert (one.sweep.counts == many.sweep.counts).all()
    assert one.sweep.counts.sum() + one.sweep.ignored == 100
    assert one.sweep.ignored == sum(int((s['gt_sem_seg']['data'] == 255).sum()) for s in samples)


def test_a_second_evaluation_starts_from_nothing():
    metric = ThresholdSweep(10)
    right = sample(np.full((2, 2), 0.9, np.float32), np.ones((2, 2)))
    evaluate(metric, [right])
    evaluate(metric, [right])
    assert metric.sweep.counts.sum() == 4


def test_scalars_of_a_split_without_change_are_undefined():
    scalars = evaluate(ThresholdSweep(10), [sample(np.full((2, 2), 0.2, np.float32), np.zeros((2, 2)))])
    assert all(math.isnan(value) for value in scalars.values())
    assert list(scalars) == ['changed/AP', 'changed/F1_at_0.5', 'changed/best_F1', 'changed/best_threshold']


def test_two_channels_are_softmaxed_and_agree_with_argmax():
    logits = torch.randn(2, 50, 50) * 3
    logits[1, 0, 0] = torch.nextafter(logits[0, 0, 0], torch.tensor(9.0))  # by one bit
    logits[1, 0, 1] = logits[0, 0, 1]
    probability = change_probability(logits)
    torch.testing.assert_close(torch.as_tensor(probability).float(), logits.softmax(0)[1])
    assert ((probability > 0.5) == logits.argmax(0).numpy()).all()


def test_it_is_registered_under_its_name():
    metric = METRICS.build(dict(type='ThresholdSweep', bins=4, prefix='building'))
    assert list(evaluate(metric, [sample(np.ones((1, 1), np.float32), np.ones((1, 1)))])) == [
        'building/AP', 'building/F1_at_0.5', 'building/best_F1', 'building/best_threshold']


@pytest.mark.parametrize('bins', [0, -2, 7])
def test_bins_without_one_half_are_refused(bins):
    with pytest.raises(ValueError, match=f'bins={bins}; expected an even number'):
        ThresholdSweep(bins)


def test_a_threshold_between_the_bins_is_refused():
    with pytest.raises(ValueError, match=r'no threshold 0\.33; it has multiples of 1/10'):
        count_probabilities(np.zeros((1, 1)), np.zeros((1, 1)), 10).at(0.33)


@pytest.mark.parametrize('change, message', [
    (dict(gt_sem_seg=None), r'a\.png.*has no truth'),
    (dict(seg_logits=dict(data=torch.full((1, 2, 2), 1.5))), r'a\.png.*run from 1.5 to 1.5; expected 0 to 1'),
    (dict(seg_logits=dict(data=torch.full((1, 2, 2), math.nan))), r'a\.png.*Has the training diverged'),
    (dict(seg_logits=dict(data=torch.zeros(3, 2, 2))), r'shape \(3, 2, 2\); expected \(1, H, W\) or \(2, H, W\)'),
    (dict(seg_logits=dict(data=torch.zeros(1, 2, 3))), r'a\.png.*the prediction is 2 x 3, the truth 2 x 2'),
])
def test_samples_that_cannot_be_counted_are_named(change, message):
    s = sample(np.zeros((2, 2), np.float32), np.zeros((2, 2))) | change
    with pytest.raises(ValueError, match=message):
        ThresholdSweep(10).process({}, [{key: value for key, value in s.items() if value is not None}])
