import pytest
import torch
from mmengine.registry import DefaultScope
from torch import nn

from schanger_mm.models.layers import LFEM, part_dates
from schanger_mm.registry import MODELS, SCOPE

ARCH = (4, 4, 6, 8, 10, 12)


def build(num_dates, with_cp):
    with DefaultScope.overwrite_default_scope(SCOPE):
        return MODELS.build(dict(
            type='SiameseEncoderDecoder', num_dates=num_dates,
            backbone=dict(type='SCN', arch=ARCH, with_cp=with_cp),
            decode_head=dict(type='SpatialConsistencyHead', arch=ARCH, with_cp=with_cp,
                             temporal_fusion=dict(type='TFM') if num_dates == 2 else None),
            test_cfg=dict(mode='whole')))


def step(model, x):
    """Loss, gradients and buffers of one training step, dropout and stochastic depth included."""
    torch.manual_seed(3)
    model.train()
    loss = sum(m.square().mean() for m in model.decode_head.forward_maps(model.extract_feat(x)))
    loss.backward()
    return (loss.detach(), {n: p.grad for n, p in model.named_parameters()},
            {n: b.clone() for n, b in model.named_buffers()}, torch.rand(1))


@pytest.mark.parametrize('num_dates', [1, 2])
def test_the_step_is_the_same_with_dropout(num_dates):
    torch.manual_seed(0)
    plain, lean = build(num_dates, False), build(num_dates, True)
    lean.load_state_dict(plain.state_dict())
    part_dates(plain)  # as the lean one does; random masks are drawn per date then
    x = torch.randn(2, 3 * num_dates, 32, 32)
    for ours, theirs in zip(step(lean, x), step(plain, x)):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0)


def test_running_statistics_move_once_and_norms_are_as_before():
    block = LFEM(4, 4, with_cp=True).train()
    block(torch.randn(2, 4, 8, 8, requires_grad=True)).sum().backward()
    norms = [m for m in block.modules() if isinstance(m, nn.BatchNorm2d)]
    assert [int(norm.num_batches_tracked) for norm in norms] == [1, 1, 1]
    assert [norm.momentum for norm in norms] == [0.1] * 3


def test_only_the_input_is_kept():
    def kept(call):
        sizes = {}
        with torch.autograd.graph.saved_tensors_hooks(
                lambda t: sizes.setdefault(t.untyped_storage().data_ptr(), t.untyped_storage().nbytes()) and t,
                lambda t: t):
            out = call()
        del out
        return sum(sizes.values())

    plain, lean = LFEM(8, 8).train(), LFEM(8, 8, with_cp=True).train()
    x = torch.randn(1, 8, 64, 64, requires_grad=True)
    assert kept(lambda: lean(x)) < 0.05 * kept(lambda: plain(x))
    lean.eval()
    assert kept(lambda: lean(x)) > x.nbytes  # nothing to gain where no statistics move
