"""One small trained-looking network, exported once to every format."""

import os
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.registry import DefaultScope

from schanger_mm.apis import load_config
from schanger_mm.apis.export import make_card
from schanger_mm.deploy.card import KEY, Card
from schanger_mm.deploy.formats import write_onnx, write_openvino, write_program
from schanger_mm.deploy.graph import PairGraph, trace
from schanger_mm.registry import MODELS, SCOPE
from schanger_mm.scene.model import SceneModel

PACKAGES = dict(onnx=('onnx', 'onnxscript', 'onnxruntime'), openvino=('onnx', 'onnxscript', 'openvino'), program=())


@dataclass
class Trained:
    """A checkpoint with its config, the plain network, and an exported file per format."""

    config: str
    checkpoint: str
    plain: SceneModel
    files: dict[str, str]

    def reference(self, before, after):
        return self.plain.predict(np.stack([before, after], axis=1))


def spread(network):
    """Make random weights predict all probabilities: norms that do something, a steep last layer."""
    generator = torch.Generator().manual_seed(0)
    for part in network.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.running_mean.normal_(0, 0.1, generator=generator)
            part.running_var.uniform_(0.5, 1.5, generator=generator)
    network.decode_head.conv_seg.weight.data.mul_(20)
    pair = torch.rand(1, 6, 64, 64, generator=generator) * 4 - 2
    with torch.no_grad():
        network.eval().decode_head.conv_seg.bias -= network(pair).median()
    return network


@pytest.fixture(scope='session')
def needs():
    """Return a function that skips, or fails where tests must be complete, if a backend is not installed."""
    def need(backend):
        missing = [name for name in PACKAGES[backend] if find_spec(name) is None]
        if missing:
            complete = os.environ.get('CI') == 'true'
            (pytest.fail if complete else pytest.skip)(f'{", ".join(missing)} not installed (extra [export])')
    return need


@pytest.fixture(scope='session')
def trained(root, tmp_path_factory):
    folder = tmp_path_factory.mktemp('trained')
    cfg = load_config(root / 'configs/schanger/demo.py')
    # different for each date and band, so that a swap of either shows
    cfg.data_preprocessor.update(mean=[90., 100., 110., 120., 130., 140.], std=[40., 45., 50., 55., 60., 65.])
    cfg.dump(folder / 'own.py')
    with DefaultScope.overwrite_default_scope(SCOPE):
        torch.manual_seed(0)
        network = spread(MODELS.build(dict(cfg.model, data_preprocessor=cfg.data_preprocessor)))
        torch.save(dict(state_dict=network.state_dict()), folder / 'trained.pth')
        plain = SceneModel(cfg, folder / 'trained.pth', 'own.py', plain=True)
    graph = PairGraph(plain.network, True)
    card = make_card(plain, graph, 'configs/own.py', 'inside', 256, 0.5, False)
    program, files = trace(graph), {}
    if find_spec('onnx') and find_spec('onnxscript'):
        files['onnx'] = folder / 'own.onnx'
        write_onnx(program, files['onnx'], card, {})
        if find_spec('openvino'):
            files['openvino'] = folder / 'own.xml'
            write_openvino(files['onnx'], files['openvino'], card)
    files['program'] = folder / 'own.pt2'  # last: decomposing it for ONNX leaves it as it was
    write_program(program, files['program'], card)
    return Trained(str(folder / 'own.py'), str(folder / 'trained.pth'), plain,
                   {name: str(file) for name, file in files.items()})


@pytest.fixture
def pair():
    """Return a function that draws two ``(N, 3, H, W)`` float32 of 0..255."""
    def draw(count, height, width):
        return 255 * np.random.default_rng(height).random((2, count, 3, height, width), np.float32)
    return draw


@pytest.fixture(scope='session')
def other_onnx(tmp_path_factory):
    """An ONNX file of somebody else."""
    onnx = pytest.importorskip('onnx')
    value = onnx.helper.make_tensor_value_info('x', onnx.TensorProto.FLOAT, [1])
    graph = onnx.helper.make_graph([onnx.helper.make_node('Identity', ['x'], ['y'])], 'g', [value], [
        onnx.helper.make_tensor_value_info('y', onnx.TensorProto.FLOAT, [1])])
    path = Path(tmp_path_factory.mktemp('other')) / 'other.onnx'
    onnx.save(onnx.helper.make_model(graph), path)
    return str(path)


@pytest.fixture(scope='session')
def card():
    return Card(inputs=('before', 'after'), classes=('unchanged', 'changed'), mean=((0.0, ) * 3, ) * 2,
                std=((1.0, ) * 3, ) * 2, normalisation='inside', threshold=0.5, tile=256, fixed_size=False, gsd=None,
                align_corners=True, config='c.py', checkpoint='c.pth', checkpoint_sha256='0' * 64, versions={})


@pytest.fixture(scope='session')
def make_onnx(card):
    """Return a function that writes an ONNX export of the brightness of the later date times a weight of 1.

    ``tensor`` changes the weight before it is written.
    """
    onnx = pytest.importorskip('onnx')

    def make(path, tensor=lambda weight: None, text=None):
        weight = onnx.helper.make_tensor('weight', onnx.TensorProto.FLOAT, [1], np.ones(1, np.float32).tobytes(), True)
        tensor(weight)
        image, many = ['batch', 3, 'height', 'width'], ['batch', 1, 'height', 'width']
        nodes = [onnx.helper.make_node('Sub', ['after', 'before'], ['difference']),
                 onnx.helper.make_node('ReduceMax', ['difference'], ['most'], axes=[1], keepdims=1),
                 onnx.helper.make_node('Mul', ['most', 'weight'], ['logit']),
                 onnx.helper.make_node('Sigmoid', ['logit'], ['probability'])]
        values = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
                  for name, shape in (('before', image), ('after', image), ('probability', many))]
        graph = onnx.helper.make_graph(nodes, 'graph', values[:2], values[2:], [weight])
        model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid('', 17)], ir_version=8)
        onnx.helper.set_model_props(model, {KEY: card.dumps() if text is None else text})
        Path(path).write_bytes(model.SerializeToString())  # onnx.save would move or refuse outside files
        return path
    return make
