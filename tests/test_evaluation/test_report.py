import csv
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schanger_mm.evaluation.confusion import Confusion
from schanger_mm.evaluation.report import Evaluation, ImageCounts, count_tiles, write_report, write_table

LEVIR = dict(data_set='LEVIR-CD', split='test', official_tiles=2048)


def images(count, tiles=16, **counts):
    return [ImageCounts(f'{i}', tiles, Confusion(**counts)) for i in range(count)]


@given(st.integers(1, 3000), st.integers(1, 3000))
def test_tiles_cover_the_image_and_none_is_empty(height, width):
    rows, columns = range(0, height, 256), range(0, width, 256)
    assert count_tiles(height, width) == len(rows) * len(columns)


def test_tiles_by_hand():
    assert [count_tiles(*size) for size in ((1024, 1024), (256, 256), (64, 64), (257, 512), (5000, 5000))] == [
        16, 1, 1, 4, 400]


@pytest.mark.parametrize(('count', 'meta', 'partial', 'words'), [
    (128, LEVIR, False, 'the full official test split of LEVIR-CD (2048 tiles of 256 px)'),
    (15, LEVIR, True, "PARTIAL: 240 of the 2048 tiles of LEVIR-CD's official test split; not comparable with "
                      'published numbers'),
    (129, LEVIR, True, "NOT THE OFFICIAL SPLIT: 2064 tiles, more than the 2048 of LEVIR-CD's official test split; not "
                       'comparable with published numbers'),
    (2, dict(data_set='GZ-CD', split='val', official_tiles=None), None,
     'GZ-CD, val: 2 images, 32 tiles of up to 256 px'),
    (1, dict(classes=('a', 'b')), None, '1 image, 16 tiles of up to 256 px'),
    (0, None, None, '0 images, 0 tiles of up to 256 px'),
])
def test_coverage_is_said_in_words(count, meta, partial, words):
    evaluation = Evaluation.of(images(count), meta)
    assert (evaluation.partial, evaluation.coverage) == (partial, words)
    assert evaluation.as_dict()['partial'] is partial and evaluation.as_dict()['coverage'] == words


def test_all_images_make_one_confusion_matrix():
    evaluation = Evaluation([ImageCounts('a', 1, Confusion(tp=30, fp=10, fn=0, tn=60)),
                             ImageCounts('b', 2, Confusion(tp=10, fp=0, fn=30, tn=55, ignored=5))])
    found = evaluation.as_dict()
    assert found['confusion'] == dict(TP=40, FP=10, FN=30, TN=115, ignored=5)
    assert found['scores']['F1'] == pytest.approx(200 * 40 / 120)  # not the mean of 85.7 and 40
    assert (found['images'], found['tiles']) == (2, 3)


def test_the_worst_have_most_wrong_pixels_and_at_least_one():
    counts = dict(b=(5, 1), a=(0, 6), good=(0, 0), c=(9, 9))
    evaluation = Evaluation([ImageCounts(name, 1, Confusion(fp=fp, fn=fn)) for name, (fp, fn) in counts.items()])
    assert [image.name for image in evaluation.worst(10)] == ['c', 'a', 'b']
    assert [image.name for image in evaluation.worst(1)] == ['c'] and evaluation.worst(0) == []


def test_undefined_scores_are_null_and_the_file_is_strict_json(tmp_path):
    write_report(tmp_path, Evaluation(images(2, tn=9)).as_dict())

    def refuse(name):
        raise AssertionError(f'{name} is not JSON')

    found = json.loads((tmp_path / 'report.json').read_text(), parse_constant=refuse)
    assert found['scores']['F1'] is None and found['scores']['OA'] == 100
    with pytest.raises(ValueError, match='Out of range'):
        write_report(tmp_path, dict(score=float('nan')))
    assert json.loads((tmp_path / 'report.json').read_text()) == found


def test_the_table_has_a_line_per_image(tmp_path):
    write_table(tmp_path, [ImageCounts('city/é,1', 1, Confusion(3, 1, 0, 2, 7)), *images(1, tn=4)])
    with (tmp_path / 'per_image.csv').open(encoding='utf-8', newline='') as stream:
        rows = list(csv.reader(stream))
    assert rows == [['name', 'F1', 'TP', 'FP', 'FN', 'TN'], ['city/é,1', '85.7143', '3', '1', '0', '2'],
                    ['0', '', '0', '0', '0', '4']]


def test_names_that_processes_shared_without_knowing_are_refused(tmp_path):
    with pytest.raises(ValueError, match='more than one image is named 0, and'):
        write_table(tmp_path, images(1) + images(2))
    assert not (tmp_path / 'per_image.csv').exists()
