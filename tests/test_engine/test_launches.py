"""What a training iteration of the whole loop asks of a GPU: how many kernels, and how often the host waits.

Counted on the CPU, where the same operators are called.
"""

from pathlib import Path

import pytest
import torch

from schanger_mm.apis import build_runner, load_config
from schanger_mm.benchmark.launches import Calls
from schanger_mm.demo.scenes import DemoSizes, write_demo_set

LEVIR = Path(__file__).parents[2] / 'configs/schanger/levir.py'
ITERATIONS, LOGGED = 9, 4


@pytest.fixture(scope='module')
def iterations(tmp_path_factory):
    """Train SChanger-base with levir.py's settings, an average every iteration, and count per iteration."""
    folder = tmp_path_factory.mktemp('launches')
    write_demo_set(folder / 'data', DemoSizes(0, 0, 4, 0, 0), image_size=32)
    cfg = load_config(LEVIR, {
        'load_from': None, 'work_dir': str(folder / 'run'),
        'train_dataloader.dataset.type': 'DemoDataset', 'train_dataloader.dataset.data_root': str(folder / 'data'),
        'train_dataloader.num_workers': 0, 'train_dataloader.batch_size': 2,
        'train_cfg.max_iters': ITERATIONS, 'default_hooks.logger.interval': LOGGED})
    cfg.train_dataloader.dataset.pipeline[0].cache_dir = cfg.train_dataloader.dataset.pipeline[1].cache_dir = None
    cfg.train_dataloader.dataset.pipeline[2].transforms[0].crop_size = (32, 32)
    cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    cfg.default_hooks.checkpoint = None
    cfg.custom_hooks[0].interval = 1
    runner = build_runner(cfg)
    counts, run_iter = [], runner.train_loop.run_iter

    def counted(batch):
        with Calls() as calls:
            run_iter(batch)
        counts.append(calls)

    runner.train_loop.run_iter = counted
    runner.train()
    assert len(counts) == ITERATIONS
    return counts, runner


def test_an_iteration_launches_at_most_1700_kernels(iterations):
    counts, _ = iterations
    total = [sum(calls.kernels.values()) for calls in counts]
    assert 1000 < min(total[1:]) and max(total[1:]) <= 1700, counts[2].kernels.most_common(15)


def test_no_operator_hides_copies(iterations):
    """A form with out= that torch generates computes new tensors and copies each: kernels that nobody counts."""
    counts, _ = iterations
    assert not counts[2].copying


def test_every_convolution_is_launched_once_for_both_dates(iterations):
    counts, runner = iterations
    layers = sum(isinstance(part, torch.nn.Conv2d) for part in runner.model.modules())
    assert counts[2].kernels['convolution'] == counts[2].kernels['convolution_backward'] == layers


def test_the_host_waits_in_no_iteration_between_two_lines_of_the_log(iterations):
    counts, _ = iterations
    assert [dict(calls.waits) for calls in counts[1:LOGGED - 1]] == [{}] * (LOGGED - 2)
    assert [dict(calls.waits) for calls in counts[LOGGED:2 * LOGGED - 1]] == [{}] * (LOGGED - 1)


def test_parameter_groups_are_two(iterations):
    """One with weight decay and one without."""
    _, runner = iterations
    groups = runner.optim_wrapper.optimizer.param_groups
    assert sorted(len(group['params']) for group in groups) == [157, 268]
    assert sorted(group['weight_decay'] for group in groups) == [0.0, 2e-4] and all(group['fused'] for group in groups)
