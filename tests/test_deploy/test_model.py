import ast
import re

import numpy as np
import pytest
import torch
from mmengine.config import Config
from torch.nn.modules.batchnorm import _BatchNorm

from schanger_mm.apis import ChangeInferencer, load_config
from schanger_mm.checkpoints import convert, read_checkpoint
from schanger_mm.deploy.graph import PairGraph
from schanger_mm.deploy.model import SceneModel
from schanger_mm.deploy.model_files import config_of, published_config, published_name
from schanger_mm.deploy.size_limit import sized_like
from schanger_mm.geo.errors import SceneError
from schanger_mm.registry import MODELS
from schanger_mm.scene.serial import predict_arrays
from schanger_mm.utils.devices import FOR_INFERENCE
from schanger_mm.utils.errors import SettingError

CONFIG = 'configs/schanger/demo.py'


def build(cfg):
    torch.manual_seed(0)
    model = dict(cfg.model, data_preprocessor=cfg.data_preprocessor)
    return MODELS.build({'_scope_': 'schanger_mm', **model}).eval()


def save(path, network, text=None):
    torch.save(dict(meta=dict(cfg=text) if text else {}, state_dict=network.state_dict()), path)
    return str(path)


@pytest.fixture(scope='module')
def cfg(root):
    cfg = load_config(root / CONFIG)
    # different for each date and band, so that a swap of either shows
    cfg.data_preprocessor.update(mean=[90., 100., 110., 120., 130., 140.], std=[40., 45., 50., 55., 60., 65.])
    return cfg


@pytest.fixture(scope='module')
def network(cfg):
    return build(cfg)


@pytest.fixture(scope='module')
def checkpoint(cfg, network, tmp_path_factory):
    return save(tmp_path_factory.mktemp('model') / 'trained.pth', network, cfg.pretty_text)


@pytest.fixture
def pair():
    return np.random.default_rng(0).integers(0, 256, (2, 300, 420, 3), np.uint8)


def test_probabilities_are_those_of_the_test_tool(checkpoint, network, pair):
    model = SceneModel.load(checkpoint)
    tile = np.ascontiguousarray(pair[:, :256, :256])
    packed = torch.from_numpy(np.concatenate(tile[..., ::-1], axis=-1).transpose(2, 0, 1).copy())
    network.test_cfg = Config(dict(mode='slide', crop_size=(256, 256), stride=(256, 256)))
    with torch.no_grad():
        (sample,) = network.test_step(dict(inputs=[packed]))
    expected = sample.seg_logits.data[0]  # of one channel these are probabilities
    found = predict_arrays(*tile, model, overlap=0)
    assert found.std() > 1e-3
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-6)
    np.testing.assert_array_equal(found > model.threshold, sample.pred_sem_seg.data[0].numpy() == 1)
    swapped = predict_arrays(*tile[..., ::-1], model, overlap=0)
    assert np.abs(swapped - found).max() > 1e-3


def norms(network):
    return sum(isinstance(module, _BatchNorm) for module in network.modules())


def test_the_network_takes_its_inference_form_unless_it_is_wanted_plain(cfg, network, checkpoint, pair):
    fast, plain = SceneModel.load(checkpoint), SceneModel(cfg, checkpoint, 'demo.py', plain=True)
    assert norms(fast.network) == 0 and norms(plain.network) == norms(network) > 20
    images = np.ascontiguousarray(pair[:, :64, :64].transpose(0, 3, 1, 2)[None], np.float32)
    np.testing.assert_allclose(fast.predict(images), plain.predict(images), atol=1e-5)


def test_loading_on_a_cpu_sets_the_allocator(checkpoint, monkeypatch):
    limits = []
    monkeypatch.setattr('schanger_mm.deploy.model.keep_freed_memory', limits.append)
    SceneModel.load(checkpoint, device='cpu')
    assert limits == [FOR_INFERENCE]


@pytest.mark.parametrize('size', [(100, 37), (16, 300), (5, 3)])
def test_images_of_any_size(checkpoint, network, size):
    model = SceneModel.load(checkpoint)
    images = np.random.default_rng(1).integers(0, 256, (2, *size, 3), np.uint8)
    packed = torch.from_numpy(np.concatenate(images[..., ::-1], axis=-1).transpose(2, 0, 1).copy())
    network.test_cfg = Config(dict(mode='whole'))
    with torch.no_grad():
        (sample,) = network.test_step(dict(inputs=[packed]))
    found = predict_arrays(*images, model, overlap=0, window=304)
    np.testing.assert_allclose(found, sample.seg_logits.data[0].numpy(), atol=1e-6)


def test_a_config_with_weights_and_a_checkpoint_alone_are_the_same_network(cfg, checkpoint, tmp_path, pair):
    cfg.dump(tmp_path / 'own.py')
    one, other = SceneModel.load(checkpoint), SceneModel.load(str(tmp_path / 'own.py'), checkpoint)
    images = np.ascontiguousarray(pair[:, :64, :64].transpose(0, 3, 1, 2)[None], np.float32)
    np.testing.assert_array_equal(one.predict(images), other.predict(images))
    facts = one.describe()
    assert facts['mean'] == cfg.data_preprocessor.mean and facts['std'] == cfg.data_preprocessor.std
    assert facts['threshold'] == 0.5 and len(facts['weights_sha256']) == 64
    assert (one.names, other.names) == ((checkpoint, None), (str(tmp_path / 'own.py'), checkpoint))


def test_two_channels_are_a_softmax(root, tmp_path, pair):
    cfg = load_config(root / 'configs/sadl/fpn-cd_r18_levir.py')
    network = build(cfg)
    model = SceneModel.load(save(tmp_path / 'two.pth', network, cfg.pretty_text))
    images = pair[:, :64, :64].transpose(0, 3, 1, 2)
    packed = torch.from_numpy(np.concatenate(images[:, ::-1]).copy())
    network.test_cfg = Config(dict(mode='whole'))
    with torch.no_grad():
        (sample,) = network.test_step(dict(inputs=[packed]))
    expected = sample.seg_logits.data.softmax(dim=0)[1].numpy()
    np.testing.assert_allclose(model.predict(images[None].astype(np.float32))[0], expected, atol=1e-6)
    assert model.threshold == 0.5 and model.gsd == 0.5


@pytest.mark.parametrize('own', [0.5, 0.3])
def test_a_temperature_changes_probabilities_and_no_decision(cfg, network, tmp_path, pair, own):
    images = np.ascontiguousarray(pair[:, :64, :64].transpose(0, 3, 1, 2)[None], np.float32)
    head = f"decode_head=dict(threshold={own}, "
    text = cfg.pretty_text.replace('decode_head=dict(', head, 1)
    assert text != cfg.pretty_text
    as_predicted = SceneModel.load(save(tmp_path / 'one.pth', network, text))
    file = save(tmp_path / 'other.pth', network, text + '\ntemperature = 2.5\n')
    model = SceneModel.load(file)
    p, q = as_predicted.predict(images), model.predict(images)
    np.testing.assert_allclose(q, 1 / (1 + (1 / p - 1)**(1 / 2.5)), atol=1e-6)
    decided = p > as_predicted.threshold
    assert as_predicted.threshold == own and np.abs(q - p).max() > 0.01
    np.testing.assert_array_equal(q > model.threshold, decided)
    assert model.describe()['temperature'] == 2.5 and (own == 0.5) == (model.threshold == 0.5)
    exported = PairGraph(model.network, True, model.temperature)(*map(torch.from_numpy, images.swapaxes(0, 1)))
    np.testing.assert_allclose(exported[:, 0].detach().numpy(), q, atol=1e-5)
    before, after = (date.transpose(1, 2, 0).astype(np.uint8) for date in images[0])
    np.testing.assert_allclose(ChangeInferencer(file)(before, after)['probabilities'][0], q[0], atol=1e-5)


@pytest.mark.parametrize('value', ['0', '-1', 'True', "'hot'", '1e9', 'None'])
def test_temperatures_that_make_no_sense_are_refused(cfg, network, tmp_path, value):
    with pytest.raises(SceneError, match='temperature = .*; expected a number from 0.001 to 1000'):
        SceneModel.load(save(tmp_path / 'a.pth', network, f'{cfg.pretty_text}\ntemperature = {value}\n'))


def test_weights_must_fit_completely(root, network, tmp_path):
    state = network.state_dict()
    name = next(iter(state))
    torch.save(dict(state_dict={**{key: value for key, value in state.items() if key != name}, 'new': state[name]}),
               tmp_path / 'part.pth')
    with pytest.raises(SceneError, match=f'1 entries are missing, for example {name}; 1 are unknown.*new'):
        SceneModel.load(str(root / CONFIG), str(tmp_path / 'part.pth'))
    with pytest.raises(SceneError, match=r'does not fit .*have another shape'):
        SceneModel.load(str(root / 'configs/schanger/levir_small.py'), save(tmp_path / 'tiny.pth', network))


@pytest.mark.parametrize(('words', 'message'), [
    (['levir'], 'levir is a config: give its weights with --weights FILE'),
    (['schanger_mm::schanger/levir.py'], 'is a config: give its weights with --weights FILE'),
    (['none.pth'], 'no model none.pth: expected a config .*published one .*levir, levir_plus'),
    ([CONFIG], 'is a config: give its weights with --weights FILE'),
    (['none.pth', 'x.pth'], 'with --weights it must be a config'),
    (['levir-base', 'x.pth'], 'omit --weights x.pth'),
    ([CONFIG, 'none.pth'], 'no checkpoint none.pth'),
])
def test_mistakes_are_named(root, monkeypatch, words, message):
    monkeypatch.chdir(root)
    with pytest.raises(ValueError, match=message):
        SceneModel.load(*words)


def test_a_network_for_one_date_is_refused(root, checkpoint):
    with pytest.raises(SceneError, match='single-temporal'):
        SceneModel.load(str(root / 'configs/schanger/pretrain_demo.py'), checkpoint)


@pytest.mark.parametrize('device', ['gpu', 'mps', 'xla', 'meta', 'hpu:0', ''])
def test_a_device_that_is_not_there(checkpoint, device):
    with pytest.raises(SettingError, match=f'--device {device}: expected cpu, cuda or cuda:N'):
        SceneModel.load(checkpoint, device=device)


WIDTHS = '(8, 8, 12, 16, 20, 24)'


@pytest.mark.parametrize('width', [1200, 1_000_000])
def test_a_config_takes_no_more_memory_than_the_file_has_weights(cfg, tmp_path, width, monkeypatch):
    filled = []
    monkeypatch.setattr(torch.nn.Conv2d, 'reset_parameters', lambda conv: filled.append(conv.weight.numel()))
    text = flat(cfg).replace(WIDTHS, str((width, ) * 6))
    torch.save(dict(meta=dict(cfg=text), state_dict={'x': torch.zeros(1)}), tmp_path / 'large.pth')
    with pytest.raises(SceneError, match=r'large\.pth does not fit .*: the network is far larger than the file \(more '
                                         'than 134,217,728 values'):
        SceneModel.load(str(tmp_path / 'large.pth'))
    assert sum(filled) <= 134_217_728


def flat(cfg):
    """Config text with a line for each setting."""
    text = ast.unparse(ast.parse(cfg.pretty_text))
    assert text.count(f'arch={WIDTHS}') == 2
    return text


@pytest.mark.parametrize(('old', 'new', 'message'), [
    (WIDTHS, "'abcdef'", r"cannot be built \(SettingError: arch='abcdef'"),
    (WIDTHS, "('a', 'b', 'c', 'd', 'e', 'f')", r'cannot be built \(TypeError: '),
    (WIDTHS, '(10**12, )', 'is not made of plain values'),
    ("dict(type='TFM')", "dict(type='TFM'), threshold='x'", 'the decode head has the threshold x; expected 0 or more'),
    ("dict(type='TFM')", "dict(type='TFM'), threshold=float", 'is not made of plain values'),
    ("dict(type='TFM')", '5', r"cannot be built \(TypeError: 'int' object is not a mapping\); correct the setting"),
    ('train_cfg = dict(', 'gsd = [1]\ntrain_cfg = dict(', r'gsd = \[1\]; expected metres per pixel, a number above 0'),
    ('train_cfg = dict(', 'gsd = -1\ntrain_cfg = dict(', 'gsd = -1; expected'),
    ('train_cfg = dict(', 'gsd = 0x' + 'f' * 5000 + '\ntrain_cfg = dict(', 'gsd = a number out of range'),
])
def test_values_of_the_wrong_kind_in_a_checkpoints_config_are_named(cfg, network, tmp_path, old, new, message):
    text = flat(cfg)
    assert old in text
    with pytest.raises(SceneError, match=f'odd.pth.*{message}'):
        SceneModel.load(save(tmp_path / 'odd.pth', network, text.replace(old, new)))


def test_a_network_with_more_parts_than_weights_is_refused():
    with pytest.raises(SceneError, match=r'w\.pth does not fit c\.py: .* \(more than 20,000 parts\)'):
        with sized_like({'x': torch.zeros(1)}, 'w.pth', 'c.py'):
            torch.nn.Sequential(*(torch.nn.Identity() for _ in range(21_000)))
    torch.nn.Sequential(*(torch.nn.Identity() for _ in range(21_000)))


def test_statistics_that_are_not_those_of_the_training_are_warned_of(cfg, root, network, checkpoint, tmp_path):
    loaded = SceneModel.load(str(root / CONFIG), checkpoint)
    assert len(loaded.warnings) == 2
    assert re.fullmatch(r'\S*demo.py has the mean \[115, 115, 115, 115, 115, 115\], and \S*trained.pth was trained '
                        r'with \[90, 100, 110, 120, 130, 140\]: its probabilities will be off; predict with the config '
                        'of its training.', loaded.warnings[0])
    assert 'std [50, 50, 50, 50, 50, 50], and' in loaded.warnings[1]
    cfg.dump(tmp_path / 'own.py')
    assert SceneModel.load(str(tmp_path / 'own.py'), checkpoint).warnings == []
    assert SceneModel.load(checkpoint).warnings == []
    for text in ('import os', None, 'model = 5', 'data_preprocessor = 5', 'data_preprocessor = dict(mean=[])'):
        found = SceneModel.load(str(root / CONFIG), save(tmp_path / 'odd.pth', network, text)).warnings
        assert len(found) == (text is not None and 'mean' in text)
    large = save(tmp_path / 'odd.pth', network, f'data_preprocessor = dict(std=0x{"f" * 5000}, bgr_to_rgb=False)')
    assert [re.search('with (.*?):', text)[1] for text in SceneModel.load(str(root / CONFIG), large).warnings] == [
        'a number out of range', 'False']


def test_a_checkpoint_runs_no_code(cfg, network, tmp_path):
    text = cfg.pretty_text
    with pytest.raises(SceneError, match='holds weights but no config'):
        config_of(read_checkpoint(save(tmp_path / 'bare.pth', network)))
    for more in ('import os', 'x = open("f")', 'x = [y for y in (1,)]', 'x = dict(a=print())'):
        with pytest.raises(SceneError, match=r'not made of plain values \(.*must not run code'):
            config_of(read_checkpoint(save(tmp_path / 'code.pth', network, f'{text}\n{more}\n')))
    for name in ('subprocess.Popen', 'os.system', 'torch.load', 'mmseg.models.os.system'):
        with pytest.raises(SceneError, match=f'asks for {name}, expected what is registered in'):
            config_of(read_checkpoint(save(tmp_path / 'type.pth', network,
                                           text.replace("'SpatialConsistencyHead'", f"'{name}'"))))


@pytest.mark.parametrize(('more', 'named'), [
    ("data_preprocessor = dict(type='subprocess.Popen', args=['touch', 'canary'])", 'asks for subprocess.Popen'),
    ("model = dict(type='antigravity')", 'asks for antigravity'),
    ("model = dict(type='SiameseEncoderDecoder', _scope_='antigravity')", 'asks for SiameseEncoderDecoder'),
    ("default_scope = 'antigravity'", 'asks for antigravity'),
    ("model = [('type', 'subprocess.Popen')]", 'model or data_preprocessor is not a dict'),
    ("model = dict(type='mmseg.VPD')", 'asks for mmseg.VPD'),
    ("model = dict(type='ExportedDetector', file='stranger.pt2')", 'asks for ExportedDetector'),
    ("model = dict(type='mmpretrain.AutoModelForCausalLM')", 'asks for mmpretrain'),
    ("filename = 'x.py'", 'names of mmengine'),
])
def test_a_checkpoint_builds_registered_parts_only(cfg, network, tmp_path, monkeypatch, more, named):
    """What is built is not the head alone; a registry imports and calls any name that it does not know."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SceneError, match=named):
        SceneModel.load(save(tmp_path / 'bad.pth', network, f'{cfg.pretty_text}\n{more}\n'))
    assert not (tmp_path / 'canary').exists()


def test_a_checkpoint_gives_its_config_back(cfg, checkpoint):
    found = config_of(read_checkpoint(checkpoint))
    for key in ('model', 'data_preprocessor', 'optim_wrapper', 'test_dataloader'):
        assert found[key] == Config.fromstring(cfg.pretty_text, '.py')[key]


def test_published_names(root):
    assert published_config('levir-base') == root / 'configs/schanger/levir.py'
    assert published_config('levir_plus-small') == root / 'configs/schanger/levir_plus_small.py'
    assert [published_name(name) for name in ('levir-base', 'pretrain-base', 'levir-large', 'levir', 'a.pth')] == [
        True, False, False, False, False]


def test_published_weights_are_fetched_once(root, network, checkpoint, monkeypatch, tmp_path):
    from schanger_mm.deploy import model_files
    asked = []
    monkeypatch.setattr(model_files, 'fetch_published', lambda *words: asked.append(words))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match='no checkpoint /.*checkpoints/schanger_base_levir_mm.pth'):
        SceneModel.load('levir-base')
    assert [words[:2] for words in asked] == [('levir', 'base')]


def test_published_weights_load_by_name_and_as_weights(root, monkeypatch, tmp_path):
    """The authors' file lies where torch keeps downloads, so that nothing is fetched; the rest is as ever."""
    trained = convert.network('base', 2)
    with torch.no_grad():
        for value in trained.state_dict().values():
            if value.is_floating_point():
                value.uniform_(0.01, 0.02)
    cache = tmp_path / 'hub/checkpoints/schanger_base_levir.pth'
    cache.parent.mkdir(parents=True)
    torch.save({'state_dict': convert.mm_to_published(trained.state_dict())[0]}, cache)
    monkeypatch.setenv('TORCH_HOME', str(tmp_path))
    monkeypatch.setattr('urllib.request.urlopen', lambda *words, **options: pytest.fail('asks the network'))
    monkeypatch.chdir(tmp_path)

    named = SceneModel.load('levir-base')
    config = str(root / 'configs/schanger/levir.py')
    given = SceneModel.load(config, 'levir-base')
    weights = str(tmp_path.resolve() / 'checkpoints/schanger_base_levir_mm.pth')
    assert named.names == given.names == (config, weights) and named.describe() == given.describe()
    assert named.describe()['weights'] == weights and named.gsd == 0.5
    for model in (named, given):
        found, expected = model.network.decode_head.conv_seg.weight, trained.decode_head.conv_seg.weight
        assert found.shape == (1, *expected.shape[1:]) and torch.equal(found.flatten(), expected.flatten())


def test_a_scene_of_one_texture_shows_no_grid(checkpoint):
    """Where the context is the same everywhere, only the borders of windows can make a pattern."""
    texture = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3), np.uint8)
    images = np.tile(texture, (1, 20, 20, 1))
    model = SceneModel.load(checkpoint)
    whole = predict_arrays(*images, model, window=320, overlap=0)[96:224, 96:224]
    blended = predict_arrays(*images, model, window=128, overlap=64)[96:224, 96:224]
    apart = predict_arrays(*images, model, window=128, overlap=0)[96:224, 96:224]

    def pattern(probability):
        """Deviation between the means of the texture's repetitions."""
        return probability.reshape(8, 16, 8, 16).mean(axis=(1, 3)).std()

    assert pattern(blended) < 1e-3 and pattern(blended) < 0.1 * pattern(apart)
    difference = np.abs(blended - whole)
    assert difference.mean() < 1e-3 and difference.max() < 5e-3
    assert np.abs(apart - whole).mean() > 5e-3  # what blending removes
