import copy

import pytest
import torch
from torch import nn

from schanger_mm.apis.convert import network
from schanger_mm.models.layers import LFEM, recompute

ARCH = (4, 4, 6, 8, 10, 12)


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
    plain = network(ARCH, num_dates)
    lean = copy.deepcopy(plain)
    lean.backbone.with_cp = lean.decode_head.with_cp = True
    x = torch.randn(2, 3 * num_dates, 32, 32)
    for ours, theirs in zip(step(lean, x), step(plain, x)):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0)


def test_running_statistics_move_once_and_norms_are_as_before():
    block = LFEM(4, 4).train()
    recompute(block, torch.randn(2, 4, 8, 8, requires_grad=True)).sum().backward()
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

    block, x = LFEM(8, 8).train(), torch.randn(1, 8, 64, 64, requires_grad=True)
    assert kept(lambda: recompute(block, x)) < 0.05 * kept(lambda: block(x))
