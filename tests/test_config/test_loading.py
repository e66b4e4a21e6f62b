
import pytest

from schanger_mm.apis import ConfigError, load_config
from schanger_mm.config.loading import option_word, parse_options


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
    ('mine.py', b'model = 5\n', r'mine\.py: model is 5, expected dict\('),
    ('mine.json', b'{', r'mine\.json cannot be read as a config .*Expecting property name'),
    ('mine.py', b'a = 1\nb = 1 / 0\n', r'mine\.py, .*ZeroDivisionError in .*mine\.py, line 2: division by zero'),
    ('mine.py', b'import nosuch\n', r'mine\.py, or what it inherits, .*No module named .nosuch'),
    ('mine.yaml', b'- 1\n', r'mine\.yaml, or what it inherits, cannot be read as a config'),
    ('mine.yaml', b'a: [1', r'mine\.yaml cannot be read as a config .*while parsing'),
])
def test_a_file_that_is_no_config_is_named(name, content, said, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigError, match=said):
        load_config(tmp_path / name)


@pytest.mark.parametrize('value', ['/my data/x, y', "it's", 'a"b', '[1,2]', r'C:\new', '1', 'é', '', 'a=b', None, True,
                                   3, 1e-3, '(', "'a','b'"])
def test_what_is_written_arrives_as_it_is(value):
    found = parse_options([option_word('a.b', value)])
    assert found == {'a.b': value} and type(found['a.b']) is type(value)


def test_the_rest_is_read_as_mmengine_reads_it():
    assert parse_options(['a=1', 'b=x,y', 'c=[(1,2),3]', 'd=none.pth', "e='a','b'", 'f=None', "g='open",
                          'h=(256,256)']) == {
        'a': 1, 'b': ['x', 'y'], 'c': [(1, 2), 3], 'd': 'none.pth', 'e': ['a', 'b'], 'f': None, 'g': 'open',
        'h': (256, 256)}


@pytest.mark.parametrize(('word', 'message'), [
    ('batch_size', '--cfg-options batch_size: expected KEY=VALUE'), ('=4', '--cfg-options =4: expected KEY=VALUE'),
    ('', '--cfg-options : expected KEY=VALUE'), ('a=[1,(2', r"--cfg-options a=\[1,\(2: the brackets do not match")])
def test_a_word_that_sets_nothing_is_refused(word, message):
    with pytest.raises(ConfigError, match=message):
        parse_options(['a=1', word])


@pytest.mark.parametrize(('options', 'message'), [
    ({'model': 5}, 'model is 5, expected dict'), ({'env_cfg': None}, 'env_cfg is None, expected dict'),
    ({'train_dataloader': 'x'}, "train_dataloader is 'x', expected dict"), ({'load_from': 5}, 'expected a path'),
    ({'log_level': 'LOUD'}, "log_level is 'LOUD', expected DEBUG")])
def test_parts_of_another_kind_are_refused(options, message, root):
    with pytest.raises(ConfigError, match=message):
        load_config(root / 'configs/schanger/demo.py', options)


@pytest.mark.parametrize('text', [
    "model = dict(decode_head=dict(loss_decode=dict(_delete_=True, type='BCEDiceLoss', eps=1.0)))",
    "model = dict(decode_head=dict(_delete_=True, type='SpatialConsistencyHead', loss_decode=dict(_delete_=True, "
    "type='BCEDiceLoss', eps=1.0)))",
    "model = dict(decode_head=dict(loss_decode=[dict(_delete_=True, type='BCEDiceLoss', eps=1.0)]))"])
def test_delete_marks_that_delete_nothing_are_no_settings(levir, tmp_path, text):
    (tmp_path / 'mine.py').write_text(f"_base_ = '{levir}'\n{text}\n")
    cfg = load_config(tmp_path / 'mine.py', {'model.backbone.init_cfg._delete_': True})
    assert '_delete_' not in str(cfg._cfg_dict)
    loss = cfg.model.decode_head.loss_decode
    assert (loss[0] if isinstance(loss, list) else loss) == dict(type='BCEDiceLoss', eps=1.0)
