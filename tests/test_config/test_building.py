"""What mmengine says of a config that it cannot build is a ConfigError; what our own code raises stays what it is."""

from types import SimpleNamespace

import pytest
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.optim import build_optim_wrapper
from mmengine.optim.scheduler import LinearLR
from mmengine.registry import PARAM_SCHEDULERS
from mmengine.runner import Runner
from torch import nn
from torch.optim import SGD

from schanger_mm.config.building import build, config_errors
from schanger_mm.config.loading import ConfigError
from schanger_mm.registry import MODELS


@MODELS.register_module()
class PartOfTheTest(nn.Module):
    def __init__(self, width, error=None):
        super().__init__()
        if error is not None:
            raise error
        self.width = width

    def faulty(self):
        return PartOfTheTest(depth=1)


@pytest.mark.parametrize(('part', 'message'), [
    (dict(type='PartOfTheTset', width=1), "the config asks for 'PartOfTheTset', and .*::model has no part of this "
                                          'name; correct it, or let custom_imports name the module that registers it'),
    (dict(width=1), "a part of the config has no type: {'width': 1}"),
    (dict(type='PartOfTheTest', width=1, depth=2), "has an unknown setting: .* keyword argument 'depth'"),
    (dict(type='PartOfTheTest'), "a part is missing a setting: .* missing 1 required .*: 'width'"),
    (5, 'a part of the config is of the wrong kind: cfg should be a dict'),
])
def test_a_config_that_cannot_be_built(part, message):
    with pytest.raises(ConfigError, match=message):
        build(MODELS, part)


def test_the_keyword_is_looked_for_in_the_whole_config():
    cfg = Config(dict(model=[dict(type='PartOfTheTest', width=1, depth=2)]))
    with pytest.raises(ConfigError, match="keyword argument 'depth'"), config_errors(cfg):
        MODELS.build(cfg.model[0])


@pytest.mark.parametrize('error', [ValueError('width'), KeyError('width'), TypeError('width'),
                                   TypeError("f() got an unexpected keyword argument 'planted'")], ids=repr)
def test_what_a_part_raises_itself_is_left_alone(error):
    with pytest.raises(type(error)) as raised:
        build(MODELS, dict(type='PartOfTheTest', width=1, error=error))
    assert raised.value is error


def test_a_keyword_that_no_config_gave_is_a_fault():
    with pytest.raises(TypeError, match='depth'), config_errors(dict(model=dict(type='PartOfTheTest', width=1))):
        build(MODELS, dict(type='PartOfTheTest', width=1)).faulty()


def test_the_type_error_of_a_hook_is_a_fault():
    """mmengine raises it again in its runner, where it raises errors about a config as well."""
    class Faulty(Hook):
        def before_train(self, runner):
            raise TypeError('planted')

    with pytest.raises(TypeError, match='planted in'), config_errors({}):
        Runner.call_hook(SimpleNamespace(_hooks=[Faulty()]), 'before_train')


def test_an_optimiser_that_is_not_registered():
    cfg = dict(type='OptimWrapper', optimizer=dict(type='Addam', lr=1))
    with pytest.raises(ConfigError, match='the config asks for|no optimiser is registered'), config_errors(cfg):
        build_optim_wrapper(nn.Linear(1, 1), cfg)


def test_a_registry_with_a_name_of_two_words():
    with pytest.raises(ConfigError, match="asks for 'Nope', and .*::parameter scheduler has no part of this name"):
        build(PARAM_SCHEDULERS, dict(type='Nope'))


def test_an_epoch_without_a_batch():
    optimizer = SGD(nn.Linear(1, 1).parameters(), lr=1)
    with pytest.raises(ConfigError, match=r'an epoch has no batch, .* lower train_dataloader\.batch_size'):
        with config_errors({}):
            LinearLR.build_iter_from_epoch(optimizer, start_factor=0.1, by_epoch=True, end=2, epoch_length=0)
