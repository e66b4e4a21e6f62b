import copy
import pickle
import weakref
from pathlib import Path

import pytest
import torch
from mmcv.cnn import ConvModule
from mmengine.config import Config
from mmengine.registry import DefaultScope
from safetensors.torch import load_file
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from schanger_mm.checkpoints.convert import network, published_to_mm
from schanger_mm.checkpoints.published_layout import widths_of
from schanger_mm.models.inference import InferenceConv, inference_form, rows
from schanger_mm.models.inference.forms import InferenceLFEM
from schanger_mm.models.layers import LFEM
from schanger_mm.registry import MODELS, SCOPE

ROOT = Path(__file__).parents[3]
DATA = ROOT / 'tests/data'
REAL_SMALL = ROOT.parent / 'shared/parity/schanger_small_two_stream.safetensors'
ARCH = (4, 4, 6, 8, 10, 12)


def with_statistics(model: nn.Module) -> nn.Module:
    """Norms as after training: nothing is 0 or 1, so that a fold that is left out shows."""
    torch.manual_seed(0)
    if hasattr(model, 'init_weights'):
        model.init_weights()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.3, 2)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.3)
    for name, parameter in model.named_parameters():
        if name.endswith(('scale1', 'scale2')):
            nn.init.uniform_(parameter, -0.5, 0.5)
    return model.eval()


def build(num_dates=2, arch=ARCH, **head):
    with DefaultScope.overwrite_default_scope(SCOPE):
        return with_statistics(MODELS.build(dict(
            type='SiameseEncoderDecoder', num_dates=num_dates,
            backbone=dict(type='SCN', arch=arch),
            decode_head=dict(type='SpatialConsistencyHead', arch=arch,
                             **{'temporal_fusion': dict(type='TFM') if num_dates == 2 else None, **head}),
            test_cfg=dict(mode='whole'))))


def probabilities(model, x):
    with torch.no_grad():
        return model(x, mode='tensor').sigmoid()


def published(dtype, path=DATA / 'schanger_tiny_two_stream.safetensors'):
    """The authors' random weights and their probabilities in float64."""
    tensors = load_file(path)
    state, _ = published_to_mm({k[6:]: v for k, v in tensors.items() if k.startswith('state.')})
    model = network(widths_of(state), 2)
    model.load_state_dict(state)
    x = torch.cat([tensors['input.x1'], tensors['input.x2']], dim=1)
    return model.eval().to(dtype), x.to(dtype), tensors['eval.prob']


@pytest.mark.parametrize('portable', [False, True])
def test_authors_probabilities_in_float64(portable):
    model, x, expected = published(torch.float64)
    difference = probabilities(inference_form(model, x, portable), x) - expected
    assert difference.abs().max() <= 1e-9


@pytest.mark.parametrize('portable', [False, True])
def test_plain_probabilities_in_float32(portable):
    model, x, _ = published(torch.float32)
    plain = probabilities(model, x)
    assert plain.std() > 1e-3
    assert (probabilities(model.for_inference(portable=portable), x) - plain).abs().max() <= 1e-5


@pytest.mark.skipif(not REAL_SMALL.is_file(), reason=f'{REAL_SMALL.name} of the authors is not on this machine')
@pytest.mark.parametrize('dtype, allowed', [(torch.float64, 1e-9), (torch.float32, 1e-5)], ids=str)
def test_the_authors_small_network(dtype, allowed):
    """With random weights the plain form's float32 is 9e-6 from their float64 itself; the fast form is no farther."""
    model, x, expected = published(dtype, REAL_SMALL)
    assert (probabilities(model, x) - expected).abs().max() <= allowed
    assert (probabilities(model.for_inference(), x) - expected).abs().max() <= allowed


@pytest.mark.parametrize('arch', ['small', 'base'])
def test_both_sizes_in_float64(arch):
    model, x = build(arch=arch).double(), torch.randn(1, 6, 64, 48, dtype=torch.float64)
    with torch.no_grad():
        plain, fast = model(x, mode='tensor'), model.for_inference()(x, mode='tensor')
    torch.testing.assert_close(fast, plain, rtol=0, atol=1e-9 * plain.abs().max().item())


@pytest.mark.parametrize('portable', [False, True])
@pytest.mark.parametrize('head', [
    {}, dict(attention='small'), dict(attention='none'), dict(share_attention=False),
    dict(temporal_fusion=dict(type='TFM', mode='diff')), dict(num_dates=1)
], ids=str)
def test_every_variant_predicts_the_same(head, portable):
    """In float64, so that the random network's large maps leave no room for a part that was forgotten."""
    model = build(**head).double()
    x = torch.randn(2, 3 * model.num_dates, 48, 32, dtype=torch.float64)
    with torch.no_grad():
        plain = model(x, mode='tensor')
        fast = model.for_inference(portable=portable)(x, mode='tensor')
    torch.testing.assert_close(fast, plain, rtol=0, atol=1e-9 * plain.abs().max().item())


@pytest.mark.parametrize('size', [(16, 16), (17, 31), (40, 100)])
def test_any_size_as_a_whole_and_in_tiles(size):
    model, x = build(), torch.randn(2, 6, *size)
    for test_cfg in (dict(mode='whole'), dict(mode='slide', crop_size=(16, 16), stride=(8, 8))):
        model.test_cfg = Config(test_cfg)
        fast = model.for_inference()
        with torch.no_grad():
            for a, b in zip(fast(x, mode='predict'), model(x, mode='predict')):
                torch.testing.assert_close(a.seg_logits.data, b.seg_logits.data, rtol=0, atol=1e-5)
                assert a.pred_sem_seg.data.shape == (1, *size)


def test_blocks_of_rows_are_seamless(monkeypatch):
    model, x = build(), torch.randn(2, 6, 80, 32)
    plain = probabilities(model, x)
    monkeypatch.setattr(rows, 'BLOCK', 1)
    assert len(rows.split_rows(x, 6)) == 10  # 8 rows each
    torch.testing.assert_close(probabilities(model.for_inference(), x), plain, rtol=0, atol=1e-5)


class Living(TorchDispatchMode):
    """Follows the memory of the tensors that are made within it.

    Attributes:
        most: bytes that were held at once.
    """

    def __init__(self):
        super().__init__()
        self.now = self.most = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        results = function(*args, **(kwargs or {}))
        known = {storage.data_ptr() for storage in self._storages((args, kwargs))}
        for storage in self._storages(results):
            if storage.data_ptr() not in known:
                self.now += storage.nbytes()
                self.most = max(self.most, self.now)
                weakref.finalize(storage, self._gone, storage.nbytes())
        return results

    @staticmethod
    def _storages(values):
        return [x.untyped_storage() for x in tree_leaves(values) if isinstance(x, torch.Tensor) and not x.is_mkldnn]

    def _gone(self, size):
        self.now -= size


def most_memory(model, x):
    with torch.no_grad(), Living() as living:
        model(x, mode='tensor')
    return living.most


def test_memory_is_two_thirds_of_the_plain_form_because_of_the_blocks(monkeypatch):
    """Tensors only, whatever an allocator makes of them. Blocks are to these 128 px as they are to 1024 px."""
    model, x = build(arch='base'), torch.randn(1, 6, 128, 128)
    fast, plain = model.for_inference(), most_memory(model, x)
    monkeypatch.setattr(rows, 'BLOCK', rows.BLOCK // 64)
    assert most_memory(fast, x) <= 0.65 * plain
    monkeypatch.setattr(rows, 'BLOCK', 2**40)
    assert most_memory(fast, x) > 0.7 * plain


def test_rows_know_their_neighbours():
    x = torch.arange(40.).view(1, 1, 20, 2)
    rows.BLOCK, before = 1, rows.BLOCK
    try:
        blocks = rows.split_rows(x, 1)
    finally:
        rows.BLOCK = before
    assert [b.own.shape[2] for b in blocks] == [8, 8, 4]
    assert [b.with_neighbours.shape[2] for b in blocks] == [9, 10, 5]
    assert all(torch.equal(b.cut(b.with_neighbours), b.own) for b in blocks)
    assert torch.equal(rows.join_rows([b.own for b in blocks]), x)


def test_network_and_its_checkpoint_are_untouched():
    model = build()
    before, modes = copy.deepcopy(model.state_dict()), [m.training for m in model.modules()]
    fast = model.for_inference()
    fast(torch.randn(1, 6, 16, 16), mode='tensor')
    after = model.state_dict()
    assert before.keys() == after.keys() and all(torch.equal(before[k], after[k]) for k in before)
    assert [m.training for m in model.modules()] == modes
    assert all(p.requires_grad for p in model.parameters())
    assert not any(p.requires_grad for p in fast.parameters())
    storages = {p.data_ptr() for p in model.parameters()}
    assert not any(p.data_ptr() in storages for p in fast.parameters())


def test_a_network_in_training_mode_is_converted_as_it_predicts():
    model, x = build(), torch.randn(1, 6, 32, 32)
    plain = probabilities(model, x)
    torch.testing.assert_close(probabilities(model.train().for_inference(), x), plain, rtol=0, atol=1e-5)


def test_bfloat16_stays_close_and_returns_float32():
    model, x, _ = published(torch.float32)
    fast = model.for_inference('bf16')
    assert next(fast.backbone.parameters()).dtype == torch.bfloat16
    with torch.no_grad():
        logits = fast.encode_decode(x, [{}] * len(x))
        plain = model.encode_decode(x, [{}] * len(x))
    assert logits.dtype == torch.float32
    difference = (logits.sigmoid() - plain.sigmoid()).abs()
    assert 0 < difference.max() <= 0.1 and difference.mean() <= 5e-3


def test_float16_has_room_for_the_sum_over_a_large_map():
    torch.manual_seed(0)
    part = LFEM(4, 4).eval()
    nn.init.constant_(part.depthwise.bn.bias, 2.0)  # a mean of about 2, and 65,536 pixels: beyond float16
    form, x = InferenceLFEM(part, portable=False), torch.randn(1, 4, 256, 256)
    with torch.no_grad():
        exact, half = form(x), copy.deepcopy(form).half()(x.half())
    assert half.dtype == torch.float16 and 0 < (half.float() - exact).abs().max() < 0.02 * exact.abs().max()


@pytest.mark.parametrize('precision, message', [
    ('fp16', "few CPUs compute in float16; use 'bf16'"),
    ('int8', "precision='int8': expected one of fp32, bf16, fp16"),
])
def test_other_precisions_are_refused(precision, message):
    with pytest.raises(ValueError, match=message):
        build().for_inference(precision)


def test_no_batch_norm_is_left():
    assert not [m for m in build().for_inference().modules() if isinstance(m, nn.BatchNorm2d)]


def test_resnet_detector_predicts_the_same():
    cfg = Config.fromfile(ROOT / 'configs/_base_/models/fpn-cd_resnet18.py').model
    cfg.test_cfg = dict(mode='whole')
    with DefaultScope.overwrite_default_scope(SCOPE):
        model = with_statistics(MODELS.build(cfg))
    x = torch.randn(1, 6, 64, 64)
    fast = model.for_inference()
    assert not [m for m in fast.modules() if isinstance(m, nn.BatchNorm2d)]
    with torch.no_grad():
        plain = model(x, mode='tensor')
        torch.testing.assert_close(fast(x, mode='tensor'), plain, rtol=1e-4, atol=1e-4 * plain.abs().max().item())


class NormFirst(nn.Module):
    """A norm that stands behind a convolution among the children, but not in the computation."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1)
        self.norm2 = nn.BatchNorm2d(3)

    def forward(self, x):
        return self.conv(self.norm2(x))


@pytest.mark.parametrize('model', [
    NormFirst(), ConvModule(3, 4, 3, padding=1, norm_cfg=dict(type='BN')),
    nn.Sequential(nn.Conv2d(3, 3, 1), nn.ReLU(), nn.BatchNorm2d(3)),
    nn.Sequential(nn.Conv2d(3, 4, 3, padding='same', padding_mode='reflect'), nn.BatchNorm2d(4, affine=False)),
    nn.Sequential(nn.Conv2d(3, 3, 3, stride=2, dilation=2, bias=False), nn.BatchNorm2d(3, track_running_stats=False)),
], ids=['norm first', 'ConvModule', 'activation between', 'reflect', 'no statistics'])
def test_foreign_parts_predict_the_same(model):
    model, x = with_statistics_if_any(model), torch.randn(2, 3, 16, 16)
    with torch.no_grad():
        torch.testing.assert_close(inference_form(model, x)(x), model(x))


def with_statistics_if_any(model):
    return with_statistics(model) if all(
        m.running_mean is not None and m.affine for m in model.modules() if isinstance(m, nn.BatchNorm2d)
    ) else model.eval()


def test_a_used_form_can_be_copied_pickled_and_moved():
    x = torch.randn(1, 6, 16, 16)
    fast = build().for_inference()
    expected = probabilities(fast, x)
    for other in (copy.deepcopy(fast), pickle.loads(pickle.dumps(fast))):
        torch.testing.assert_close(probabilities(other, x), expected)
    torch.testing.assert_close(probabilities(fast.double(), x.double()).float(), expected, rtol=0, atol=1e-5)
    torch.testing.assert_close(probabilities(fast.float(), x), expected, rtol=0, atol=1e-5)


def test_convolution_adds_and_activates():
    conv, x, y = nn.Conv2d(8, 16, 1), torch.randn(2, 8, 9, 7), torch.randn(2, 16, 9, 7)
    with torch.no_grad():
        for portable in (False, True):
            torch.testing.assert_close(InferenceConv.of(conv, portable=portable)(x, add=y), conv(x) + y)
            for act, function in (('silu', nn.functional.silu), ('gelu', nn.functional.gelu)):
                torch.testing.assert_close(InferenceConv.of(conv, act=act, portable=portable)(x), function(conv(x)))
