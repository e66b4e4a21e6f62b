"""Exporting: options, comparison with PyTorch, and that nothing is written or lost otherwise."""


import cv2
import numpy as np
import pytest
from mmengine.registry import DefaultScope

from schanger_mm import apis
from schanger_mm.demo.scenes import DemoSizes, write_demo_set
from schanger_mm.deploy import DeployError, read_card
from schanger_mm.deploy import export as module
from schanger_mm.deploy.export import export
from schanger_mm.deploy.formats import ProgramRuntime
from schanger_mm.deploy.model import SceneModel
from schanger_mm.geo.errors import SceneError
from schanger_mm.registry import SCOPE
from schanger_mm.utils.errors import ExistsError

CONFIG = 'configs/schanger/demo.py'


@pytest.fixture(scope='module')
def cfg(root, tmp_path_factory):
    """A config whose test data are there."""
    cfg = apis.load_config(root / CONFIG)
    data = tmp_path_factory.mktemp('demo') / 'data'
    write_demo_set(data, DemoSizes(pretrain_train=1, pretrain_val=1, train=1, val=1, test=2), image_size=40)
    cfg.test_dataloader.dataset.data_root = str(data)
    return cfg


@pytest.fixture(scope='module')
def first(cfg, demo_checkpoint, tmp_path_factory):
    """The first export: its words, its file, and the traced program, so that tests need not trace again."""
    programs, trace = [], module.trace
    out = tmp_path_factory.mktemp('first') / 'new/demo.pt2'
    with pytest.MonkeyPatch.context() as patch, DefaultScope.overwrite_default_scope(SCOPE):
        patch.setattr(module, 'trace', lambda *args: programs.append(trace(*args)) or programs[0])
        words = export(cfg, CONFIG, str(demo_checkpoint), out, 'program')
    return words, out, programs[0]


@pytest.fixture(scope='module')
def opened(first):
    return ProgramRuntime(first[1], first[2])


@pytest.fixture
def again(first, opened, cfg, demo_checkpoint, monkeypatch):
    """Return a function that exports without tracing, and compares the first export, which takes less time."""
    monkeypatch.setattr(module, 'trace', lambda *args: first[2])
    monkeypatch.setattr(module, 'ProgramRuntime', lambda path, program: opened)
    return lambda out, format='program', **options: export(cfg, CONFIG, str(demo_checkpoint), out, format, **options)


def test_random_and_test_pairs_are_compared_and_told(first):
    words, out, _ = first
    *lines, last = words.splitlines()
    names = [line.strip().split(':')[0] for line in lines[1:]]
    assert names == ['random pair, 2 x 64 x 96 px', 'random pair, 1 x 37 x 100 px', 'random pair, 3 x 48 x 48 px',
                     'test pair 0', 'test pair 1']
    assert all(float(line.rsplit(':', 1)[1]) < 1e-5 for line in lines[1:])
    assert last.startswith(f'{out}: ') and 'takes before and after (0..255), threshold 0.5, tiles of 256 px' in last
    assert [path.name for path in out.parent.iterdir()] == ['demo.pt2']
    card = read_card(out)
    assert (card.config, card.checkpoint, card.gsd, card.tile) == ('demo.py', 'demo.pth', None, 256)


def test_pairs_that_the_user_names_replace_those_of_the_data_set(again, tmp_path):
    rng = np.random.default_rng(0)
    for name in 'ab':
        cv2.imwrite(str(tmp_path / f'{name}.png'), rng.integers(0, 256, (60, 50, 3), np.uint8))
    pair = [str(tmp_path / 'a.png'), str(tmp_path / 'b.png')]
    words = again(tmp_path / 'out.pt2', pairs=[pair], gsd=0.3, tile=48)
    assert f'{pair[0]} and {pair[1]}: ' in words and 'test pair' not in words and 'distance 0.3 m' in words
    assert (read_card(tmp_path / 'out.pt2').gsd, read_card(tmp_path / 'out.pt2').tile) == (0.3, 48)


def test_without_data_the_words_say_so(again, cfg, tmp_path, monkeypatch):
    monkeypatch.setitem(cfg.test_dataloader.dataset, 'data_root', str(tmp_path / 'none'))
    assert 'only random pairs were compared: the config has no test data here; add real ones with --pairs' in again(
        tmp_path / 'out.pt2')


def test_a_file_that_differs_is_not_written_and_the_earlier_one_stays(again, tmp_path, monkeypatch):
    out = tmp_path / 'out.pt2'
    out.write_bytes(b'earlier')
    right = SceneModel.predict
    monkeypatch.setattr(SceneModel, 'predict', lambda self, images: right(self, images) + np.float32(2e-4) * (
        images.shape[-1] == 40))
    with pytest.raises(DeployError, match='test pair 0: a probability differs by 2.00e-04 .* nothing was written'):
        again(out, overwrite=True)
    assert out.read_bytes() == b'earlier' and [path.name for path in tmp_path.iterdir()] == ['out.pt2']


def test_an_earlier_file_is_replaced_only_when_asked(again, tmp_path):
    out = tmp_path / 'out.pt2'
    out.write_bytes(b'earlier')
    with pytest.raises(ExistsError, match='out.pt2 exists already; nothing was written'):
        again(out)
    assert out.read_bytes() == b'earlier'
    again(out, overwrite=True)
    assert out.read_bytes() != b'earlier' and read_card(out).checkpoint == 'demo.pth'
    (tmp_path / 'net.bin').write_bytes(b'')
    with pytest.raises(ExistsError, match='net.bin exists already'):
        again(tmp_path / 'net.xml', 'openvino')


@pytest.mark.parametrize(('out', 'format', 'options', 'message'), [
    ('a.onnx', 'program', {}, 'a.onnx: a file of --format program must end in .pt2'),
    ('a.pt', 'torchscript', {}, '--format torchscript: expected one of onnx, openvino, program'),
    ('a.pt2', 'program', dict(tile=100), '--tile 100: expected a multiple of 16'),
    ('a.pt2', 'program', dict(tile=-16), '--tile -16: expected a multiple of 16'),
    ('a.pt2', 'program', dict(gsd=0.0), '--gsd 0.0: expected metres per pixel, above 0'),
    ('a.pt2', 'program', dict(pairs=[('none.png', 'none.png')]), 'none.png'),
])
def test_options_that_make_no_sense_are_refused(again, tmp_path, out, format, options, message):
    with pytest.raises(ValueError, match=message):
        again(tmp_path / out, format, **options)
    assert list(tmp_path.iterdir()) == []


def test_a_checkpoint_of_the_other_size_is_refused(root, demo_checkpoint, tmp_path):
    with pytest.raises(SceneError, match='does not fit levir_small.py: .*have another shape'):
        export(apis.load_config(root / 'configs/schanger/levir_small.py'), 'levir_small.py', str(demo_checkpoint),
               tmp_path / 'a.pt2', 'program')
    assert list(tmp_path.iterdir()) == []
