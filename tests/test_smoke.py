"""The shortest way through the package; `make test-minimum` runs it with the oldest versions allowed."""

import copy
import importlib
import pkgutil

import numpy as np
import pytest
import torch

import schanger_mm
from schanger_mm.apis import ChangeDetector, build_runner, load_config, resume_from
from schanger_mm.registry import MODELS

TINY = (8, 8, 12, 16, 20, 24)
METRICS = {f'changed/{name}' for name in ('F1', 'precision', 'recall', 'IoU', 'OA', 'kappa')}


def build(root, name):
    """Return a network and its config; no weights are fetched."""
    cfg = load_config(root / 'configs' / name)
    return MODELS.build({**cfg.model, 'data_preprocessor': cfg.data_preprocessor}).eval(), cfg


def test_every_module_can_be_imported():
    def fail(name):
        raise ImportError(f'{name} cannot be imported')

    names = [module.name for module in pkgutil.walk_packages(schanger_mm.__path__, 'schanger_mm.', onerror=fail)]
    assert {'schanger_mm.models.detectors', 'schanger_mm.scene.run', 'schanger_mm.deploy.formats'} <= set(names)
    for name in names:
        importlib.import_module(name)


@pytest.mark.parametrize('name, channels', [
    ('schanger/levir.py', 6), ('schanger/levir_small.py', 6), ('schanger/levir_early_fusion.py', 6),
    ('schanger/pretrain_inria_small.py', 3)])
def test_networks_give_one_map_of_the_size_of_the_input(root, name, channels):
    network, _ = build(root, name)
    with torch.no_grad():
        logits = network(torch.rand(2, channels, 64, 64), mode='tensor')
    assert logits.shape == (2, 1, 64, 64)
    assert logits.isfinite().all()


def test_a_training_is_saved_continued_tested_and_used(root, small, tmp_path):
    """One training, as each costs seconds."""
    cfg = small(root / 'configs/schanger/demo.py', tmp_path / 'work')
    cfg.model.backbone.arch = cfg.model.decode_head.arch = TINY
    cfg.default_hooks.checkpoint.update(interval=1, max_keep_ckpts=5)
    runner = build_runner(copy.deepcopy(cfg))
    before = {name: value.clone() for name, value in runner.model.named_parameters()}
    runner.train()
    moved = sum(not torch.equal(value, before[name]) for name, value in runner.model.named_parameters())
    assert moved > 0.9 * len(before)

    again = copy.deepcopy(cfg)
    resume_from(again, str(tmp_path / 'work/iter_1.pth'))
    runner = build_runner(again)
    runner.train()
    assert runner.iter == 2
    assert METRICS <= set(runner.test())

    detector = ChangeDetector(str(tmp_path / 'work/iter_2.pth'), device='cpu')
    first, second = np.random.default_rng(0).integers(0, 256, (2, 96, 80, 3), np.uint8)
    result = detector.predict_array(first, second, window=64, overlap=32)
    assert result.probability.shape == (96, 80)
    np.testing.assert_array_equal(result.changed, result.probability > 0.5)


def test_two_views_train_a_step(root, small, tmp_path):
    cfg = small(root / 'configs/sadl/sadl_scn-base_inria.py', tmp_path / 'work')
    runner = build_runner(cfg)
    runner.train()
    assert runner.iter == 2
