import pickle
import random
from itertools import islice

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmengine.dataset import DefaultSampler, InfiniteSampler
from mmengine.runner import Runner

from schanger_mm.datasets import base
from schanger_mm.datasets.samplers import Draw, SeededInfiniteSampler, SeededSampler, SemiSampler
from schanger_mm.registry import DATASETS
from schanger_mm.utils.errors import SettingError
from schanger_mm.utils.random_numbers import get_states


def ranked(sampler, rank, world_size):
    sampler.rank, sampler.world_size = rank, world_size
    return sampler


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 7), st.integers(0, 30), st.integers(1, 3), st.booleans())
def test_it_starts_anywhere_in_mmengines_order(size, skipped, world_size, shuffle):
    data = range(size)
    draws = []
    for rank in range(world_size):
        whole = list(islice(ranked(SeededInfiniteSampler(data, shuffle, seed=5), rank, world_size), skipped + 9))
        theirs = ranked(InfiniteSampler(data, shuffle, seed=5), rank, world_size)
        theirs.indices = theirs._indices_of_rank()
        assert whole == list(islice(theirs, skipped + 9))
        late = ranked(SeededInfiniteSampler(data, shuffle, seed=5), rank, world_size)
        late.skip(skipped)
        late = list(islice(late, 9))
        assert late == whole[skipped:]
        assert [draw.position for draw in late] == [draw.position for draw in whole[skipped:]]
        draws += [draw.position for draw in whole]
    assert sorted(draws) == list(range(world_size * (skipped + 9)))  # over all processes, each number once


@pytest.mark.parametrize(('before', 'now'), [((2, 4), (1, 4)), ((2, 4), (2, 1)), ((1, 2), (3, 5)), ((3, 1), (2, 3))])
def test_it_goes_on_with_another_batch_and_number_of_processes(before, now):
    """Five iterations of `before` = (processes, batch), three of `now`: no draw is left out, none comes twice."""
    data, steps = range(7), 5

    def draw(processes, batch, iterations, shift=None):
        found = []
        for rank in range(processes):
            sampler = ranked(SeededInfiniteSampler(data, seed=5), rank, processes)
            if shift is not None:
                sampler.shift(shift)
                sampler.skip(steps * batch)  # as mmengine does
            found += islice(sampler, iterations * batch)
        return found

    drawn = steps * before[0] * before[1]
    draws = draw(*before, steps) + draw(*now, 3, shift=drawn - steps * now[0] * now[1])
    assert sorted(one.position for one in draws) == list(range(drawn + 3 * now[0] * now[1]))
    order = list(islice(InfiniteSampler(data, seed=5), len(draws)))
    assert all(int(one) == order[one.position] for one in draws)


@pytest.mark.parametrize('world_size', [1, 2])
def test_epochs_go_on_counting(world_size):
    positions = []
    for epoch in range(3):
        for rank in range(world_size):
            sampler = SeededSampler(range(5), seed=5)
            theirs = DefaultSampler(range(5), seed=5)
            for one in (sampler, theirs):
                one.rank, one.world_size = rank, world_size
                one.total_size = 5 if world_size == 1 else 6
                one.set_epoch(epoch)
            draws = list(sampler)
            assert draws == list(theirs)
            positions += [draw.position for draw in draws]
    assert sorted(positions) == list(range(15 if world_size == 1 else 18))


def test_a_draw_is_an_index_and_travels():
    draw = pickle.loads(pickle.dumps(Draw(3, 36, 1 << 40)))
    assert (draw, draw.seed, draw.position) == (3, 36, 1 << 40) and [10, 11, 12, 13][draw] == 13


def pair_set(fakes):
    return dict(type='LEVIRCDDataset', data_root=fakes('LEVIRCDDataset'), split='train', pipeline=[
        dict(type='LoadBiTemporalImages'), dict(type='LoadChangeLabel'),
        dict(type='ForBothDates', transforms=[
            dict(type='mmseg.RandomCrop', crop_size=(24, 24)), dict(type='mmseg.RandomFlip', prob=0.5),
            dict(type='RandomApply', prob=0.7, transforms=[dict(type='GaussianNoise')])]),
        dict(type='PackBiTemporalInputs')])


def test_a_draw_decides_its_augmentation_and_leaves_the_generators(fakes):
    data = DATASETS.build(pair_set(fakes))
    torch.manual_seed(1), np.random.seed(1), random.seed(1)
    before = repr(get_states())
    first, other = data[Draw(0, 36, 8)]['inputs'], data[Draw(0, 36, 9)]['inputs']
    assert repr(get_states()) == before
    np.random.seed(2)
    assert torch.equal(first, data[Draw(0, 36, 8)]['inputs'])
    assert not torch.equal(first, other) and not torch.equal(first, data[Draw(0, 37, 8)]['inputs'])
    plain = data[0]['inputs']  # mmengine's samplers: numpy's generator decides, as ever
    np.random.seed(2)
    assert torch.equal(plain, data[0]['inputs'])


def test_batches_are_the_same_with_any_number_of_workers_and_after_a_start_in_between(fakes):
    def batches(workers, skipped=0):
        loader = Runner.build_dataloader(dict(
            batch_size=2, num_workers=workers, dataset=pair_set(fakes),
            sampler=dict(type='SeededInfiniteSampler', shuffle=True)), seed=36)
        loader.sampler.skip(2 * skipped)
        return [torch.stack(batch['inputs']) for batch in islice(loader, 5 - skipped)]

    alone = batches(0)
    for other, expected in ((batches(2), alone), (batches(1, 3), alone[3:])):
        assert len(other) == len(expected) and all(map(torch.equal, other, expected))
    assert len({tuple(batch.flatten().tolist()) for batch in alone}) == 5


@pytest.fixture
def warned(monkeypatch):
    lines = []
    monkeypatch.setattr(base, 'print_log', lambda text, logger, level: lines.append(text))
    return lines


class Private:
    """Draws from a generator of its own, outside of ForBothDates."""

    def __init__(self):
        self.rng = np.random.default_rng()

    def __call__(self, results):
        results['img'] = [image + self.rng.integers(9, dtype=np.uint8, size=image.shape) for image in results['img']]
        return results


class Seeded(Private):
    def set_random_seed(self, seed):
        self.rng = np.random.default_rng(seed)


def test_a_generator_of_a_transforms_own_is_reported_once(fakes, warned):
    config = pair_set(fakes)
    data = DATASETS.build(dict(config, pipeline=[*config['pipeline'][:2], Private(), *config['pipeline'][2:]]))
    for position in range(3):
        data[Draw(0, 36, position)]
    assert len(warned) == 1 and warned[0].startswith(
        'LEVIRCDDataset.pipeline: a sample that was drawn twice from the same random numbers differs')


def test_a_generator_that_can_be_seeded_follows_the_draw(fakes, warned):
    config = pair_set(fakes)
    data = DATASETS.build(dict(config, pipeline=[*config['pipeline'][:2], Seeded(), *config['pipeline'][2:]]))
    first, other = data[Draw(0, 36, 8)]['inputs'], data[Draw(0, 36, 9)]['inputs']
    assert torch.equal(first, data[Draw(0, 36, 8)]['inputs']) and not torch.equal(first, other) and not warned


class Both:
    """Three labelled and five unlabelled samples."""

    sizes = (3, 5)

    def __len__(self):
        return sum(self.sizes)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 3), st.integers(0, 5), st.integers(1, 3), st.booleans())
def test_both_parts_come_in_their_ratio_and_start_anywhere(ratio, skipped, world_size, shuffle):
    draws, period = [], 1 + ratio
    for rank in range(world_size):
        whole = list(islice(ranked(SemiSampler(Both(), ratio, shuffle, seed=5), rank, world_size),
                            (skipped + 10) * period))
        late = ranked(SemiSampler(Both(), ratio, shuffle, seed=5), rank, world_size)
        late.skip(skipped * period)
        late = list(islice(late, 10 * period))
        assert [(int(one), one.position) for one in late] == [(int(one), one.position)
                                                             for one in whole[skipped * period:]]
        assert [one < 3 for one in whole] == ([True] + [False] * ratio) * (skipped + 10)  # whole groups in every batch
        draws += whole
    draws.sort(key=lambda one: one.position)
    assert [one.position for one in draws] == list(range(len(draws)))
    for first, size in ((0, 3), (3, 5)):  # each part is drawn completely before it repeats
        part = [one for one in draws if first <= one < first + size]
        for start in range(0, len(part) - size + 1, size):
            assert sorted(part[start:start + size]) == list(range(first, first + size))


@pytest.mark.parametrize(('before', 'now'), [((2, 4), (1, 6)), ((1, 2), (3, 4)), ((3, 2), (2, 2))])
def test_both_parts_go_on_with_another_batch_and_number_of_processes(before, now):
    steps = 5

    def draw(processes, batch, iterations, shift=None):
        found = []
        for rank in range(processes):
            sampler = ranked(SemiSampler(Both(), seed=5), rank, processes)
            if shift is not None:
                sampler.shift(shift)
                sampler.skip(steps * batch)
            found += islice(sampler, iterations * batch)
        return found

    drawn = steps * before[0] * before[1]
    draws = draw(*before, steps) + draw(*now, 3, shift=drawn - steps * now[0] * now[1])
    assert sorted(one.position for one in draws) == list(range(drawn + 3 * now[0] * now[1]))
    straight = list(islice(ranked(SemiSampler(Both(), seed=5), 0, 1), len(draws)))
    assert sorted(map(int, draws)) == sorted(map(int, straight))


def test_a_batch_holds_whole_groups():
    sampler = SemiSampler(Both(), ratio=2, seed=5)
    sampler.check_batch(24)
    with pytest.raises(SettingError, match=r'batch_size=16: expected a multiple of 3, since SemiSampler draws 2 unlab'):
        sampler.check_batch(16)
    with pytest.raises(SettingError, match=r'SemiSampler\.ratio=-1: expected a whole number from 0 up'):
        SemiSampler(Both(), ratio=-1)
    with pytest.raises(SettingError, match='the data set is range; expected SemiDataset'):
        SemiSampler(range(4))
