"""The code of CONTRIBUTING.md runs as it stands there."""

import re

import numpy as np
import pytest
import torch
from mmengine.registry import DefaultScope
from torch import nn

from schanger_mm.deploy.runtime import Runtime
from schanger_mm.models.layers import SharedAttention
from schanger_mm.registry import MODELS, SCOPE
from schanger_mm.utils.optional import require

ARCH = (4, 4, 6, 8, 10, 12)


@pytest.fixture
def run_section(root):
    """Return a function that runs the code of a section and returns what it defines."""
    before = dict(MODELS._module_dict)

    def run(title):
        text = (root / 'CONTRIBUTING.md').read_text(encoding='utf-8')
        section = re.search(rf'^## {title}\n(.*?)(?=^## |\Z)', text, re.M | re.S)[1]
        code = re.search(r'```python\n(.*?)```', section, re.S)[1]
        assert len(code.splitlines()) < 15
        names = dict(MODELS=MODELS, SharedAttention=SharedAttention, Runtime=Runtime, nn=nn, require=require)
        exec(code, names)
        return names

    yield run
    MODELS._module_dict.clear()
    MODELS._module_dict.update(before)


def build(decode_head):
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope(SCOPE):
        return MODELS.build(dict(
            type='SiameseEncoderDecoder', backbone=dict(type='SCN', arch=ARCH), test_cfg=dict(mode='whole'),
            decode_head=dict(type='SpatialConsistencyHead', arch=ARCH, temporal_fusion=dict(type='TFM'), **decode_head),
            data_preprocessor=dict(type='BiTemporalPreProcessor', mean=[0.0] * 6, std=[1.0] * 6))).eval()


def test_change_the_attention(run_section):
    names = run_section('Change the attention')
    network, x = build(names['model']['decode_head']), torch.randn(1, 6, 32, 32)
    assert all(type(scam.attention) is names['StripAttention'] for scam in network.decode_head.scams)
    with torch.no_grad():
        torch.testing.assert_close(network.for_inference()(x), network(x), atol=1e-5, rtol=1e-5)


def test_add_a_loss(run_section):
    names = run_section('Add a loss')
    head = build(names['model']['decode_head']).decode_head
    assert type(head.loss_decode) is names['SquaredLoss']
    target = torch.tensor([[[0, 1, 255]]])
    assert head.loss_decode(torch.zeros(1, 1, 1, 3), target, ignore_index=255).item() == 0.25


def test_add_a_backend(run_section, make_onnx, tmp_path):
    path = make_onnx(tmp_path / 'a.onnx')
    before, after = np.random.default_rng(0).uniform(0, 1, (2, 1, 3, 32, 32)).astype(np.float32)
    found = run_section('Add a backend')['ReferenceRuntime'](path)(before, after)
    np.testing.assert_allclose(found, 1 / (1 + np.exp(-(after - before).max(1))), atol=1e-6)
