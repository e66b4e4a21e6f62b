import cv2
import numpy as np
import pytest
import torch

from schanger_mm.apis import ConfigError, load_config
from schanger_mm.benchmark.dataset import benchmark_dataset, format_dataset
from schanger_mm.demo.scenes import DemoSizes, write_demo_set


@pytest.fixture
def config(root, tmp_path, monkeypatch):
    write_demo_set(tmp_path / 'data', DemoSizes(pretrain_train=3, pretrain_val=1, train=3, val=1, test=1), 64)
    monkeypatch.chdir(tmp_path)

    def read(name, **options):
        return load_config(root / 'configs/schanger' / name, {
            'train_dataloader.dataset.data_root': str(tmp_path / 'data'), **options})
    return read


def test_both_ways_are_measured_in_as_many_rounds(config, tmp_path):
    threads = torch.get_num_threads()
    found = benchmark_dataset(config('demo.py'), samples=5, rounds=3)
    assert torch.get_num_threads() == threads
    assert len(found['decode']) == len(found['cached']) == 3
    assert min(*found['decode'], *found['cached'], found['cold']) > 0
    assert found['ratio'] == pytest.approx(np.median(found['cached']) / np.median(found['decode']))
    assert not list((tmp_path / 'work_dirs').iterdir())
    assert '3 rounds of 5 samples' in format_dataset(found) and 'LoadChangeLabel' in format_dataset(found)


def test_time_is_listed_per_transform(config):
    steps = benchmark_dataset(config('demo.py'), samples=4, rounds=1)['steps']
    assert [row['transform'] for row in steps] == [
        'LoadBiTemporalImages', 'LoadChangeLabel', 'ForBothDates', '  RandomCrop', '  RandomFlip', '  RandomTranspose',
        '  RandomAffine', '  RandomAffine', '  RandomApply', 'PackBiTemporalInputs']
    for way in ('decode', 'cached'):
        assert 0 < sum(row[way] for row in steps[3:9]) < steps[2][way]


def test_single_date_and_several_workers(config):
    found = benchmark_dataset(config('pretrain_demo.py'), samples=4, rounds=2, workers=2)
    assert found['workers'] == 2 and len(found['cached']) == 2 and found['steps'][0]['transform'] == 'LoadImage'


@pytest.mark.parametrize('name', ['samples', 'rounds', 'workers'])
def test_counts_below_one_are_refused(config, name):
    with pytest.raises(ValueError, match=f'--{name} 0: expected 1 or more'):
        benchmark_dataset(config('demo.py'), **{name: 0})


def test_configs_without_what_is_measured_are_refused(config):
    cfg = config('demo.py')
    cfg.train_dataloader.dataset.pipeline = [dict(type='mmseg.PackSegInputs')]
    with pytest.raises(ConfigError, match='LoadImage or LoadChangeLabel, found DemoDataset without'):
        benchmark_dataset(cfg)
    cfg.train_dataloader = None
    with pytest.raises(ConfigError, match='no train_dataloader'):
        benchmark_dataset(cfg)


def photograph(seed):
    """Draw 1024 px whose PNG is as large, and as slow to decode, as that of an aerial photograph."""
    rng = np.random.RandomState(seed)
    coarse = cv2.resize(rng.randint(0, 256, (64, 64, 3)).astype(np.uint8), (1024, 1024), interpolation=cv2.INTER_CUBIC)
    return np.clip(coarse + rng.normal(0, 8, (1024, 1024, 3)), 0, 255).astype(np.uint8)


@pytest.mark.long
def test_cache_makes_crops_of_large_pictures_three_times_as_fast(root, tmp_path):
    for i in range(4):
        label = photograph(i)[..., 0] // 128 * 255
        for part, image in (('A', photograph(i)), ('B', photograph(10 + i)), ('label', label)):
            path = tmp_path / 'train' / part / f'{i}.png'
            path.parent.mkdir(parents=True, exist_ok=True)
            assert cv2.imwrite(str(path), image)
    assert (tmp_path / 'train/A/0.png').stat().st_size > 1.5e6
    cfg = load_config(root / 'configs/schanger/levir.py', {
        'train_dataloader.dataset.data_root': str(tmp_path),
        'train_dataloader.dataset.pipeline.0.cache_dir': str(tmp_path / 'cache')})
    found = benchmark_dataset(cfg, samples=24, rounds=3)
    assert found['ratio'] >= 3, found
