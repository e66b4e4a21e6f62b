"""Every way a checkpoint comes in, with every file that means harm: one error, nothing executed, little memory."""

import copy
import shutil
from importlib.util import find_spec

import pytest
import torch
from mmengine.model import BaseModule
from mmengine.runner import CheckpointLoader

from schanger_mm import apis
from schanger_mm.apis import ChangeDetector, ChangeInferencer, build_runner, load_config, prepare, resume_from
from schanger_mm.checkpoints.convert import convert_file
from schanger_mm.checkpoints.fetch import fetch_published
from schanger_mm.checkpoints.publish import publish
from schanger_mm.checkpoints.quarantine import to_safetensors
from schanger_mm.checkpoints.transfer import transfer_file
from schanger_mm.commands.cli import report_errors
from schanger_mm.engine.initial_weights import check_pretrained

resource = pytest.importorskip('resource')
TINY = (8, 8, 12, 16, 20, 24)
MIB = 1 << 20
GROWTH = 400 * MIB  # of the process, by reading one file; what they claim is 10 GB


@pytest.fixture(scope='module')
def config(root, tmp_path_factory):
    """Path of a config of a small detector."""
    path = tmp_path_factory.mktemp('config') / 'tiny.py'
    path.write_text(f'_base_ = {str(root / "configs/schanger/demo.py")!r}\nload_from = None\n'
                    f'model = dict(backbone=dict(arch={TINY}), decode_head=dict(arch={TINY}))\n')
    return path


@pytest.fixture(scope='module')
def read(config):
    cfg = load_config(config)

    def fresh(tmp_path):
        own = copy.deepcopy(cfg)
        prepare(own, str(config), str(tmp_path / 'work'))
        return own
    return fresh


def load_from(file, cfg, config, tmp_path):
    cfg.load_from = str(file)
    build_runner(cfg)


def resume(file, cfg, config, tmp_path):
    resume_from(cfg, str(file))


def test(file, cfg, config, tmp_path):
    apis.test_only(cfg, str(file))
    build_runner(cfg)


def predict(file, cfg, config, tmp_path):
    ChangeDetector(file, device='cpu')


def predict_from_a_folder(file, cfg, config, tmp_path):
    """What is on the hub, once it is downloaded."""
    (tmp_path / 'net').mkdir()
    shutil.copy(file, tmp_path / 'net' / ('model.safetensors' if file.suffix == '.safetensors' else file.name))
    ChangeDetector.from_pretrained(tmp_path / 'net', device='cpu')


def predict_with_config(file, cfg, config, tmp_path):
    ChangeDetector(config, file, device='cpu')


def infer(file, cfg, config, tmp_path):
    ChangeInferencer(file, device='cpu')


def convert(file, cfg, config, tmp_path):
    convert_file(str(file), str(tmp_path / 'out.pth'))


def transfer(file, cfg, config, tmp_path):
    transfer_file(str(file), str(config), cfg, str(tmp_path / 'out.pth'))


def fetch(file, cfg, config, tmp_path):
    shutil.copy(file, tmp_path / 'schanger_small_levir.pth')
    fetch_published('levir', 'small', tmp_path / 'out.pth', 'http://127.0.0.1:9', tmp_path)


def export(file, cfg, config, tmp_path):
    from schanger_mm.deploy.export import export as write
    write(cfg, str(config), str(file), tmp_path / 'out.onnx', 'onnx')


def initial_weights(file, cfg, config, tmp_path):
    model = torch.nn.Sequential(BaseModule(dict(type='Pretrained', checkpoint=str(file))))
    check_pretrained(model)


def mmengine(file, cfg, config, tmp_path):
    """What the Runner, EMAHook, init_cfg and mmseg's backbones call."""
    CheckpointLoader.load_checkpoint(str(file), map_location='cpu', logger=None)['state_dict'].items()


def give_away(file, cfg, config, tmp_path):
    publish(file, tmp_path / 'out')


def make_plain(file, cfg, config, tmp_path):
    to_safetensors(file, tmp_path / 'out.safetensors')


ENTRIES = [load_from, resume, test, predict, predict_from_a_folder, predict_with_config, infer, convert, transfer,
           fetch, export, initial_weights, mmengine, give_away, make_plain]
test.__test__ = False


@pytest.mark.parametrize('entry', ENTRIES, ids=lambda entry: entry.__name__)
def test_nothing_runs_and_one_error_says_why(entry, attack, attacks, read, config, tmp_path, capsys):
    if entry in (predict, predict_from_a_folder, predict_with_config, export) and find_spec('rasterio') is None:
        pytest.skip('needs the extra [geo]')
    if entry is export:
        pytest.importorskip('schanger_mm.deploy.export')
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if entry is mmengine and attack in ('laughs.pth', 'cycle.pth'):
        with pytest.raises((ValueError, AttributeError)):  # plain values; harmless, and no weights for mmengine
            entry(attacks[attack], read(tmp_path), config, tmp_path)
    else:
        assert report_errors(lambda: entry(attacks[attack], read(tmp_path), config, tmp_path)) == 2
        said = capsys.readouterr().err
        assert 'Traceback' not in said
        assert said.splitlines()[-1].startswith('error: ') and len(said.splitlines()[-1]) < 1000
    assert attacks.nothing_ran()
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < GROWTH
    assert not list(tmp_path.glob('out*'))
