"""What a Runner refuses before or while it trains."""

import copy

import pytest
from mmengine.registry import VISBACKENDS
from mmengine.visualization import BaseVisBackend

from schanger_mm.apis import ConfigError, build_runner, train
from schanger_mm.utils.errors import MissingPackageError

TINY = (8, 8, 12, 16, 20, 24)


@pytest.fixture
def config(small, root, tmp_path):
    cfg = small(root / 'configs/schanger/demo.py', tmp_path / 'work')
    cfg.model.backbone.arch = cfg.model.decode_head.arch = TINY
    return cfg


def test_a_batch_that_cannot_be_normalised_is_named(config):
    config.train_dataloader.batch_size = 1
    config.train_dataloader.dataset.pipeline[2].transforms[0].crop_size = (16, 16)
    with pytest.raises(ConfigError) as caught:
        train(build_runner(config))
    assert str(caught.value) == (
        'train_dataloader: batch normalisation needs more than one value per channel, and a batch of one image has a '
        'single one where the network reduces it to 1x1. Train with batch_size=2 or more (and drop_last=True, which '
        'leaves out a last batch of one), or with larger crops.')


@pytest.fixture
def absent():
    """Register a backend whose package is not installed, like mmengine's for TensorBoard."""
    class AbsentVisBackend(BaseVisBackend):
        def _init_env(self):
            raise ImportError('Please run "pip install absent" to install absent\nand more')

        @property
        def experiment(self):
            return self._init_env()

        def add_config(self, config, **kwargs):
            self._init_env()

    VISBACKENDS.register_module(module=AbsentVisBackend)
    yield AbsentVisBackend.__name__
    VISBACKENDS.module_dict.pop(AbsentVisBackend.__name__)


def test_a_backend_that_is_not_installed_is_one_line(config, absent):
    cfg = copy.deepcopy(config)
    cfg.visualizer.update(name='own', vis_backends=[dict(type='LocalVisBackend'), dict(type=absent)])  # kept by name
    with pytest.raises(MissingPackageError) as caught:
        build_runner(cfg)
    assert str(caught.value) == (
        'visualizer.vis_backends: AbsentVisBackend needs a package that is not installed (Please run "pip install '
        'absent" to install absent). Install it, or remove the backend: LocalVisBackend needs none.')
