"""The scores held against those of scikit-learn and torchmetrics, which share no code with ours."""

import math

import numpy as np
import pytest
import torch

from schanger_mm.evaluation import ChangeMetric

IGNORED = 255


def maps(seed, changed=0.2, flipped=0.1, ignored=0.1, sizes=((37, 50), (64, 64), (16, 9))):
    """Draw truths of 0, 1 and 255, and predictions that differ from them here and there."""
    rng = np.random.default_rng(seed)
    for height, width in sizes:
        truth = (rng.random((height, width)) < changed).astype(np.uint8)
        prediction = truth ^ (rng.random((height, width)) < flipped)
        truth[rng.random((height, width)) < ignored] = IGNORED
        yield prediction.astype(np.int64), truth.astype(np.int64)


def scores_of(pairs):
    metric = ChangeMetric()
    metric.dataset_meta = dict(classes=('unchanged', 'changed'))
    for place, (prediction, truth) in enumerate(pairs):
        metric.process({}, [dict(
            name=str(place), pred_sem_seg=dict(data=torch.from_numpy(prediction)[None]),
            gt_sem_seg=dict(data=torch.from_numpy(truth)[None]))])
    return metric.evaluate(len(pairs))


def counted(pairs):
    """Return all pixels that count, truth first."""
    kept = [(truth[truth != IGNORED], prediction[truth != IGNORED]) for prediction, truth in pairs]
    return (np.concatenate(each) for each in zip(*kept, strict=True))


CASES = [dict(), dict(changed=0.01, flipped=0.3), dict(changed=0.7, ignored=0.5), dict(flipped=0.0), dict(flipped=1.0),
         dict(changed=1.0), dict(ignored=0.0)]


@pytest.mark.parametrize('case', CASES)
@pytest.mark.parametrize('seed', [0, 1, 2])
def test_scikit_learn(case, seed):
    theirs = pytest.importorskip('sklearn.metrics')
    pairs = list(maps(seed, **case))
    truth, prediction = counted(pairs)
    ours = scores_of(pairs)
    expected = dict(
        F1=theirs.f1_score(truth, prediction), precision=theirs.precision_score(truth, prediction),
        recall=theirs.recall_score(truth, prediction), IoU=theirs.jaccard_score(truth, prediction),
        OA=theirs.accuracy_score(truth, prediction), kappa=theirs.cohen_kappa_score(truth, prediction))
    assert ours == pytest.approx({f'changed/{name}': 100 * value for name, value in expected.items()}, abs=1e-9)


@pytest.mark.parametrize('case', CASES)
@pytest.mark.parametrize('seed', [0, 1, 2])
def test_torchmetrics(case, seed):
    theirs = pytest.importorskip('torchmetrics.classification')
    pairs = list(maps(seed, **case))
    parts = dict(F1=theirs.BinaryF1Score, precision=theirs.BinaryPrecision, recall=theirs.BinaryRecall,
                 IoU=theirs.BinaryJaccardIndex, OA=theirs.BinaryAccuracy, kappa=theirs.BinaryCohenKappa)
    expected = {}
    for name, kind in parts.items():
        metric = kind(ignore_index=IGNORED)
        for prediction, truth in pairs:
            metric.update(torch.from_numpy(prediction), torch.from_numpy(truth))
        expected[f'changed/{name}'] = 100 * metric.compute().item()
    assert scores_of(pairs) == pytest.approx(expected, abs=1e-3)  # they compute in float32


def test_where_they_choose_a_number_the_score_is_undefined():
    """Both write 0 where a denominator is 0; neither truth nor prediction has a changed pixel here."""
    pairs = list(maps(0, changed=0.0, flipped=0.0))
    ours = scores_of(pairs)
    assert [name for name, value in ours.items() if math.isnan(value)] == [
        f'changed/{name}' for name in ('F1', 'precision', 'recall', 'IoU', 'kappa')]
    assert ours['changed/OA'] == 100
