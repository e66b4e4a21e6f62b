"""What checkpoints say they were trained on, and the tests that are refused for it."""

import shutil
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from mmengine.dataset import RepeatDataset

from schanger_mm.checkpoints.convert import write_weights
from schanger_mm.checkpoints.hub import pinned
from schanger_mm.checkpoints.lineage import LINEAGE, read_lineage
from schanger_mm.config.loading import ConfigError
from schanger_mm.datasets import BuildingDataset, ConcatDataset, FolderCDDataset, SemanticChangeDataset, SemiDataset
from schanger_mm.datasets.transforms import LoadBiTemporalImages
from schanger_mm.engine.hooks import LineageHook, OverlapHook
from schanger_mm.engine.trained_on import trained_on
from schanger_mm.utils.files import sha256_of


@pytest.fixture
def folder(tmp_path):
    """Write six pairs with labels, and a list."""
    rng = np.random.default_rng(0)
    for name in ('A', 'B', 'label'):
        (tmp_path / name).mkdir()
    for index in range(6):
        for name in ('A', 'B'):
            cv2.imwrite(str(tmp_path / name / f'{index}.png'), rng.integers(0, 255, (16, 16, 3)).astype(np.uint8))
        cv2.imwrite(str(tmp_path / f'label/{index}.png'), 255 * rng.integers(0, 2, (16, 16)).astype(np.uint8))
    (tmp_path / 'some.txt').write_text('0\n1\n')
    (tmp_path / 'others.txt').write_text('2\n3\n')
    (tmp_path / 'rest.txt').write_text('4\n5\n')
    return tmp_path


def pairs(folder, names='some', pipeline=(), **kwargs):
    return FolderCDDataset(data_root=str(folder), ann_file=f'{names}.txt', pipeline=list(pipeline), **kwargs)


def training(dataset, model=None, **sampler):
    return SimpleNamespace(
        train_dataloader=SimpleNamespace(dataset=dataset, sampler=SimpleNamespace(**sampler)), _train_loop=None,
        model=model or torch.nn.Identity(), cfg=SimpleNamespace(filename='configs/mine.py'), experiment_name='x_1',
        _load_from='weights.pth')


def checkpoint_of(runner, hook=None):
    hook = hook or LineageHook()
    hook.before_run(runner)
    hook.before_train(runner)
    checkpoint = dict(meta=dict(iter=1))
    hook.before_save_checkpoint(runner, checkpoint)
    return checkpoint


def score(checkpoint, dataset, **kwargs):
    lines = []
    runner = SimpleNamespace(test_loop=SimpleNamespace(dataloader=SimpleNamespace(dataset=dataset)),
                             _load_from='best.pth', logger=SimpleNamespace(warning=lines.append, info=lines.append))
    OverlapHook(**kwargs).after_load_checkpoint(runner, checkpoint)
    return lines


NONE = ['none of the 2 scored images was trained on, by the content of their files']


def series(folder, *pairs):
    """Write a list of pairs of dates of one place, as folders hold them: an image per pair and date."""
    image = [(folder / f'A/{index}.png').read_bytes() for index in range(3)]
    for number, (before, after) in enumerate(pairs):
        (folder / f'A/date{number}.png').write_bytes(image[before])
        (folder / f'B/date{number}.png').write_bytes(image[after])
        shutil.copy(folder / 'label/0.png', folder / f'label/date{number}.png')
    (folder / 'middle.txt').write_text('1\n4\n')
    (folder / 'series.txt').write_text('\n'.join(f'date{number}' for number in range(len(pairs))))
    return FolderCDDataset(data_root=str(folder), ann_file='series.txt', pipeline=[])


def test_a_training_is_described_by_its_data(folder):
    (entry, ) = read_lineage(checkpoint_of(training(pairs(folder))))
    assert (entry.training, entry.model, entry.labels, entry.data_set) == ('mine', 'Identity', True, 'FolderCDDataset')
    assert (entry.data_root, entry.split, entry.images) == (str(folder), 'some.txt', 2)
    assert entry.list_sha256 == sha256_of(folder / 'some.txt') and len(entry.known()) == 4


def test_unlabelled_pairs_and_the_parts_of_a_concatenation_are_told_apart(folder):
    both = SemiDataset(pairs(folder), pairs(folder, 'others', labelled=False))
    assert [(entry.labels, entry.split) for entry in trained_on(training(both, ratio=1))] == [
        (True, 'some.txt'), (False, 'others.txt')]
    assert [entry.split for entry in trained_on(training(both, ratio=0))] == ['some.txt']  # the supervised control
    opened = SemiDataset(pairs(folder), pairs(folder, 'others'))  # labels read for the log are not trained on
    assert [entry.labels for entry in trained_on(training(opened, ratio=1))] == [True, False]
    joined = ConcatDataset([pairs(folder), pairs(folder, 'rest')])
    assert [entry.split for entry in trained_on(training(joined))] == ['some.txt', 'rest.txt']


@pytest.mark.parametrize('mask', [None, 'label'])
def test_class_maps_are_labels_with_and_without_a_mask(folder, mask):
    maps = SemanticChangeDataset(
        ['built', 'bare'], values=[0, 255], data_root=str(folder), pipeline=[], ann_file='some.txt',
        data_prefix=dict(img_path_from='A', img_path_to='B', seg_map_path_from='label', seg_map_path_to='label',
                         seg_map_path=mask))
    assert [(entry.labels, entry.data_set) for entry in trained_on(training(maps))] == [(True, 'SemanticChangeDataset')]


def test_a_repeated_data_set_is_that_which_it_repeats(folder):
    (plain, ) = trained_on(training(pairs(folder)))
    assert trained_on(training(RepeatDataset(pairs(folder), times=3))) == [plain]
    joined = ConcatDataset([pairs(folder), pairs(folder, 'rest')])
    joined.datasets[0] = RepeatDataset(pairs(folder), times=3)
    checkpoint = checkpoint_of(training(joined))
    assert [(entry.split, entry.images, len(entry.known())) for entry in read_lineage(checkpoint)] == [
        ('some.txt', 2, 4), ('rest.txt', 2, 4)]
    with pytest.raises(ConfigError, match='2 of the 2 scored images were trained on'):
        score(checkpoint, RepeatDataset(pairs(folder, test_mode=True), times=2))


@pytest.mark.parametrize('dates', [[(0, 1), (1, 2)], [(0, 1), (0, 2), (1, 2)]])
def test_an_image_of_a_series_that_is_in_several_pairs_is_kept(folder, dates):
    dataset = series(folder, *dates)
    checkpoint = checkpoint_of(training(dataset))
    assert [len(entry.known()) for entry in read_lineage(checkpoint)] == [3]
    with pytest.raises(ConfigError, match='1 of the 2 scored images were trained on'):
        score(checkpoint, pairs(folder, 'middle', test_mode=True))


def test_images_that_were_trained_on_are_not_scored(folder):
    checkpoint = checkpoint_of(training(pairs(folder)))
    with pytest.raises(ConfigError, match=r'best\.pth: 2 of the 2 scored images were trained on, with labels by '
                                          r'Identity in the training mine \(FolderCDDataset, split some\.txt, .*0\.png'
                                          '.*--allow-overlap'):
        score(checkpoint, pairs(folder, test_mode=True))
    (line, ) = score(checkpoint, pairs(folder, test_mode=True), allow=True)
    assert '2 of the 2 scored images were trained on' in line and '--allow-overlap' not in line
    assert score(checkpoint, pairs(folder, 'others', test_mode=True)) == NONE


def test_copies_are_found_under_other_names(folder, tmp_path_factory):
    other = tmp_path_factory.mktemp('copies')
    for name in ('A', 'B', 'label'):
        (other / name).mkdir()
        for new, old in (('new', 4), ('renamed', 1)):
            shutil.copy(folder / name / f'{old}.png', other / name / f'{new}.png')
    checkpoint = checkpoint_of(training(pairs(folder)))
    with pytest.raises(ConfigError, match=r'1 of the 2 scored images were trained on.*renamed\.png'):
        score(checkpoint, FolderCDDataset(data_root=str(other), pipeline=[], test_mode=True))


def test_images_seen_without_labels_count_too(folder):
    both = SemiDataset(pairs(folder), pairs(folder, 'others', labelled=False))
    with pytest.raises(ConfigError, match='2 of the 2 scored images were trained on, without labels by Identity'):
        score(checkpoint_of(training(both, ratio=1)), pairs(folder, 'others', test_mode=True))


def test_single_images_of_a_pre_training_are_found_in_pairs(folder):
    singles = BuildingDataset(data_root=str(folder), data_prefix=dict(img_path='A', seg_map_path='label'),
                              ann_file='rest.txt', pipeline=[])
    with pytest.raises(ConfigError, match='2 of the 2 scored images were trained on, with labels .*BuildingDataset'):
        score(checkpoint_of(training(singles)), pairs(folder, 'rest', test_mode=True))


def test_the_lineage_of_the_start_is_inherited_once(folder):
    first = checkpoint_of(training(pairs(folder, 'others')))
    hook, runner = LineageHook(), training(pairs(folder))
    hook.after_load_checkpoint(runner, first)
    second = checkpoint_of(runner, hook)
    assert [entry.split for entry in read_lineage(second)] == ['others.txt', 'some.txt']
    resumed = LineageHook()
    resumed.after_load_checkpoint(runner, second)
    assert checkpoint_of(runner, resumed)['meta'][LINEAGE] == second['meta'][LINEAGE]
    with pytest.raises(ConfigError, match=r'split others\.txt'):
        score(second, pairs(folder, 'others', test_mode=True))


def starting_from(folder, checkpoint, monkeypatch):
    """Return a training of a network with a part whose ``init_cfg`` names a checkpoint."""
    part = torch.nn.Identity()
    part.init_cfg = dict(type='Pretrained', checkpoint=checkpoint)
    monkeypatch.setattr('schanger_mm.engine.hooks.lineage_hook.BaseLoop', type(None))
    return training(pairs(folder), torch.nn.Sequential(part))


def test_that_of_pre_trained_parts_is_inherited_too(folder, monkeypatch):
    first = checkpoint_of(training(pairs(folder, 'others')))
    write_weights(folder / 'part.pth', {'a': torch.ones(1)}, meta=first['meta'])
    runner = starting_from(folder, str(folder / 'part.pth'), monkeypatch)
    assert [entry.split for entry in read_lineage(checkpoint_of(runner))] == ['others.txt', 'some.txt']


def test_that_of_a_model_of_the_hub_is_inherited_without_another_download(folder, monkeypatch, hub):
    first = checkpoint_of(training(pairs(folder, 'others')))
    write_weights(folder / 'model.safetensors', {'a': torch.ones(1)}, meta=first['meta'])
    hub.add('org/net', {'model.safetensors': (folder / 'model.safetensors').read_bytes()})
    address = pinned('hf://org/net')  # as the check of initial weights does before
    hub.broken = 503
    checkpoint = checkpoint_of(starting_from(folder, address, monkeypatch))
    assert [entry.split for entry in read_lineage(checkpoint)] == ['others.txt', 'some.txt']
    with pytest.raises(ConfigError, match=r'2 of the 2 scored images were trained on, .* split others\.txt'):
        score(checkpoint, pairs(folder, 'others', test_mode=True))


@pytest.mark.parametrize('pipeline', [[], [LoadBiTemporalImages()], [LoadBiTemporalImages(bands='all')]])
def test_empty_tiles_that_occur_twice_are_no_overlap(folder, pipeline):
    for index in (0, 1, 4):
        for name in ('A', 'B'):
            cv2.imwrite(str(folder / name / f'{index}.png'), np.zeros((16, 16, 3), np.uint8))
    (folder / 'all.txt').write_text('0\n1\n2\n')
    checkpoint = checkpoint_of(training(pairs(folder, 'all', pipeline)))
    assert [len(entry.known()) for entry in read_lineage(checkpoint)] == [2]
    assert score(checkpoint, pairs(folder, 'rest', test_mode=True)) == NONE


def test_nothing_is_cleared_that_is_not_known(folder):
    unlisted = checkpoint_of(training([1, 2, 3]))
    (entry, ) = read_lineage(unlisted)
    assert (entry.data_set, entry.images, entry.digests) == ('list', 3, '')
    rest = pairs(folder, 'rest', test_mode=True)
    assert score(unlisted, rest) == [
        'whether best.pth was trained on the scored images is unknown: there are no digests of the images that it has '
        'seen with labels by Identity in the training mine (list)']
    listed = checkpoint_of(training(pairs(folder)))
    (line, ) = score(listed, [1, 2])
    assert line.endswith('is unknown: 2 of the 2 scored images are not files of this machine')
    near = rest.get_data_info
    rest.get_data_info = lambda place: near(0) if place == 0 else dict(img_path=['s3://b/A.png', 's3://b/B.png'])
    (line, ) = score(listed, rest)
    assert line.endswith('is unknown: 1 of the 2 scored images are not files of this machine')


def test_nothing_is_said_about_checkpoints_of_earlier_versions(folder):
    assert score(dict(meta=dict(iter=3)), pairs(folder, test_mode=True)) == []
    assert score(dict(state_dict={}), pairs(folder, test_mode=True)) == []
