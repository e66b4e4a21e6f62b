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
from schanger_mm.deploy.export import make_card
from schanger_mm.deploy.formats import write_onnx, write_openvino, write_program
from schanger_mm.deploy.graph import PairGraph, trace
from schanger_mm.deploy.model import SceneModel
from schanger_mm.registry import MODELS, SCOPE

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
def trained(root, once_per_run):
    cfg = load_config(root / 'configs/schanger/demo.py')
    # different for each date and band, so that a swap of either shows
    cfg.data_preprocessor.update(mean=[90., 100., 110., 120., 130., 140.], std=[40., 45., 50., 55., 60., 65.])

    def opened(folder):
        with DefaultScope.overwrite_default_scope(SCOPE):
            return SceneModel(cfg, folder / 'trained.pth', 'own.py', plain=True)

    def fill(folder):
        cfg.dump(folder / 'own.py')
        with DefaultScope.overwrite_default_scope(SCOPE):
            torch.manual_seed(0)
            network = spread(MODELS.build(dict(cfg.model, data_preprocessor=cfg.data_preprocessor)))
        torch.save(dict(state_dict=network.state_dict()), folder / 'trained.pth')
        plain = opened(folder)
        graph = PairGraph(plain.network, True)
        card = make_card(plain, graph, 'configs/own.py', 'inside', 256, 0.5)
        program = trace(graph)
        if find_spec('onnx') and find_spec('onnxscript'):
            write_onnx(program, folder / 'own.onnx', card)
            if find_spec('openvino'):
                write_openvino(folder / 'own.onnx', folder / 'own.xml', card)
        write_program(program, folder / 'own.pt2', card)  # last: decomposing it for ONNX leaves it as it was

    folder = once_per_run('trained', fill)  # the exports take 20 s
    files = dict(onnx=folder / 'own.onnx', openvino=folder / 'own.xml', program=folder / 'own.pt2')
    return Trained(str(folder / 'own.py'), str(folder / 'trained.pth'), opened(folder),
                   {name: str(file) for name, file in files.items() if file.exists()})


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
