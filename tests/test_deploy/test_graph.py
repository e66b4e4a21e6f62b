import numpy as np
import pytest
import torch
from torch import nn

from schanger_mm.apis import load_config
from schanger_mm.deploy.errors import DeployError
from schanger_mm.deploy.fusion import CentredFusion
from schanger_mm.deploy.graph import PairGraph, trace
from schanger_mm.models.necks.tfm import ConvFusion
from schanger_mm.registry import MODELS


def build(root, name, **preprocessor):
    cfg = load_config(root / f'configs/{name}.py')
    cfg.data_preprocessor.update(mean=[90., 100., 110., 120., 130., 140.], std=[40., 45., 50., 55., 60., 65.],
                                 **preprocessor)
    return MODELS.build(dict(cfg.model, data_preprocessor=cfg.data_preprocessor)).eval()


def plain(network, before, after):
    """Predict as the test tool does: packed B, G, R."""
    packed = torch.cat([before.flip(1), after.flip(1)], dim=1)
    inputs = network.data_preprocessor(dict(inputs=list(packed)))['inputs']
    logits = network.encode_decode(inputs, [dict(img_shape=inputs.shape[-2:])] * len(inputs))
    return logits.sigmoid() if logits.shape[1] == 1 else logits.softmax(1)[:, 1:]


@pytest.mark.parametrize('name', ['schanger/demo', 'sadl/fpn-cd_r18_levir'])
@pytest.mark.parametrize('bgr_to_rgb', [True, False])
@torch.no_grad()
def test_the_graph_is_the_network(root, name, bgr_to_rgb):
    network = build(root, name, bgr_to_rgb=bgr_to_rgb)
    before, after = 255 * torch.rand(2, 2, 3, 40, 70)
    expected = plain(network, before, after)
    found = PairGraph(network, True)(before, after)
    assert expected.std() > 1e-3 and found.shape == (2, 1, 40, 70)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
    mean, std = (network.data_preprocessor.get_buffer(key).view(2, 3, 1, 1) for key in ('mean', 'std'))
    if not bgr_to_rgb:
        mean, std = mean.flip(1), std.flip(1)
    dates = [(x - m) / s for x, m, s in zip((before, after), mean, std)]
    torch.testing.assert_close(PairGraph(network, False)(*dates), expected, atol=1e-5, rtol=0)


@torch.no_grad()
def test_fusion_without_transposes_is_the_fusion():
    part = ConvFusion(12)
    nn.init.normal_(part.norm.weight)
    nn.init.normal_(part.norm.bias)
    nn.init.normal_(part.proj.bias)
    a, b = torch.randn(2, 2, 12, 9, 7)
    found = CentredFusion(part, True)(a, b)
    torch.testing.assert_close(found, part(a, b), atol=1e-5, rtol=1e-5)


def test_the_onnx_graph_keeps_one_layout_and_no_trace_of_this_machine(trained, needs):
    needs('onnx')
    import onnx
    model = onnx.load(trained.files['onnx'])
    kinds = {node.op_type for node in model.graph.node}
    assert not kinds & {'Transpose', 'LayerNormalization', 'BatchNormalization', 'If', 'Loop'}
    assert b'.py' not in model.SerializeToString().replace(b'"own.py"', b'')
    assert sum(node.op_type == 'Conv' for node in model.graph.node) == 293


def test_a_network_that_looks_at_its_input_is_refused(root):
    class Moody(nn.Module):
        align_corners = False

        def forward(self, x):
            return x if x.sum() > 0 else -x

    graph = PairGraph(build(root, 'schanger/demo'), True)
    graph.network.decode_head = Moody()
    graph.network.extract_feat = lambda x: x[:, :1]
    with pytest.raises(DeployError, match='torch.export cannot trace SiameseEncoderDecoder'):
        trace(graph)


@torch.no_grad()
def test_tracing_draws_no_random_numbers(root):
    graph = PairGraph(build(root, 'sadl/fpn-cd_r18_levir'), False)
    state = torch.random.get_rng_state()
    program = trace(graph)
    assert torch.equal(state, torch.random.get_rng_state())
    pair = torch.rand(2, 3, 3, 32, 32)
    found = program.module()(*pair)
    np.testing.assert_allclose(found, graph(*pair), atol=1e-6)
    assert found.shape == (3, 1, 32, 32)
