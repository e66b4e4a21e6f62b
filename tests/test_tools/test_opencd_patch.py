"""The patch for Open-CD, applied to its stand-in and run where this package cannot be imported."""

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from opencd_patch import command, open_cd
from opencd_patch.open_cd import write_patch
from opencd_patch.rewrite import RewriteError
from opencd_patch.style import YAPF, restyle, too_long
from safetensors.torch import load_file
from yapf.yapflib.yapf_api import FormatCode

from schanger_mm.checkpoints.convert import published_to_mm
from schanger_mm.checkpoints.published_layout import to_ours, to_published, widths_of
from schanger_mm.commands import cli

STAND_IN = Path(__file__).parents[1] / 'test_neighbours/stand_in'
LIST = """# Open-CD

Supported change detection model:

- [x] [BiT (TGRS'2021)](configs/bit)
- [x] [Changer (TGRS'2023)](configs/changer)
- [ ] ...

Supported datasets:
- [x] LEVIR-CD
"""
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


def git(folder, *words):
    return subprocess.run(['git', '-c', 'core.whitespace=-blank-at-eof', '-C', folder, *words], check=True,
                          capture_output=True, text=True).stdout


@pytest.fixture
def checkout(tmp_path):
    """Open-CD's stand-in as git keeps it; three of its ``__init__.py`` end without a newline."""
    return make_checkout(tmp_path / 'open-cd')


def make_checkout(folder):
    shutil.copytree(STAND_IN, folder, ignore=shutil.ignore_patterns('__pycache__'))
    (folder / 'README.md').write_text(LIST)
    without = [path.parent.name for path in folder.glob('opencd/models/*/__init__.py')
               if path.stat().st_size and not path.read_bytes().endswith(b'\n')]
    assert sorted(without) == ['backbones', 'losses', 'necks'] and not (folder / 'model-index.yml').exists()
    git(folder, 'init', '-q')
    git(folder, 'add', '.')
    return folder


@pytest.fixture(scope='module')
def tree(tmp_path_factory):
    """The stand-in with the patch applied."""
    folder = make_checkout(tmp_path_factory.mktemp('patched') / 'open-cd')
    git(folder, 'apply', '--index', '--whitespace=error-all', write_patch(folder, folder.parent / 'schanger.patch'))
    return folder


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


def test_every_name_is_offered_and_nothing_else_of_theirs_changes(tree):
    changed = git(tree, 'ls-files')
    assert {'configs/schanger/README.md', 'opencd/models/tta.py'} <= set(changed.split())
    assert not [name for name in changed.split() if 'metafile' in name or 'model-index' in name]
    ours = (STAND_IN / 'opencd/models/backbones/__init__.py').read_text()
    theirs = (tree / 'opencd/models/backbones/__init__.py').read_text()
    assert theirs == ours.replace('import TinyCD\n', 'import TinyCD\nfrom .scn import SCN\n').replace(
        "'TinyCD']", "'TinyCD', 'SCN']") and not theirs.endswith('\n')
    assert (tree / 'README.md').read_text() == LIST.replace(
        '- [ ] ...', "- [x] [SChanger (JSTARS'2025)](configs/schanger)\n- [ ] ...")
    said = run(tree, '-c', ALONE + """
from opencd.models import *
from opencd.models.backbones import __all__
print(SCN.__module__, TFM.__module__, BCEDiceLoss.__module__, ChangeTTAModel.__module__, __all__)
""")
    assert said.split()[:4] == ['opencd.models.backbones.scn', 'opencd.models.necks.tfm',
                                'opencd.models.losses.bce_dice_loss', 'opencd.models.tta']


def test_the_files_have_their_style():
    """79 columns, a fixed point of yapf with the settings of their setup.cfg, imports in isort's sections."""
    files = {path: text for path, text in open_cd.new_files().items() if path.endswith('.py')}
    assert len(files) > 20
    for path, text in files.items():
        assert max(map(len, text.splitlines())) <= 79, path
        assert FormatCode(text, style_config=YAPF)[1] is False, path
    head = files['opencd/models/decode_heads/spatial_consistency_head.py'].split('\n\n\n')[0].splitlines()
    places = [next(row for row, line in enumerate(head) if line.startswith(start)) for start in (
        'from __future__', 'from collections', 'import torch', 'from mmseg', 'from opencd')]
    assert places == sorted(places) and head[places[3] - 1] == '' and head[places[2] - 1] == ''


def test_long_text_and_comments_are_cut_and_the_code_stays():
    source = 'f(\n    "' + 'long words ' * 12 + '" f"{x} and {y}",\n    b=[1, 2])  # ' + 'why ' * 30 + '\n'
    text = restyle(source)
    assert too_long(text) == [] and ast.dump(ast.parse(text)) == ast.dump(ast.parse(source))
    assert text.endswith('    # why why why why why why why why why why why why\n    b=[1, 2])\n')


def test_configs_inherit_and_say_what_ours_say(tree, root):
    for name, size in (('levir', 'base'), ('levir_small', 'small')):
        ours = Config.fromfile(root / f'configs/schanger/{name}.py')
        path = tree / f'configs/schanger/schanger_{size}_256x256_660k_levircd.py'
        assert path.read_text().startswith('_base_ = ') and len(path.read_text().splitlines()) < 45
        found = Config.fromfile(path)
        for part in ('backbone', 'decode_head', 'test_cfg'):
            assert found.model[part] == ours.model[part]
        assert found.model.neck == dict(type='FeatureFusionNeck', policy='concat', out_indices=(0, 1, 2, 3, 4))
        expected = dict(ours.optim_wrapper, type='OptimWrapper')  # AMP needs a GPU; a comment says so
        del expected['loss_scale'], expected['constructor']
        assert found.optim_wrapper == expected and "type='AmpOptimWrapper'" in (
            tree / 'configs/schanger/schanger_base_256x256_660k_levircd.py').read_text()
        for key in ('param_scheduler', 'train_cfg'):
            assert found[key] == ours[key]
        ours_ema = next(hook for hook in ours.custom_hooks if hook.type == 'EMAHook')
        assert found.custom_hooks == [{key: value for key, value in ours_ema.items() if key != 'ema_type'}]
        for key in ('mean', 'std'):
            assert found.model.data_preprocessor[key] == pytest.approx(ours.data_preprocessor[key], abs=1e-4)
        assert found.tta_model == dict(type='ChangeTTAModel')
        assert found.train_dataloader.dataset.type == 'LEVIR_CD_Dataset'


def test_the_readme_has_their_sections(tree):
    text = (tree / 'configs/schanger/README.md').read_text()
    places = [text.index(part) for part in ('# SChanger', '## Introduction', '[Code Snippet]', '## Abstract',
                                            '```bibtex', '## Results and models', '### LEVIR-CD')]
    assert places == sorted(places)
    assert '| Precision | Recall | F1-Score | IoU |' in text
    assert '| SChanger-small | 607,305 | 256x256 | 660000 | - | - | - | 92.45 (paper) | - |' in text


@pytest.mark.long
def test_its_configs_build_and_its_tests_pass(tree):
    said = run(tree, '-c', ALONE + """
from mmengine.config import Config
from mmengine.registry import init_default_scope
from opencd.registry import MODELS
init_default_scope('opencd')
for size in ('base', 'small'):
    cfg = Config.fromfile(f'configs/schanger/schanger_{size}_256x256_660k_levircd.py')
    cfg.tta_model.module = cfg.model
    model = MODELS.build(cfg.tta_model)
    print(sum(p.numel() for p in model.module.parameters()))
""")
    assert said.split()[-2:] == ['2369995', '607305']
    said = run(tree, '-c', ALONE + "import pytest; sys.exit(pytest.main(['-q', '-p', 'no:cacheprovider', 'tests']))")
    assert ' passed' in said and 'failed' not in said


def test_the_command_says_how_to_apply_it_and_replaces_nothing(checkout, tmp_path, capsys):
    words = [str(checkout), str(tmp_path / 'a.patch')]
    assert cli.run(command, words) == 0
    out = tmp_path.resolve() / 'a.patch'
    assert capsys.readouterr().out == f'{out}: apply it with git -C {checkout} apply {out}\n'
    assert git(checkout, 'status', '--porcelain', '--untracked-files=all').count('??') == 0
    assert cli.run(command, words) == 2 and 'a.patch exists already' in capsys.readouterr().err
    assert cli.run(command, [*words, '--overwrite']) == 0


@pytest.mark.parametrize('name, text, message', [
    ('opencd/models/necks/__init__.py', None, r'has no opencd/models/necks/__init__\.py; expected a checkout'),
    ('README.md', '# Open-CD\n', 'README.md has no list of ticked entries below a line'),
    ('opencd/models/losses/__init__.py', 'from .a import b\n__all__ = names()', r'__all__ is names\(\); expected a'),
    ('opencd/models/losses/__init__.py', '', 'imports nothing; expected lines such as'),
    ('opencd/models/tta.py', '', 'is there already; expected a checkout of Open-CD without SChanger'),
])
def test_what_is_no_checkout_is_refused(checkout, tmp_path, name, text, message):
    if text is None:
        (checkout / name).unlink()
    else:
        (checkout / name).write_text(text)
    with pytest.raises(RewriteError, match=message):
        write_patch(checkout, tmp_path / 'a.patch')
    assert not (tmp_path / 'a.patch').exists()


def test_an_installed_package_has_no_tests_to_carry(monkeypatch, tmp_path):
    monkeypatch.setattr(open_cd, 'ROOT', tmp_path)
    with pytest.raises(RewriteError, match='has no tests; the files are made from a checkout'):
        open_cd.new_files()
