"""Our network against the authors' numbers.

The fixtures hold random float32 weights under the published names, random
inputs, and what the authors' network gives for them in float64 on a CPU with
dropout 0.
"""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from schanger_mm.checkpoints.convert import network, published_to_mm
from schanger_mm.checkpoints.published_layout import to_ours, to_published, widths_of
from schanger_mm.models.losses import BCEDiceLoss

DATA = Path(__file__).parents[1] / 'data'
REAL_SMALL = Path(__file__).parents[3] / 'shared/parity/schanger_small_two_stream.safetensors'
TINY = [('schanger_tiny_two_stream.safetensors', 2), ('schanger_tiny_single_stream.safetensors', 1)]


class Fixture:
    """One parity file and our network with its weights."""

    def __init__(self, path: Path, num_dates: int, dtype: torch.dtype, with_cp: bool = False):
        self.tensors = load_file(path)
        state, _ = published_to_mm(self.group('state.'))
        self.model = network(widths_of(state), num_dates)
        _no_drop(self.model)
        _recompute(self.model, with_cp)
        self.model.load_state_dict(state)
        self.model.to(dtype)
        dates = [self.tensors[k] for k in ('input.x', 'input.x1', 'input.x2') if k in self.tensors]
        assert len(dates) == num_dates
        self.x = torch.cat(dates, dim=1).to(dtype)

    def group(self, prefix: str) -> dict:
        return {k[len(prefix):]: v for k, v in self.tensors.items() if k.startswith(prefix)}

    def train_step(self) -> tuple[torch.Tensor, torch.Tensor]:
        self.model.train()
        maps = torch.cat(self.model.decode_head.forward_maps(self.model.extract_feat(self.x)), dim=1)
        loss = BCEDiceLoss()(maps, self.tensors['input.target'].long())
        loss.backward()
        return maps.detach(), loss.detach()

    def grad_norms(self) -> dict[str, float]:
        return {to_published(n): p.grad.norm().item() for n, p in self.model.named_parameters()}


def _recompute(model, with_cp):
    for module in model.modules():
        if hasattr(module, 'with_cp'):
            module.with_cp = with_cp


def _no_drop(model):
    for module in model.modules():
        if hasattr(module, 'rate'):
            module.rate = 0.0
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0


def _close(ours: torch.Tensor, theirs: torch.Tensor, tolerance: float) -> None:
    difference = (ours.double() - theirs.double()).abs().max().item()
    assert difference <= tolerance * theirs.double().abs().max().item()


@pytest.fixture(params=[(*case, with_cp) for case in TINY for with_cp in (False, True)],
                ids=['two dates', 'two dates, recomputed', 'single-temporal', 'single-temporal, recomputed'])
def case(request):
    return request.param


@pytest.fixture
def double(case):
    name, num_dates, with_cp = case
    return Fixture(DATA / name, num_dates, torch.float64, with_cp)


@pytest.fixture
def single(case):
    name, num_dates, with_cp = case
    return Fixture(DATA / name, num_dates, torch.float32, with_cp)


def test_probabilities_in_float64(double):
    double.model.eval()
    with torch.no_grad():
        _close(double.model(double.x, mode='tensor').sigmoid(), double.tensors['eval.prob'], 1e-9)


def test_training_in_float64(double):
    maps, loss = double.train_step()
    _close(maps, double.tensors['train.logits'], 1e-9)
    _close(loss, double.tensors['train.loss'], 1e-9)


def test_every_gradient_norm_in_float64(double):
    double.train_step()
    ours, theirs = double.grad_norms(), double.group('grad_norm.')
    assert ours.keys() == theirs.keys()
    largest = max(v.item() for v in theirs.values())
    assert max(abs(ours[k] - v.item()) for k, v in theirs.items()) <= 1e-9 * largest


def test_running_statistics_in_float64(double):
    """They move twice a step with two dates: each date passes each batch norm on its own."""
    double.train_step()
    ours, theirs = dict(double.model.named_buffers()), double.group('train_buffer.')
    assert {k for k in ours if 'running' in k} == {to_ours(k) for k in theirs if 'running' in k}
    for name, value in theirs.items():
        _close(ours[to_ours(name)], value, 1e-9)


def test_probabilities_in_float32(single):
    single.model.eval()
    with torch.no_grad():
        prob = single.model(single.x, mode='tensor').sigmoid()
    assert (prob - single.tensors['eval.prob']).abs().max() <= 2e-4


def test_training_in_float32(single):
    maps, loss = single.train_step()
    _close(maps, single.tensors['train.logits'], 1e-4)
    _close(loss, single.tensors['train.loss'], 1e-4)
    ours = single.grad_norms()
    for name, theirs in single.group('grad_norm.').items():
        assert abs(ours[name] - theirs.item()) <= 1e-3 * theirs.item() + 1e-4, name


@pytest.mark.skipif(not REAL_SMALL.is_file(), reason='the real small model lies beside the project only in some places')
@pytest.mark.parametrize('dtype, tolerance', [(torch.float64, 1e-9), (torch.float32, 2e-4)])
def test_real_small_model(dtype, tolerance):
    real = Fixture(REAL_SMALL, 2, dtype)
    real.model.eval()
    with torch.no_grad():
        prob = real.model(real.x, mode='tensor').sigmoid()
    assert (prob - real.tensors['eval.prob']).abs().max() <= tolerance


@pytest.mark.parametrize(('arch', 'num_dates', 'parameters', 'entries'), [
    ('base', 2, 2_369_995, 638),
    ('base', 1, 2_265_163, 598),
    ('small', 2, 607_305, 638),
    ('small', 1, 580_849, 598),
])
def test_counts_are_the_reference(arch, num_dates, parameters, entries):
    with torch.device('meta'):
        model = network(arch, num_dates)
    assert sum(p.numel() for p in model.parameters()) == parameters
    assert len(model.state_dict()) == entries


def test_single_temporal_names_are_a_subset_and_only_ten_fusions_are_new():
    with torch.device('meta'):
        two, one = network('small', 2).state_dict(), network('small', 1).state_dict()
    new = two.keys() - one.keys()
    assert one.keys() < two.keys()
    assert all(one[k].shape == two[k].shape for k in one)
    assert len({name.rsplit('.', 2)[0] for name in new}) == 10
