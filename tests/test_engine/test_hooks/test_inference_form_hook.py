import copy

import pytest
from mmengine.hooks import Hook
from mmengine.model import BaseTTAModel

from schanger_mm.engine.hooks import InferenceFormHook


class Seen(Hook):
    """Remembers which network ran in validation and in the test."""

    priority = 'LOWEST'

    def __init__(self):
        self.validated, self.tested = [], []

    def after_val_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.validated.append(runner.model)

    def after_test_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.tested.append(runner.model)


@pytest.fixture
def net(toy_net):
    class Net(toy_net):
        precision = None

        def for_inference(self, precision):
            fast = copy.deepcopy(self).eval()
            fast.precision = precision
            return fast

    return Net


def test_the_form_is_tested_and_the_network_is_back_afterwards(toy_runner, net):
    seen, model = Seen(), net()
    runner = toy_runner(model, hooks=[InferenceFormHook('bf16'), seen])
    runner.test()
    assert {m.precision for m in seen.tested} == {'bf16'}
    assert runner.model is model and model.precision is None


def test_training_and_validation_never_see_it(toy_runner, net):
    seen, model = Seen(), net()
    runner = toy_runner(model, hooks=[InferenceFormHook(), seen])
    runner.train()
    assert seen.validated and all(m is model for m in seen.validated)


class Swap(Hook):
    """Puts other weights in for the test, when EMAHook does."""

    def __init__(self, model):
        self.model = model

    def before_test_epoch(self, runner):
        self.model.head.bias.data.fill_(3.0)

    def after_test_epoch(self, runner, metrics=None):
        self.model.head.bias.data.fill_(-1.0)


def test_it_holds_the_averaged_weights(toy_runner, net):
    seen, model = Seen(), net()
    runner = toy_runner(model, hooks=[InferenceFormHook(), Swap(model), seen], train=False)
    runner.test()
    assert [m.head.bias.item() for m in seen.tested] == [3.0] * len(seen.tested)
    assert model.head.bias.item() == -1.0


def test_other_hooks_keep_hold_of_the_network_inside_of_augmentation(toy_runner, net):
    """EMAHook swaps the weights of what it saw before the test, ahead of this hook's end."""
    class Views(BaseTTAModel):
        def test_step(self, data):
            return self.module.test_step(data)

        def merge_preds(self, data_samples_list):
            raise NotImplementedError

    views = Views(net())
    held = []
    swap = Swap(views.module)
    swap.after_test_epoch = lambda runner, metrics=None: held.append(views.module)
    toy_runner(views, hooks=[InferenceFormHook(), swap], train=False).test()
    assert held == [swap.model]


def test_inside_of_test_time_augmentation(toy_runner, net):
    class Views(BaseTTAModel):
        def test_step(self, data):
            return self.module.test_step(data)

        def merge_preds(self, data_samples_list):
            raise NotImplementedError

    seen, model = Seen(), net()
    views = Views(model)
    hook = InferenceFormHook()
    runner = toy_runner(views, hooks=[hook, seen], train=False)
    inside = []
    seen.after_test_iter = lambda runner, *args, **kwargs: inside.append(runner.model.module.precision)
    runner.test()
    assert set(inside) == {'fp32'} and runner.model is views and views.module is model


def test_a_network_without_the_form_is_tested_as_it_is(toy_runner, toy_net, monkeypatch):
    said = []
    monkeypatch.setattr('schanger_mm.engine.hooks.inference_form_hook.print_log',
                        lambda text, **kwargs: said.append(text))
    seen, model = Seen(), toy_net()
    runner = toy_runner(model, hooks=[InferenceFormHook(), seen])
    runner.test()
    assert all(m is model for m in seen.tested) and said == ['ToyNet has no inference form: tested unchanged.']
