"""Misspelt names in a config file are found before anything is built."""

import re

import pytest
from mmengine.config import Config

from schanger_mm.apis import ConfigError, build_runner, load_config, prepare
from schanger_mm.commands.cli import report_errors
from schanger_mm.config.building import config_errors
from schanger_mm.config.spelling import misspelt


@pytest.fixture
def config(root, tmp_path):
    """Write a config that changes one line of the demo's."""
    def write(text):
        path = tmp_path / 'mine.py'
        path.write_text(f"_base_ = '{root / 'configs/schanger/demo.py'}'\n{text}\n")
        return path
    return write


@pytest.mark.parametrize('text, said', [
    ("optim_wraper = dict(type='OptimWrapper')", "unknown key 'optim_wraper', .* did you mean 'optim_wrapper'"),
    ("model = dict(backbone=dict(archs=(8, 8, 8, 8, 8, 8)))", r"model\.backbone\.archs: SCN .* did you mean 'arch'"),
    ('model = dict(decode_head=dict(drop_rat=0.1))', r"model\.decode_head\.drop_rat: .* did you mean 'drop_rate'"),
    ('train_dataloader = dict(batch_siz=4)', r"train_dataloader\.batch_siz: .* did you mean 'batch_size'"),
    ('train_dataloader = dict(dataset=dict(data_rot=1))', r"data_rot: DemoDataset .* did you mean 'data_root'"),
    ('optim_wrapper = dict(accumulative_count=2)', r"optim_wrapper\.accumulative_count: .* 'accumulative_counts'"),
    ('optim_wrapper = dict(optimizer=dict(weight_decays=1))', r"optimizer\.weight_decays: AdamW .* 'weight_decay'"),
    ("optim_wrapper = dict(optimizer=dict(type='AdmaW'))", r"optimizer\.type: .*'AdmaW'; did you mean 'AdamW'"),
    ("model = dict(backbone=dict(type='SNC'))", r"backbone\.type: no part is registered as 'SNC'; did you mean 'SCN'"),
    ("model = dict(type='SiameseEncoderDecodr')", "did you mean 'SiameseEncoderDecoder'"),
    ("val_evaluator = dict(type='ChangeMetrc')", r"val_evaluator\.type: .* did you mean 'ChangeMetric'"),
    ("default_hooks = dict(checkpoint=dict(max_keep_ckpt=1))", "AtomicCheckpointHook .* did you mean 'max_keep_ckpts'"),
    ("default_hooks = dict(bad_loss=dict(on_nam='skip'))", "BadLossHook has no setting 'on_nam'; .* 'on_nan'"),
    ('train_cfg = dict(max_iter=5)', r"train_cfg\.max_iter: IterBasedTrainLoop .* did you mean 'max_iters'"),
    ("train_pipeline = None\ntrain_dataloader = dict(dataset=dict(pipeline=[dict(type='mmseg.RandomFlp')]))",
     r"pipeline\.0\.type: .*'mmseg\.RandomFlp'; did you mean 'mmseg\.RandomFlip'"),
])
def test_a_misspelt_name_is_one_line_with_the_nearest_and_the_file(text, said, config, capsys):
    path = config(text)
    assert report_errors(lambda: build_runner(load_config(path))) == 2
    (line, ) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith(f'error: {path}: ')

    assert re.search(said, line), line


@pytest.mark.parametrize('text, said', [
    ("model = dict(backbone=dict(type='Quux'))", r"asks for 'Quux', and schanger_mm::model has .*custom_imports"),
    ("model = dict(backbone=dict(_delete_=True, arch='base'))", r"of the config has no type: \{'arch': 'base'\}"),
    ("custom_hooks = [dict(type='Quux')]", "asks for 'Quux', and schanger_mm::hook has no part"),
    ("optim_wrapper = dict(optimizer=dict(type='Quux'))", r'optim_wrapper\.optimizer\.type: .*custom_imports'),
    ('model = dict(backbone=dict(quux=1))', r"has an unknown setting: SCN.* 'quux'"),
])
def test_a_name_like_no_other_is_one_line(text, said, config, tmp_path, capsys):
    def train():
        cfg = load_config(config(f'load_from = None\n{text}'))
        prepare(cfg, 'mine.py', str(tmp_path / 'work'))
        runner = build_runner(cfg)
        with config_errors(cfg):  # as train() does
            runner.optim_wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
    assert report_errors(train) == 2
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert line.startswith('error: ') and re.search(said, line), line


@pytest.mark.parametrize('text, said', [
    ("optim_wraper = dict(type='OptimWrapper')", "unknown key 'optim_wraper', "),
    ('train_dataloader = dict(batch_siz=4)', 'train_dataloader.batch_siz: '),
    ("val_evaluator = dict(type='ChangeMetrc')", "val_evaluator.type: no part is registered as 'ChangeMetrc'"),
])
def test_the_file_is_named_that_says_it(text, said, config, tmp_path):
    base = config(text)
    middle, mine = tmp_path / 'deeper/middle.py', tmp_path / 'deeper/own.py'
    middle.parent.mkdir()
    middle.write_text("_base_ = '../mine.py'\ntrain_cfg = dict(max_iters=3)  # batch_siz optim_wraper ChangeMetrc\n")
    mine.write_text("_base_ = 'middle.py'\n")
    with pytest.raises(ConfigError) as error:
        load_config(mine)
    assert str(error.value).startswith(f'{base}, which {mine} inherits: {said}')
    mine.write_text("_base_ = 'middle.py'\nmodel = dict(decode_head=dict(drop_rat=0.1))\n")
    with pytest.raises(ConfigError) as error:
        load_config(mine)
    if 'unknown' not in said:  # that one is reported alone
        assert f'{mine}: model.decode_head.drop_rat' in str(error.value) and f'{base}, which' in str(error.value)


def test_all_of_them_are_reported_at_once(config):
    with pytest.raises(ConfigError, match=r"'batch_siz'.*; .*'drop_rat'|'drop_rat'.*; .*'batch_siz'"):
        load_config(config('train_dataloader = dict(batch_siz=4)\nmodel = dict(decode_head=dict(drop_rat=0.1))'))


@pytest.mark.parametrize('text', [
    "model = dict(backbone=dict(type='mmpretrain.ConvNeXt', arch='tiny', gap_before_final_norm=False))",
    "optim_wrapper = dict(clip_grad=dict(type='norm', max_norm=1.0))",
    "custom_hooks = [dict(type='EMAHook', momentum=0.1, priority=49)]",
    'model = dict(decode_head=dict(align_corners=True, loss_decode=None))',
    # albumentations' names, some of which are nearly ours or mmseg's
    "own_transforms = [dict(type='RandomGammma'), dict(type='GaussNoise')]",
    *(f"train_dataloader = dict(dataset=dict(pipeline=[dict(type='{albu}', transforms=[dict(type='OneOf', transforms="
      "[dict(type='GaussNoise', p=1.0), dict(type='RandomBrightnessContrast', p=1.0)]), dict(type='Affine'), "
      "dict(type='RandomResizedCrop', height=8), dict(type='HueSaturationValues', hue_shift_limits=2)])]))"
      for albu in ('mmseg.Albu', 'Albumentation')),
    # a part that reads its own table
    "model = dict(backbone=dict(interaction_cfg=(None, dict(type='SpatialExchanges', p=1 / 2), dict(type='SCNs'))))",
])
def test_what_is_not_misspelt_passes(text, config):
    assert list(misspelt(Config.fromfile(config(text))._cfg_dict)) == []


def test_settings_of_several_hooks_and_optimisers_are_judged():
    hooks = dict(default_hooks=dict(mine=dict(type='CheckpontHook')), optim_wrapper=dict(
        type='OptimWrapper', optimizer=dict(encoder=dict(type='AdmaW'))))
    assert [found.word for found in misspelt(hooks)] == ['CheckpontHook', 'AdmaW']


def test_every_config_passes(root):
    # those for Open-CD inherit from its own
    paths = sorted(path for path in (root / 'configs').glob('[!_]*/**/*.py') if 'opencd' not in path.parts)
    assert len(paths) > 40
    for path in paths:
        assert list(misspelt(Config.fromfile(path)._cfg_dict)) == [], path


def test_what_is_inherited_from_another_package_has_its_names():
    def found(step, type='BiTemporalDataset', **scope):
        return list(misspelt(dict(test_dataloader=dict(dataset=dict(type=type, pipeline=[step], **scope)))))

    step = dict(type='PackSegInputs')
    assert len(found(step)) == 1  # ours has another name
    assert found(dict(step, _scope_='mmseg')) == found(step, 'BaseSegDataset', _scope_='mmseg') == []
