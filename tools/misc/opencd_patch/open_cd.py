"""SChanger as a patch that ``git apply`` takes in an Open-CD checkout."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mmengine.config import Config, ConfigDict

from opencd_patch.diff import changed_file, export, list_entry, new_file
from opencd_patch.readme import LIST_ENTRY, LIST_HEADING, readme
from opencd_patch.rewrite import OURS, THEIRS, RewriteError, rewrite
from opencd_patch.style import restyle, too_long
from schanger_mm.utils.files import refuse_existing, write_atomic

ROOT = Path(__file__).resolve().parents[3]
NAMES = {'SCN': 'backbones.scn', 'TFM': 'necks.tfm', 'SpatialConsistencyHead': 'decode_heads.spatial_consistency_head',
         'BCEDiceLoss': 'losses.bce_dice_loss', 'SemanticLoss': 'losses.semantic_loss', 'ChangeTTAModel': 'tta'}
"""Registered classes and their modules below ``models``; the layers come whole."""
PARTS = ('decode_heads.semantic_maps', )
"""Modules that these need."""
TESTS = ('scn', 'tfm', 'spatial_consistency_head', 'bce_dice_loss', 'layers')
CONFIGS = {size: f'schanger_{size}_256x256_660k_levircd' for size in ('base', 'small')}
DATA = '../common/standard_256x256_40k_levircd.py'
LICENSE = '# Copyright (c) Open-CD. All rights reserved.\n'

_CONFTEST = '''import pytest
import torch
from mmengine.registry import DefaultScope

import opencd.models  # noqa: F401  (registers)


@pytest.fixture(autouse=True)
def _scope_and_seed():
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope('opencd'):
        yield
'''


def write_patch(checkout: str | Path, out: str | Path, overwrite: bool = False) -> Path:
    """Write the patch for a checkout of Open-CD, which is read and not changed.

    Raises:
        ExistsError: the file is there and ``overwrite`` is not set.
        RewriteError: see :func:`patch`.
    """
    if not overwrite:
        refuse_existing(Path(out))
    write_atomic(Path(out), patch(Path(checkout)).encode())
    return Path(out)


def patch(checkout: Path) -> str:
    """Return the patch: new files, names in the ``__init__.py`` of packages, an entry in the list of the README.

    Raises:
        RewriteError: one of the two is no checkout, the network is in Open-CD already, a source needs what is not
            carried over, or has a line that cannot be cut to 79 columns.
    """
    files = new_files()
    parts = []
    for path, text in files.items():
        if (checkout / path).exists():
            raise RewriteError(f'{checkout / path} is there already; expected a checkout of Open-CD without SChanger.')
        parts.append(new_file(path, text))
    exporting: dict[str, str] = {}
    for name, source in NAMES.items():
        folder, _, module = source.rpartition('.')
        path = '/'.join(filter(None, (THEIRS, 'models', folder, '__init__.py')))
        exporting[path] = export(exporting.get(path) or _read(checkout, path), path, module, name)
    parts += [changed_file(path, _read(checkout, path), text) for path, text in exporting.items()]
    before = _read(checkout, 'README.md')
    parts.append(changed_file('README.md', before, list_entry(before, 'README.md', LIST_HEADING, LIST_ENTRY)))
    return ''.join(parts)


def _read(checkout: Path, path: str) -> str:
    if not (checkout / path).is_file():
        raise RewriteError(f'{checkout} has no {path}; expected a checkout of Open-CD.')
    return (checkout / path).read_bytes().decode()


def new_files() -> dict[str, str]:
    """Return the text of each file that Open-CD has not, by its path there.

    Raises:
        RewriteError: see :func:`patch`.
    """
    if not (ROOT / 'tests').is_dir():
        raise RewriteError(f'{ROOT} has no tests; the files are made from a checkout of this project, not from an '
                           'installed package.')
    layers = sorted(path.stem for path in (ROOT / OURS / 'models/layers').glob('*.py'))
    sources = [*NAMES.values(), *PARTS, *(f'layers.{name}' for name in layers)]
    modules = {f'{OURS}.models.layers', *(f'{OURS}.models.{source}' for source in sources)}

    def carried(path: str) -> str:
        return LICENSE + rewrite((ROOT / path).read_text(encoding='utf-8'), path, modules, NAMES)

    def module(source: str) -> str:
        return f'models/{source.replace(".", "/")}.py'

    files = {
        **{f'{THEIRS}/{module(source)}': carried(f'{OURS}/{module(source)}') for source in sources},
        **{f'tests/test_models/test_{name}.py': carried(f'tests/test_models/test_{name}.py') for name in TESTS},
        'tests/test_models/conftest.py': LICENSE + _CONFTEST,
        **configs(),
    }
    files = {path: restyle(text) for path, text in files.items()}
    for path, text in files.items():
        if long := too_long(text):
            raise RewriteError(f'{path}: lines {", ".join(map(str, long))} of the result are longer than 79 columns; '
                               'cut the text in the source of this project.')
    return {**files, 'configs/schanger/README.md': readme(CONFIGS)}


def configs() -> dict[str, str]:
    """Return the network as a file of ``_base_/models``, and one config per size that inherits it."""
    ours, small = (Config.fromfile(ROOT / f'configs/schanger/{name}.py') for name in ('levir', 'levir_small'))
    statistics = {key: [round(value, 4) for value in ours.data_preprocessor[key]] for key in ('mean', 'std')}
    # mmengine's own constructor and average give the same numbers as ours, which are faster
    optim = _without(ours.optim_wrapper, 'loss_scale', 'constructor') | dict(type='OptimWrapper')
    ema = _without(next(hook for hook in ours.custom_hooks if hook.type == 'EMAHook'), 'ema_type')
    model = f"""# model settings
data_preprocessor = dict(
    type='DualInputSegDataPreProcessor',
    mean=[123.675, 116.28, 103.53] * 2,
    std=[58.395, 57.12, 57.375] * 2,
    bgr_to_rgb={ours.data_preprocessor.bgr_to_rgb},
    size_divisor=16,
    pad_val=0,
    seg_pad_val=255,
    test_cfg=dict(size_divisor=16))
model = dict(
    type='SiamEncoderDecoder',
    data_preprocessor=data_preprocessor,
    backbone={_text(ours.model.backbone)},
    neck=dict(type='FeatureFusionNeck', policy='concat', out_indices=(0, 1, 2, 3, 4)),
    decode_head={_text(ours.model.decode_head)},
    # model training and testing settings
    train_cfg=dict(),
    test_cfg={_text(ours.model.test_cfg)})
"""
    base = f"""_base_ = ['../_base_/models/schanger_base.py', '{DATA}']

# of each date of LEVIR-CD
model = dict(data_preprocessor={_text(statistics)})
# the default runtime's applies the sigmoid twice to one output channel
tta_model = dict(type='ChangeTTAModel')

# optimizer
# on a GPU the authors train in mixed precision:
# type='AmpOptimWrapper', loss_scale='dynamic'
optim_wrapper = {_text({'_delete_': True, **optim})}
# learning policy
param_scheduler = {_text(ours.param_scheduler)}
# training schedule for 660k, 12000 epochs
train_cfg = dict(max_iters={ours.train_cfg.max_iters}, val_interval={ours.train_cfg.val_interval})
default_hooks = dict(checkpoint=dict(interval={ours.train_cfg.val_interval}))
custom_hooks = [{_text(ema)}]
"""
    other = f"""_base_ = './{CONFIGS['base']}.py'

model = dict(
    backbone=dict(arch={small.model.backbone.arch!r}),
    decode_head=dict(arch={small.model.decode_head.arch!r}))
"""
    return {'configs/_base_/models/schanger_base.py': model,
            f'configs/schanger/{CONFIGS["base"]}.py': base,
            f'configs/schanger/{CONFIGS["small"]}.py': other}


def _without(part: Mapping, *keys: str) -> dict:
    return {key: value for key, value in part.items() if key not in keys}


def _text(value: object) -> str:
    """Write a value as a config says it, with ``dict(...)`` for tables."""
    if isinstance(value, (dict, ConfigDict)):
        return f'dict({", ".join(f"{key}={_text(item)}" for key, item in value.items())})'
    if isinstance(value, list):
        return f'[{", ".join(map(_text, value))}]'
    return repr(value)
