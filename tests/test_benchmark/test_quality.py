"""What a variant costs on labelled pairs."""

import cv2
import numpy as np
import pytest
import torch

from schanger_mm.benchmark.launches import Calls, count_launches
from schanger_mm.benchmark.measure import Job, measure
from schanger_mm.benchmark.quality import judge
from schanger_mm.benchmark.run import benchmark
from schanger_mm.models.data_preprocessor import BiTemporalPreProcessor
from schanger_mm.utils.errors import SettingError


@pytest.fixture
def pairs(tmp_path):
    """Two pairs of 40 x 50 px whose later date is brighter in red where the mask is 255."""
    for number in range(2):
        mask = np.zeros((40, 50), np.uint8)
        mask[5:20, 4 + number:30] = 255
        before = np.full((40, 50, 3), 50, np.uint8)
        after = before.copy()
        after[..., 2] += mask // 2  # B, G, R
        after[25:30, :10, 2] += 100  # a false alarm of 50 px
        for folder, image in (('A', before), ('B', after), ('label', mask)):
            (tmp_path / folder).mkdir(exist_ok=True)
            cv2.imwrite(str(tmp_path / folder / f'{number}.png'), image)
    return str(tmp_path)


def test_f1_and_probabilities_are_those_of_the_tiles(pairs):
    preprocessor = BiTemporalPreProcessor([50.] * 6, [100.] * 6)
    f1, found = judge(lambda images: (images[:, 3] - images[:, 0]).clamp(0, 1), preprocessor, 0.5, pairs, 64, 8)
    tp, fp = 15 * 26 + 15 * 25, 2 * 50  # of 40 x 48 px, as sides are cut to multiples of 8
    assert f1 == pytest.approx(100 * 2 * tp / (2 * tp + fp))
    assert found.shape == (2 * 40 * 48, ) and sorted(set(found.tolist())) == pytest.approx([0, 1])


def test_a_trained_network_is_scored_and_compared_on_the_pairs(pairs, demo_checkpoint):
    threads = torch.get_num_threads()
    answers = {}
    for variant in ('plain', 'fast-bf16'):
        answers[variant] = measure(Job(str(demo_checkpoint), size=32, variant=variant, rounds=1, threads=1, data=pairs))
    torch.set_num_threads(threads)
    (plain, exact), (fast, rough) = answers.values()
    assert exact.shape == rough.shape == (2 * 4 * 32 * 32, )  # two tiles by two of each pair
    assert 0 < float((exact - rough).abs().max()) < 0.2
    assert 0 <= plain['f1'] <= 100 and abs(plain['f1'] - fast['f1']) < 10
    assert plain['launches'] > fast['launches'] > 50


def test_random_weights_have_no_f1(pairs):
    with pytest.raises(SettingError, match='--data .*: small has no trained weights and statistics'):
        benchmark([Job('small', rounds=1, data=pairs)], ['plain'])


def test_launches_are_operators_that_compute():
    image = torch.ones(4, 4)
    assert count_launches(lambda: (image + 1).relu().view(16).sum(), torch.device('cpu')) == 3
    with Calls() as calls:
        float(image.sum())
    assert dict(calls.kernels) == {'sum': 1} and dict(calls.waits) == {'_local_scalar_dense': 1}
