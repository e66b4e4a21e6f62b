"""Scores of the classes: a matrix computed by hand, and an independent version in numpy."""

import csv
import math

import numpy as np
import pytest
import torch

from schanger_mm.evaluation.semantic import SemanticCounts
from schanger_mm.registry import METRICS
from schanger_mm.utils.errors import SettingError

CLASSES = ('unchanged', 'other', 'building')


def by_hand():
    """Eight pixels: three changed and found, one missed, one false alarm, two unchanged, one ignored."""
    truth = np.array([[1, 1, 1, 1, 0, 0, 0, 255]])
    changed = np.array([[1, 1, 1, 0, 1, 0, 0, 1]])
    true_classes = np.array([[0, 0, 1, 1, 0, 0, 0, 0]]), np.array([[1, 1, 0, 0, 0, 0, 0, 0]])
    predicted = np.array([[0, 1, 1, 1, 0, 0, 0, 0]]), np.array([[1, 1, 0, 0, 1, 0, 0, 0]])
    return changed, predicted, truth, true_classes


def reference(matrix):
    """The scores from the full matrix of labels, in another way than the package: by sums over explicit masks."""
    size = len(matrix)
    total = matrix.sum()
    union = total - matrix[0, 0]
    both = matrix[1:, 1:].sum()
    iou, rest = both / union, matrix[0, 0] / (total - both)
    cut = matrix.astype(float)
    cut[0, 0] = 0
    p = cut / cut.sum()
    agreed, chance = sum(p[i, i] for i in range(size)), sum(p[i].sum() * p[:, i].sum() for i in range(size))
    sek = (agreed - chance) / (1 - chance) * np.exp(iou - 1)
    right = sum(matrix[i, i] for i in range(1, size))
    precision, recall = right / matrix[:, 1:].sum(), right / matrix[1:].sum()
    mean = (iou + rest) / 2
    return dict(Sek=100 * sek, SCD_Score=100 * (0.3 * mean + 0.7 * sek), mIoU=100 * mean,
                Fscd=100 * 2 * precision * recall / (precision + recall))


def sample(changed, predicted, truth, true_classes, name='a'):
    def data(array):
        return dict(data=torch.as_tensor(array)[None])

    return dict(name=name, img_path=[f'{name}.png', f'{name}.png'], pred_sem_seg=data(changed),
                pred_sem_seg_from=data(predicted[0]), pred_sem_seg_to=data(predicted[1]), gt_sem_seg=data(truth),
                gt_sem_seg_from=data(true_classes[0]), gt_sem_seg_to=data(true_classes[1]))


def metric(**kwargs):
    made = METRICS.build(dict(type='SemanticChangeMetric', **kwargs))
    made.dataset_meta = dict(classes=('unchanged', 'changed'), semantic_classes=CLASSES)
    return made


def test_a_matrix_computed_by_hand():
    counts = SemanticCounts.of(*by_hand(), classes=2)
    # rows: truth; date A: (0,0) 2, false alarm as other 1, other as other 1, other as building 1, building found 1,
    # building missed 1; date B: (0,0) 2, false alarm as building 1, building found 2, other found 1, other missed 1
    assert counts.matrix.tolist() == [[4, 1, 1], [1, 2, 1], [1, 0, 3]]
    assert counts.transitions.tolist() == [[0, 2], [1, 1]]  # other to building, false alarm; building to building
    assert counts.true_transitions.tolist() == [[0, 2], [2, 0]]
    scores = counts.scores()
    assert scores['mIoU'] == pytest.approx(100 * (6 / 10 + 4 / 8) / 2)
    kappa = (5 / 10 - (2 * 2 + 4 * 3 + 4 * 5) / 100) / (1 - 36 / 100)
    assert scores['Sek'] == pytest.approx(100 * kappa * math.exp(0.6 - 1))
    assert scores['Fscd'] == pytest.approx(100 * 2 * 5 / (8 + 8))
    assert scores['SCD_Score'] == pytest.approx(0.3 * scores['mIoU'] + 0.7 * scores['Sek'])
    other, building = counts.per_class()
    assert other == pytest.approx(dict(precision=200 / 3, recall=50, F1=400 / 7, IoU=40))
    assert building == pytest.approx(dict(precision=60, recall=75, F1=200 / 3, IoU=50))


@pytest.mark.parametrize('seed', range(5))
def test_an_independent_version(seed):
    rng = np.random.default_rng(seed)
    classes, shape = 4, (40, 50)
    truth = rng.choice([0, 1, 255], shape, p=[0.6, 0.3, 0.1])
    changed = np.where(rng.random(shape) < 0.8, truth == 1, rng.random(shape) < 0.5).astype(int)
    true_classes = [rng.integers(0, classes, shape) for _ in range(2)]
    predicted = [np.where(rng.random(shape) < 0.7, one, rng.integers(0, classes, shape)) for one in true_classes]
    matrix = np.zeros((classes + 1, classes + 1), np.int64)
    for right, guess in zip(true_classes, predicted):
        for place in np.ndindex(shape):
            if truth[place] != 255:
                row = right[place] + 1 if truth[place] else 0
                matrix[row, guess[place] + 1 if changed[place] else 0] += 1
    counts = SemanticCounts.of(changed, predicted, truth, true_classes, classes)
    np.testing.assert_array_equal(counts.matrix, matrix)
    assert counts.scores() == pytest.approx(reference(matrix), rel=1e-12)


def test_a_changed_pixel_without_a_class_counts_at_the_other_date_only():
    one = np.ones((1, 1), int)
    counts = SemanticCounts.of(one, (one, one), one, (255 * one, one), classes=2)
    assert counts.matrix.sum() == counts.matrix[2, 2] == 1 and counts.true_transitions.sum() == 0


def test_perfect_and_empty_predictions():
    changed, _, truth, true_classes = by_hand()
    perfect = SemanticCounts.of(truth == 1, true_classes, truth, true_classes, classes=2).scores()
    assert perfect == pytest.approx(dict(Sek=100, SCD_Score=100, mIoU=100, Fscd=100))
    none = SemanticCounts.of(0 * changed, true_classes, truth, true_classes, classes=2).scores()
    assert none['Fscd'] == 0 and none['Sek'] == pytest.approx(0)
    assert all(math.isnan(SemanticCounts.empty(2).scores()[name]) for name in ('Sek', 'mIoU', 'Fscd'))


def test_names_tables_and_files_of_the_metric(tmp_path):
    made = metric(output_dir=str(tmp_path))
    *_, truth, true_classes = by_hand()
    made.process({}, [sample(*by_hand()), sample(truth == 1, true_classes, truth, true_classes, name='b')])
    scores = made.evaluate(2)
    assert [name for name in scores if '/' not in name] == ['Sek', 'SCD_Score', 'mIoU', 'Fscd']
    assert scores['changed/recall'] == pytest.approx(700 / 8)
    total = SemanticCounts.of(*by_hand(), classes=2) + SemanticCounts.of(truth == 1, true_classes, truth, true_classes,
                                                                         classes=2)
    assert {name: scores[name] for name in total.scores()} == total.scores()
    with open(tmp_path / 'per_image.csv', newline='') as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0]) == ['name', 'F1', 'TP', 'FP', 'FN', 'TN', 'Sek', 'SCD_Score', 'mIoU', 'Fscd']
    assert (rows[0]['mIoU'], rows[1]['Sek']) == ('55.0000', '100.0000')
    report = made.evaluation.as_dict()['semantic']
    assert report['confusion'] == total.matrix.tolist() and report['classes'] == ['other', 'building']
    from PIL import Image
    before = np.asarray(Image.open(tmp_path / 'predictions/before/a.png'))
    assert before.tolist() == [[1, 2, 2, 0, 1, 0, 0, 1]]
    assert (tmp_path / 'predictions/after/b.png').is_file() and (tmp_path / 'predictions/a.png').is_file()


@pytest.mark.parametrize('key, message', [
    ('pred_sem_seg_from', r'no pred_sem_seg_from: the decode head has no classes'),
    ('gt_sem_seg_to', r'no gt_sem_seg_to: load the class maps with LoadSemanticLabels')])
def test_samples_without_classes(key, message):
    one = sample(*by_hand())
    del one[key]
    with pytest.raises(SettingError, match=message):
        metric().process({}, [one])


def test_a_data_set_without_classes_or_with_fewer_than_the_network():
    made = metric()
    made.dataset_meta = dict(classes=('unchanged', 'changed'))
    with pytest.raises(SettingError, match='no semantic_classes in its metainfo'):
        made.process({}, [sample(*by_hand())])
    made = metric()
    one = sample(*by_hand())
    one['pred_sem_seg_from']['data'] = one['pred_sem_seg_from']['data'] + 3
    with pytest.raises(SettingError, match='a: the prediction holds class 4; expected 0 to 1'):
        made.process({}, [one])
