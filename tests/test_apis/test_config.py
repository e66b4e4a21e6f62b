import pytest

from schanger_mm.apis import ConfigError, load_config


@pytest.fixture
def levir(root):
    return root / 'configs/schanger/levir_small.py'


def test_overrides_are_merged(levir):
    cfg = load_config(levir, {'train_dataloader.batch_size': 4, 'load_from': None,
                              'train_dataloader.dataset.pipeline.2.transforms.0.crop_size': (192, 192),
                              'optim_wrapper.paramwise_cfg.custom_keys.conv_seg.lr_mult': 5})
    assert cfg.train_dataloader.batch_size == 4 and cfg.load_from is None
    assert cfg.train_dataloader.dataset.pipeline[2].transforms[0].crop_size == (192, 192)
    assert cfg.optim_wrapper.paramwise_cfg.custom_keys.conv_seg.lr_mult == 5


@pytest.mark.parametrize('option', ['default_hooks.checkpoint.save_last', 'optim_wrapper.dtype',
                                    'optim_wrapper.paramwise_cfg.bias_decay_mult', 'model.backbone.init_cfg'])
def test_settings_that_the_config_does_not_show_can_be_given(levir, option):
    load_config(levir, {option: 1})


def test_keys_that_only_the_runner_knows_are_fine(levir):
    assert load_config(levir, {'experiment_name': 'x'}).experiment_name == 'x'


@pytest.mark.parametrize('option, message', [
    ('trian_cfg.max_iters', "has no 'trian_cfg'; did you mean 'train_cfg'"),
    ('model.backbon.arch', "model of .*levir_small.py has no 'backbon'; did you mean 'backbone'"),
    ('train_cfg.max_iter', "did you mean 'max_iters'"),
    ('learning_rate', "nothing would read 'learning_rate'"),
    ('data_root', 'data_root is a variable of .* Name the place that uses it'),
    ('train_pipeline.2.transforms.0.crop_size', 'nothing would change'),
    ('param_scheduler.7.end', "param_scheduler is a list of 2; '7' is not in it"),
    ('train_cfg.max_iters.x', 'is 660000, which has no keys'),
])
def test_misspelt_overrides_name_the_nearest_key(levir, option, message):
    with pytest.raises(ConfigError, match=message):
        load_config(levir, {option: 1})


def test_misspelt_top_level_key_in_a_file(tmp_path):
    path = tmp_path / 'c.py'
    path.write_text('custom_hook = []\ncrop_size = (1, 2)\n')
    with pytest.raises(ConfigError, match=r"c\.py: unknown key 'custom_hook', .* did you mean 'custom_hooks'"):
        load_config(path)


def test_missing_file():
    with pytest.raises(ConfigError, match=r'no config file nowhere\.py'):
        load_config('nowhere.py')


@pytest.mark.parametrize('name, content, said', [
    ('mine.py', b'model = dict(\n', r"mine\.py, line 1: '\(' was never closed; .*found 'model = dict\('"),
    ('mine.py', '# café\n'.encode('latin1'), r'mine\.py, or what it inherits, is not UTF-8'),
    ('mine.py', b"_base_ = './mine.py'\n", r'mine\.py inherits itself'),
    ('mine.py', b'model = 5\n', r'mine\.py: model is 5, expected dict\(type='),
    ('mine.json', b'{', r'mine\.json cannot be read as a config .*Expecting property name'),
    ('mine.txt', b'model = dict()', r'mine\.txt cannot be read as a config \(\.py, \.json, \.yaml\)'),
])
def test_a_file_that_is_no_config_is_named(name, content, said, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigError, match=said):
        load_config(tmp_path / name)
