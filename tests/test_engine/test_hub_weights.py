"""Weights that a config takes from the hub: load_from and init_cfg."""

import pytest
import torch
from safetensors.torch import save

from schanger_mm.apis import ConfigError, build_runner
from schanger_mm.checkpoints.hub import HubError
from schanger_mm.engine.initial_weights import check_pretrained
from schanger_mm.registry import MODELS

TINY = (8, 8, 12, 16, 20, 24)
NAME = 'hf://org/net'


@pytest.fixture
def cfg(small, root, tmp_path):
    cfg = small(root / 'configs/schanger/demo.py', tmp_path / 'work')
    cfg.model.backbone.arch = cfg.model.decode_head.arch = TINY
    cfg.custom_hooks = []
    return cfg


@pytest.fixture
def state(cfg):
    """Weights of this network; all of them are 0.25 where they are no statistics of norms."""
    model = MODELS.build({'_scope_': 'schanger_mm', **cfg.model, 'data_preprocessor': cfg.data_preprocessor})
    return {name: torch.full_like(value, 0.25) if name.endswith('conv.weight') else value.clone()
            for name, value in model.state_dict().items()}


def test_a_training_starts_from_a_model_of_the_hub_and_its_config_names_the_commit(hub, cfg, state):
    _, commit = hub.add('org/net', {'model.safetensors': save(state)})
    cfg.load_from = NAME
    runner = build_runner(cfg)
    assert runner._load_from == runner.cfg.load_from == f'{NAME}@{commit}'
    downloads = [path for path in hub.paths() if path.endswith('.safetensors')]
    hub.broken = 503  # all is in the cache by now
    runner.load_or_resume()
    assert all(torch.equal(value, state[name]) for name, value in runner.model.state_dict().items())
    assert len(downloads) == 1 and runner.loaded_sha256 == hub.sha256(save(state))


def test_a_mistake_shows_before_anything_is_built(hub, cfg):
    cfg.load_from = NAME
    cfg.train_dataloader.dataset.data_root = '/nowhere'
    with pytest.raises(HubError, match='hf://org/net: http.* has no such model'):
        build_runner(cfg)


def test_a_part_is_initialised_from_a_model_of_the_hub(hub, cfg, state):
    repo, commit = hub.add('org/net', {'model.safetensors': save(state)})
    cfg.model.backbone.init_cfg = dict(type='Pretrained', checkpoint=NAME, prefix='backbone.')
    model = build_runner(cfg).model
    check_pretrained(model, cfg.model)
    repo.commit({'model.safetensors': save({name: value + 1 for name, value in state.items()})})
    assert model.backbone.init_cfg['checkpoint'] == f'{NAME}@{commit}'
    model.init_weights()  # what the Runner calls next: the weights that were checked, wherever the branch is now
    found = model.backbone.state_dict()
    assert all(torch.equal(value, state[f'backbone.{name}']) for name, value in found.items())


def test_a_part_whose_model_does_not_exist_names_its_key(hub, cfg):
    cfg.model.backbone.init_cfg = dict(type='Pretrained', checkpoint=NAME, prefix='backbone.')
    with pytest.raises(ConfigError, match=r'backbone.init_cfg.checkpoint: hf://org/net: http.* no such model.*Use a '
                                          r'local file with --cfg-options model.backbone.init_cfg.checkpoint=FILE'):
        check_pretrained(build_runner(cfg).model, cfg.model)
