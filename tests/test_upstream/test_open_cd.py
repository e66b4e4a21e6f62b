"""The files for Open-CD, put into a tree with its layout and run where this package cannot be imported."""

import os
import subprocess
import sys

import pytest
import torch
from mmengine.config import Config
from safetensors.torch import load_file

from schanger_mm.apis.convert import published_to_mm
from schanger_mm.models.published import to_ours, to_published, widths_of
from schanger_mm.upstream import open_cd
from schanger_mm.upstream.open_cd import ADDITIONS, write_patch
from schanger_mm.upstream.rewrite import RewriteError

#: written from Open-CD's interface: registry of scope opencd, two pyramids through a mandatory neck
TREE = {
    'opencd/__init__.py': '',
    'opencd/registry.py': '''
from mmengine.registry import MODELS as MMENGINE_MODELS, Registry
MODELS = Registry('model', parent=MMENGINE_MODELS, scope='opencd', locations=['opencd.models'])
''',
    'opencd/models/__init__.py': '''
from .backbones import *
from .change_detectors import *
from .decode_heads import *
from .losses import *
from .necks import *
''',
    'opencd/models/backbones/__init__.py': '__all__ = []\n',
    'opencd/models/decode_heads/__init__.py': '__all__ = []\n',
    'opencd/models/losses/__init__.py': '__all__ = []\n',
    'opencd/models/necks/__init__.py': '''
import torch
from mmengine.model import BaseModule
from opencd.registry import MODELS
__all__ = ['FeatureFusionNeck']


@MODELS.register_module()
class FeatureFusionNeck(BaseModule):
    def __init__(self, policy, out_indices=(0, 1, 2, 3)):
        super().__init__()
        assert policy == 'concat'
        self.out_indices = out_indices

    def forward(self, x1, x2):
        fused = [torch.cat(level, dim=1) for level in zip(x1, x2)]
        return tuple(fused[i] for i in self.out_indices)
''',
    'opencd/models/change_detectors/__init__.py': '''
import torch
from mmengine.model import BaseDataPreprocessor
from mmseg.models.segmentors import EncoderDecoder
from opencd.registry import MODELS
__all__ = ['DualInputSegDataPreProcessor', 'SiamEncoderDecoder']


@MODELS.register_module()
class DualInputSegDataPreProcessor(BaseDataPreprocessor):
    def __init__(self, mean, std, bgr_to_rgb, pad_val, seg_pad_val, size_divisor, test_cfg):
        super().__init__()
        assert len(mean) == len(std) == 6


@MODELS.register_module()
class SiamEncoderDecoder(EncoderDecoder):
    def __init__(self, *args, backbone_inchannels=3, **kwargs):
        super().__init__(*args, **kwargs)
        self.backbone_inchannels = backbone_inchannels

    def extract_feat(self, inputs):
        dates = torch.split(inputs, self.backbone_inchannels, dim=1)
        return self.neck(*(self.backbone(x) for x in dates))
''',
    'configs/common/standard_256x256_40k_levircd.py': '''
default_scope = 'opencd'
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.01, momentum=0.9), clip_grad=None)
train_cfg = dict(type='IterBasedTrainLoop', max_iters=40000, val_interval=4000)
''',
}
ALONE = "import sys; sys.modules['schanger_mm'] = None\n"
STEP = ALONE + """
import torch
from mmengine.registry import init_default_scope
from opencd.registry import MODELS
given = torch.load('given.pt')
init_default_scope('opencd')
model = MODELS.build(dict(
    type='SiamEncoderDecoder', backbone=dict(type='SCN', arch=given['widths']),
    neck=dict(type='FeatureFusionNeck', policy='concat', out_indices=(0, 1, 2, 3, 4)),
    decode_head=dict(type='SpatialConsistencyHead', arch=given['widths'], temporal_fusion=dict(type='TFM')),
    test_cfg=dict(mode='whole')))
for module in model.modules():
    if hasattr(module, 'rate'):
        module.rate = 0.0
    if isinstance(module, torch.nn.Dropout):
        module.p = 0.0
model.load_state_dict(given['state'])
model.double().eval()
with torch.no_grad():
    prob = model(given['x'], mode='tensor').sigmoid()
model.train()
maps = torch.cat(model.decode_head.forward_maps(model.extract_feat(given['x'])), dim=1)
loss = model.decode_head.loss_decode(maps, given['target'])
loss.backward()
torch.save(dict(prob=prob, maps=maps.detach(), loss=loss.detach(),
                norms={name: p.grad.norm() for name, p in model.named_parameters()},
                buffers=dict(model.named_buffers()), file=sys.modules['opencd.models.backbones.scn'].__file__),
           'found.pt')
"""


@pytest.fixture(scope='module')
def tree(tmp_path_factory):
    """A checkout with Open-CD's layout, the files in it and the lines of the list added."""
    root = tmp_path_factory.mktemp('open-cd')
    for name, text in TREE.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    write_patch(root)
    for line in (root / ADDITIONS).read_text().splitlines():
        path, _, addition = line.partition(': ')
        if path.endswith('.py'):
            with open(root / path, 'a') as file:
                file.write(addition + '\n')
    return root


def run(tree, *words):
    env = {**os.environ, 'PYTHONPATH': str(tree), 'OMP_NUM_THREADS': '1'}
    done = subprocess.run([sys.executable, *words], cwd=tree, env=env, capture_output=True, text=True)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    return done.stdout


def close(ours, theirs, tolerance=1e-9):
    difference = (ours.double() - theirs.double()).abs().max().item()
    assert difference <= tolerance * theirs.double().abs().max().item()


def test_it_computes_the_authors_numbers_without_this_package(tree, data):
    fixture = load_file(data / 'schanger_tiny_two_stream.safetensors')

    def group(prefix):
        return {name[len(prefix):]: value for name, value in fixture.items() if name.startswith(prefix)}

    state, _ = published_to_mm(group('state.'))
    x = torch.cat([fixture[key] for key in ('input.x', 'input.x1', 'input.x2') if key in fixture], dim=1).double()
    torch.save(dict(state=state, widths=widths_of(state), x=x, target=fixture['input.target'].long()),
               tree / 'given.pt')
    run(tree, '-c', STEP)
    found = torch.load(tree / 'found.pt', weights_only=True)
    assert found['file'] == str(tree / 'opencd/models/backbones/scn.py')
    close(found['prob'], fixture['eval.prob'])
    close(found['maps'], fixture['train.logits'])
    close(found['loss'], fixture['train.loss'])
    norms = group('grad_norm.')
    assert {to_published(name) for name in found['norms']} == norms.keys()
    largest = max(norms.values())
    assert max(abs(found['norms'][to_ours(name)] - norms[name]) for name in norms) <= 1e-9 * largest
    for name, value in group('train_buffer.').items():
        close(found['buffers'][to_ours(name)], value)


def test_configs_say_what_ours_say(tree, root):
    for name, theirs in (('levir', 'schanger_base_levir'), ('levir_small', 'schanger_small_levir')):
        ours = Config.fromfile(root / f'configs/schanger/{name}.py')
        found = Config.fromfile(tree / f'configs/schanger/{theirs}.py')
        for part in ('backbone', 'decode_head', 'test_cfg'):
            assert found.model[part] == ours.model[part]
        assert found.model.neck == dict(type='FeatureFusionNeck', policy='concat', out_indices=(0, 1, 2, 3, 4))
        for key in ('optim_wrapper', 'param_scheduler', 'train_cfg'):
            assert found[key] == ours[key]
        for key in ('mean', 'std'):
            assert found.model.data_preprocessor[key] == pytest.approx(ours.data_preprocessor[key], abs=1e-4)
    readme = (tree / 'configs/schanger/README.md').read_text()
    assert '| LEVIR-CD | [schanger_small_levir.py](schanger_small_levir.py) | 607,305 | 92.45 | - |' in readme


@pytest.mark.long
def test_its_configs_build_and_its_tests_pass(tree):
    said = run(tree, '-c', ALONE + """
from mmengine.config import Config
from mmengine.registry import init_default_scope
from opencd.registry import MODELS
init_default_scope('opencd')
for name in ('base', 'small'):
    model = MODELS.build(Config.fromfile(f'configs/schanger/schanger_{name}_levir.py').model)
    print(sum(p.numel() for p in model.parameters()))
""")
    assert said.split()[-2:] == ['2369995', '607305']
    said = run(tree, '-c', ALONE + "import pytest; sys.exit(pytest.main(['-q', '-p', 'no:cacheprovider', 'tests']))")
    assert ' passed' in said and 'failed' not in said


def test_nothing_is_replaced_unless_asked(tmp_path):
    mine = tmp_path / 'configs/schanger/README.md'
    mine.parent.mkdir(parents=True)
    mine.write_text('mine')
    with pytest.raises(FileExistsError, match=r'README.md exists already; nothing was written'):
        write_patch(tmp_path)
    assert [path for path in tmp_path.rglob('*') if path.is_file()] == [mine] and mine.read_text() == 'mine'
    assert len(write_patch(tmp_path, overwrite=True)) == len({*tmp_path.rglob('*.*')} - {*tmp_path.iterdir()}) + 1
    assert mine.read_text().startswith('# SChanger')


def test_an_installed_package_has_no_tests_to_carry(monkeypatch, tmp_path):
    monkeypatch.setattr(open_cd, 'ROOT', tmp_path)
    with pytest.raises(RewriteError, match='has no tests; the files are made from a checkout'):
        open_cd.patch()
