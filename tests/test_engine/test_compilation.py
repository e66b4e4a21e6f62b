"""torch.compile in training."""

import os
import shutil
import sysconfig
from pathlib import Path

import pytest
import torch
import torch._dynamo
from torch import nn

from schanger_mm.apis import ConfigError, build_runner, load_config, train
from schanger_mm.checkpoints import convert
from schanger_mm.engine.compilation import compile_loss
from schanger_mm.models.layers.drop_path import DropPath
from schanger_mm.registry import MODELS

TINY = (8, 8, 12, 16, 20, 24)
needs_compiler = pytest.mark.skipif(
    not shutil.which(os.environ.get('CXX', 'g++')) or not Path(sysconfig.get_path('include'), 'Python.h').is_file(),
    reason='torch.compile needs a C++ compiler and the headers of Python; apt-get install g++ python3-dev')


@MODELS.register_module()
class TwoLayers(nn.Module):
    """A backbone that compiles in seconds, with random numbers."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.SiLU(),
                                    DropPath(0.5))

    def forward(self, x):
        return [self.layers(x)]


@pytest.fixture
def losses_of(root, small, tmp_path):
    """Return a function that trains two iterations of the demo and returns their losses."""
    def losses(network, setting):
        cfg = small(root / 'configs/schanger/demo.py', tmp_path / f'{len(list(tmp_path.iterdir()))}')
        cfg.compile = setting
        cfg.experiment_name = tmp_path.name + str(bool(setting))  # not the losses of a run of the same second
        cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
        cfg.default_hooks.checkpoint.pop('save_best')
        cfg.default_hooks.logger.interval = 1
        if network == 'two layers':
            cfg.model.backbone = dict(type='TwoLayers')
            cfg.model.decode_head = dict(
                type='mmseg.FCNHead', in_channels=8, channels=4, in_index=0, num_convs=1, concat_input=False,
                num_classes=2, out_channels=1, threshold=0.5, loss_decode=dict(type='schanger_mm.BCEDiceLoss'))
        else:
            cfg.model.backbone.arch = cfg.model.decode_head.arch = TINY
        runner = build_runner(cfg)
        train(runner)
        history = runner.message_hub.get_scalar('train/loss').data[0]
        assert len(history) == 2
        return [float(loss) for loss in history], runner
    return losses


@pytest.mark.long
@pytest.mark.parametrize('network, setting', [
    pytest.param('two layers', True, marks=needs_compiler),
    ('schanger', dict(backend='aot_eager'))])  # by a C++ compiler it takes minutes
def test_compiled_iterations_have_the_losses_of_eager_ones(network, setting, losses_of):
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    with torch._dynamo.config.patch(error_on_recompile=True):
        compiled, runner = losses_of(network, setting)
    assert torch._dynamo.utils.counters['frames']['ok'] > 1 and runner.iter == 2  # one is the trial's
    eager, _ = losses_of(network, None)
    assert compiled == pytest.approx(eager, abs=1e-4) and eager[0] != eager[1]


@pytest.mark.long
def test_validation_is_not_compiled(losses_of):
    """Neither the network nor its copy in the inference form, which have weights of their own after a step."""
    _, runner = losses_of('two layers', dict(backend='aot_eager'))
    network, x = runner.model.eval(), torch.rand(1, 6, 32, 48)
    torch._dynamo.utils.counters.clear()
    with torch.no_grad():
        torch.testing.assert_close(network.for_inference()(x), network(x))
        network(x, mode='predict')
    assert not torch._dynamo.utils.counters['frames']


@pytest.mark.parametrize('setting, said', [
    ('yes', "compile='yes': expected True, or a dict"),
    (dict(backend='nope'), "torch.compile does not work here \\(Invalid backend: 'nope'"),
    (dict(moed='default'), "unexpected keyword argument 'moed'"),
])
def test_settings_that_do_not_work_are_one_line(setting, said):
    network = nn.Linear(2, 2)
    network.loss = network.forward
    with pytest.raises(ConfigError, match=said) as error:
        compile_loss(network, setting)
    assert '\n' not in str(error.value)


def test_networks_that_cannot_be_compiled_are_refused():
    with pytest.raises(ConfigError, match=r'Linear has no method loss\(\)'):
        compile_loss(nn.Linear(2, 2), True)
    network = convert.network(TINY, 2)
    network.decode_head.scams[0].with_cp = True
    with pytest.raises(ConfigError, match=r'cannot trace blocks that run again .* set with_cp=False'):
        compile_loss(network, True)


@pytest.mark.parametrize('setting', [None, False])
def test_without_the_key_nothing_is_compiled(setting):
    network = convert.network(TINY, 2)
    assert not compile_loss(network, setting) and 'loss' not in vars(network)


def test_the_key_can_be_typed(root):
    assert load_config(root / 'configs/schanger/levir.py', {'compile': True}).compile is True
