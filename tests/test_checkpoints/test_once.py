"""A command opens its checkpoint once: the system counts, whichever library opens it."""

import ctypes
import os
import struct
import sys
from contextlib import contextmanager

import pytest
import torch

from schanger_mm import apis
from schanger_mm.apis import ChangeInferencer, build_runner, resume_from
from schanger_mm.checkpoints.convert import convert_file
from schanger_mm.checkpoints.publish import publish
from schanger_mm.checkpoints.quarantine import to_safetensors
from schanger_mm.checkpoints.transfer import transfer_file
from schanger_mm.utils.files import read_table, sha256_of

pytestmark = pytest.mark.skipif(not sys.platform.startswith('linux'), reason='inotify is of Linux')
IN_OPEN, IN_NONBLOCK = 0x20, 0o4000
IN_ACCESS_OR_CLOSE = 0x19  # events of one kind in a row are joined to one, so those between opens are wanted, too
EVENT = struct.Struct('iIII')
TINY = (8, 8, 12, 16, 20, 24)


@contextmanager
def opens_of(path):
    """Give a list that holds, when the context ends, one entry for each time that the file was opened."""
    libc, opens = ctypes.CDLL(None, use_errno=True), []
    handle = libc.inotify_init1(IN_NONBLOCK)
    assert handle >= 0 and libc.inotify_add_watch(handle, os.fsencode(path), IN_OPEN | IN_ACCESS_OR_CLOSE) >= 0
    try:
        yield opens
        try:
            while events := os.read(handle, 1 << 16):
                opens += ['open' for _, kind, _, _ in EVENT.iter_unpack(events) if kind & IN_OPEN]
        except BlockingIOError:  # no more events
            pass
    finally:
        os.close(handle)


@pytest.fixture(scope='module')
def made(tmp_path_factory):
    """A training of two iterations: its folder, filled by the first test that asks."""
    return tmp_path_factory.mktemp('training')


@pytest.fixture
def cfg(small, root, tmp_path):
    cfg = small(root / 'configs/schanger/demo.py', tmp_path / 'work')
    cfg.model.backbone.arch = cfg.model.decode_head.arch = TINY
    cfg.default_hooks.checkpoint.update(interval=1, max_keep_ckpts=5)
    return cfg


@pytest.fixture
def trained(cfg, made):
    """A checkpoint after the first of two iterations."""
    if not (made / 'iter_1.pth').exists():
        own = cfg.copy()
        own.work_dir = str(made)
        build_runner(own).train()
    return made / 'iter_1.pth'


def test_opens_are_counted(tmp_path):
    torch.save({'a': torch.zeros(1)}, tmp_path / 'a.pth')
    with opens_of(tmp_path / 'a.pth') as opens:
        torch.load(tmp_path / 'a.pth', weights_only=True)
        os.stat(tmp_path / 'a.pth')
        sha256_of(tmp_path / 'a.pth')
    assert opens == ['open', 'open']
    with opens_of(tmp_path / 'a.pth') as opens:
        os.stat(tmp_path / 'a.pth')
    assert opens == []


def resume(path, cfg, out, sha256):
    build_runner(cfg, resume_from(cfg, str(path))).train()


def resume_newest(path, cfg, out, sha256):
    cfg.work_dir = str(path.parent)
    (path.parent / 'last_checkpoint').write_text(path.name)
    build_runner(cfg, resume_from(cfg, 'auto')).train()


def load_from(path, cfg, out, sha256):
    cfg.load_from = str(path)
    build_runner(cfg).train()


def score(path, cfg, out, sha256):
    apis.test_only(cfg, str(path))
    apis.evaluate(cfg, str(out / 'report'), worst=0)
    assert read_table(out / 'report/report.json')['checkpoint_sha256'] == sha256


def predict(path, cfg, out, sha256):
    pytest.importorskip('rasterio')
    assert apis.ChangeDetector(path, device='cpu').model.sha256 == sha256


def predict_with_config(path, cfg, out, sha256):
    pytest.importorskip('rasterio')
    cfg.dump(out / 'config.py')
    apis.ChangeDetector(out / 'config.py', path, device='cpu')


def infer(path, cfg, out, sha256):
    ChangeInferencer(path, device='cpu')


def export(path, cfg, out, sha256):
    pytest.importorskip('onnxruntime')
    from schanger_mm.deploy.export import export as write
    write(cfg, 'config.py', str(path), out / 'out.onnx', 'onnx')


def give_away(path, cfg, out, sha256):
    publish(path, out / 'net')
    card, = out.glob('net-*.json')
    assert read_table(card)['source']['sha256'] == sha256


def convert(path, cfg, out, sha256):
    convert_file(str(path), str(out / 'out.pth'), back=True)


def transfer(path, cfg, out, sha256):
    transfer_file(str(path), 'config.py', cfg, str(out / 'out.pth'))


def make_plain(path, cfg, out, sha256):
    to_safetensors(path, out / 'out.safetensors')


@pytest.mark.parametrize('command', [
    resume, score, predict, predict_with_config, infer, give_away, convert, transfer, make_plain,
    *(pytest.param(command, marks=pytest.mark.long) for command in (resume_newest, load_from, export))],
    ids=lambda command: command.__name__)
def test_a_command_opens_its_checkpoint_once(command, trained, cfg, tmp_path):
    sha256 = sha256_of(trained)
    with opens_of(trained) as opens:
        command(trained, cfg, tmp_path, sha256)
    assert opens == ['open']


def test_the_report_has_the_hash_of_what_was_loaded(trained, cfg, tmp_path, monkeypatch):
    """And not of what lies there when the test ends."""
    checkpoint = tmp_path / 'a.pth'
    checkpoint.write_bytes(trained.read_bytes())
    before, run = sha256_of(checkpoint), apis.evaluate.__globals__['build_runner']

    def replaced_after_loading(cfg):
        runner = run(cfg)
        test = runner.test

        def then():
            scores = test()
            torch.save({'state_dict': {}}, checkpoint)
            return scores
        runner.test = then
        return runner

    monkeypatch.setitem(apis.evaluate.__globals__, 'build_runner', replaced_after_loading)
    apis.test_only(cfg, str(checkpoint), plain=True)
    apis.evaluate(cfg, str(tmp_path / 'report'), worst=0)
    assert read_table(tmp_path / 'report/report.json')['checkpoint_sha256'] == before != sha256_of(checkpoint)
