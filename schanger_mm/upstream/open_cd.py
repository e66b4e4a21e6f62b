"""The files that SChanger adds to an Open-CD checkout."""

from __future__ import annotations

from pathlib import Path

import yaml
from mmengine.config import Config

from schanger_mm.data_tools.writing import refuse_existing, write_atomic
from schanger_mm.upstream.rewrite import OURS, THEIRS, RewriteError, rewrite

ROOT = Path(__file__).resolve().parents[2]
NAMES = {'SCN': 'backbones.scn', 'TFM': 'necks.tfm', 'SpatialConsistencyHead': 'decode_heads.spatial_consistency_head',
         'BCEDiceLoss': 'losses.bce_dice_loss'}
"""Registered classes and their modules below ``models``; the layers come whole."""
TESTS = ('scn', 'tfm', 'spatial_consistency_head', 'bce_dice_loss', 'layers')
CONFIGS = {'levir': 'LEVIR-CD', 'levir_small': 'LEVIR-CD'}
"""Our configs for which Open-CD has the data set's settings, with the name of the set in the metafile."""
DATA = '../common/standard_256x256_40k_levircd.py'
ADDITIONS = 'INIT_ADDITIONS.txt'
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


def write_patch(out: str | Path, overwrite: bool = False) -> list[Path]:
    """Write the files under ``out``, an empty folder or an Open-CD checkout; files of other names are left alone.

    Returns:
        Their paths. ``INIT_ADDITIONS.txt`` says which lines go into files that Open-CD has already.

    Raises:
        FileExistsError: one of them is there and ``overwrite`` is not set; nothing was written.
        RewriteError: this is no checkout, or a source needs what is not carried over.
    """
    files = {Path(out, name): text for name, text in patch().items()}
    if not overwrite:
        refuse_existing(list(files))
    for path, text in files.items():
        write_atomic(path, text.encode())
    return list(files)


def patch() -> dict[str, str]:
    """Return the text of each file by its path in an Open-CD checkout.

    Raises:
        RewriteError: see :func:`write_patch`.
    """
    if not (ROOT / 'tests').is_dir():
        raise RewriteError(f'{ROOT} has no tests; the files are made from a checkout of this project, not from an '
                           'installed package.')
    layers = sorted(path.stem for path in (ROOT / OURS / 'models/layers').glob('*.py'))
    sources = [*NAMES.values(), *(f'layers.{name}' for name in layers)]
    modules = {f'{OURS}.models.layers', *(f'{OURS}.models.{source}' for source in sources)}

    def carried(path: str) -> str:
        return LICENSE + rewrite((ROOT / path).read_text(encoding='utf-8'), path, modules, NAMES)

    def module(source: str) -> str:
        return f'models/{source.replace(".", "/")}.py'

    return {
        **{f'{THEIRS}/{module(source)}': carried(f'{OURS}/{module(source)}') for source in sources},
        **{f'tests/test_models/test_{name}.py': carried(f'tests/test_models/test_{name}.py') for name in TESTS},
        'tests/test_models/conftest.py': LICENSE + _CONFTEST,
        **{f'configs/schanger/{_config_name(name)}.py': _config(name) for name in CONFIGS},
        'configs/schanger/README.md': _readme(),
        'configs/schanger/metafile.yml': _metafile(),
        ADDITIONS: _additions(),
    }


def _additions() -> str:
    lines = ['# path: lines to add at its end, before or beside what is there']
    for name, source in NAMES.items():
        folder, _, file = source.partition('.')
        path = f'{THEIRS}/models/{folder}/__init__.py'
        lines += [f'{path}: from .{file} import {name}', f'{path}: __all__ += [{name!r}]']
    return '\n'.join([*lines, 'model-index.yml: - configs/schanger/metafile.yml', ''])


def _config_name(name: str) -> str:
    data_set, _, size = name.partition('_')
    return f'schanger_{size or "base"}_{data_set}'


def _config(name: str) -> str:
    """Say in Open-CD's parts what our config says of the network and its training; the data are Open-CD's."""
    ours, (data_set, _, size) = Config.fromfile(ROOT / f'configs/schanger/{name}.py'), name.partition('_')
    head = f'# SChanger on {CONFIGS[name]}: python tools/train.py configs/schanger/{_config_name(name)}.py\n'
    model = ours.model
    if size:
        return (f"{head}_base_ = './{_config_name(data_set)}.py'\n\nmodel = dict(\n    backbone=dict(arch="
                f"{model.backbone.arch!r}),\n    decode_head=dict(arch={model.decode_head.arch!r}))\n")
    statistics = {key: [round(value, 4) for value in ours.data_preprocessor[key]] for key in ('mean', 'std')}
    content = Config(dict(
        data_preprocessor=dict(
            type='DualInputSegDataPreProcessor', **statistics, bgr_to_rgb=ours.data_preprocessor.bgr_to_rgb,
            pad_val=0, seg_pad_val=255, size_divisor=16, test_cfg=dict(size_divisor=16)),
        model=dict(
            type='SiamEncoderDecoder', data_preprocessor=None, backbone=model.backbone,
            neck=dict(type='FeatureFusionNeck', policy='concat', out_indices=(0, 1, 2, 3, 4)),
            decode_head=model.decode_head, train_cfg=model.train_cfg, test_cfg=model.test_cfg),
        optim_wrapper=dict(_delete_=True, **ours.optim_wrapper),
        param_scheduler=ours.param_scheduler,
        train_cfg=dict(_delete_=True, **ours.train_cfg)))
    text = content.pretty_text.replace('data_preprocessor=None', 'data_preprocessor=data_preprocessor')
    head += ("# Network, statistics of each date, optimiser and schedule are the paper's; data and augmentation are\n"
             f'# those of {DATA[3:]}.\n')
    return f'{head}_base_ = [{DATA!r}]\n\n{text}'


def _models() -> list[dict]:
    entries = yaml.safe_load((ROOT / 'configs/schanger/metafile.yml').read_text(encoding='utf-8'))['Models']
    wanted = {f'configs/schanger/{name}.py': f'configs/schanger/{_config_name(name)}.py' for name in CONFIGS}
    return [{**entry, 'Config': wanted[entry['Config']]} for entry in entries if entry['Config'] in wanted]


def _metafile() -> str:
    content = yaml.safe_load((ROOT / 'configs/schanger/metafile.yml').read_text(encoding='utf-8'))
    for collection in content['Collections']:
        collection['Metadata']['Training Data'] = sorted(set(CONFIGS.values()))
    note = "# The F1 is the paper's; nothing was trained to the end with these configs.\n"
    return note + yaml.safe_dump({**content, 'Models': _models()}, sort_keys=False, allow_unicode=True)


def _readme() -> str:
    ours = (ROOT / 'configs/schanger/README.md').read_text(encoding='utf-8')
    paper = ours.partition('\n## ')[0]
    paper = paper[:paper.rindex('\n\n')]  # title and reference
    rows = [f'| {entry["Results"][0]["Dataset"]} | [{Path(entry["Config"]).name}]({Path(entry["Config"]).name}) | '
            f'{entry["Metadata"]["Parameters"]:,} | {entry["Results"][0]["Metrics"]["F1 (paper)"]:.2f} | - |'
            for entry in _models()]
    return '\n'.join([
        paper, '',
        "SCN encodes both dates with shared weights, `FeatureFusionNeck(policy='concat')` hands them over side by",
        'side, and `SpatialConsistencyHead` decodes both, joined by TFM inside the attention and before each side',
        'output.', '',
        'F1 of the changed class in %, 256 px tiles, threshold 0.5:', '',
        '| data set | config | parameters | F1 (paper) | F1 here |', '|---|---|---|---|---|', *rows, '',
        'Image sides must be multiples of 16; the preprocessor pads.', ''])
