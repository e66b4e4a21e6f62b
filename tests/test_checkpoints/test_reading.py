import threading
from collections import Counter
from hashlib import sha256

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer
from mmengine.runner import checkpoint as mmengine_checkpoint
from safetensors.torch import save_file

from schanger_mm.checkpoints import CheckpointError, read_checkpoint, read_weights


def training():
    """What a training saves, with numbers of every kind in it."""
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 1), torch.nn.BatchNorm2d(4))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    model(torch.rand(2, 3, 4, 4)).sum().backward()
    optimizer.step()
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
    log = HistoryBuffer([1.0, 2.5, float('nan')], [1, 2, 3], max_length=7)
    return dict(
        meta=dict(cfg='a = 1', iter=3, time='now', dataset_meta=dict(classes=('a', 'b'), palette=[[0, 0, 0]])),
        state_dict=model.state_dict(), optimizer=optimizer.state_dict(),
        param_schedulers=[{key: value for key, value in schedule.state_dict().items()}],
        message_hub=dict(log_scalars={'loss': log}, resumed_keys={'loss': True},
                         runtime_info=dict(eta=np.float64(0.5), count=np.int32(3), big=np.arange(6).reshape(2, 3))),
        random=(np.random.default_rng(0).integers(0, 2**32, 624, np.uint32), torch.get_rng_state(), b'bytes', {1, 2}))


def assert_same(one, other):
    assert type(one) is type(other)
    if isinstance(one, dict):
        assert list(one) == list(other)
        for key in one:
            assert_same(one[key], other[key])
    elif isinstance(one, (list, tuple)):
        assert len(one) == len(other)
        for a, b in zip(one, other):
            assert_same(a, b)
    elif isinstance(one, torch.Tensor):
        assert one.dtype == other.dtype and torch.equal(one, other)
    elif isinstance(one, np.ndarray):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
    elif isinstance(one, HistoryBuffer):
        assert one.max_length == other.max_length
        assert_same(one.data, other.data)
    else:
        assert one == other


@pytest.mark.parametrize('zipped', [True, False])
def test_a_training_checkpoint_is_read_as_unpickling_would(tmp_path, zipped):
    torch.save(training(), tmp_path / 'a.pth', _use_new_zipfile_serialization=zipped)
    found = read_checkpoint(tmp_path / 'a.pth').content
    assert_same(found, torch.load(tmp_path / 'a.pth', weights_only=False))
    assert found['state_dict']._metadata['1']['version'] == 2
    assert found['message_hub']['log_scalars']['loss'].mean(1) != found  # its methods work
    assert found['message_hub']['runtime_info']['big'].flags.writeable


def test_safetensors_are_a_checkpoint_too(tmp_path):
    save_file({'a': torch.arange(3.0)}, tmp_path / 'a.safetensors')
    assert list(read_checkpoint(tmp_path / 'a.safetensors').content) == ['state_dict']
    assert torch.equal(read_weights(tmp_path / 'a.safetensors')['a'], torch.arange(3.0))


@pytest.mark.parametrize('name', ['system.pth', 'nested.pth', 'legacy.pth', 'bare.pth', 'protocol0.pth'])
def test_the_attacks_work_where_nobody_minds(armed, name):
    """Or their failing elsewhere would show nothing."""
    import pickle
    try:
        if name in ('bare.pth', 'protocol0.pth'):
            pickle.loads(armed[name].read_bytes())
        else:
            torch.load(armed[name], weights_only=False)
    finally:
        assert not armed.nothing_ran()


def test_mmengines_list_of_safe_names_runs_code(armed):
    """``getattr`` on it reaches ``exec``, and a function of torch calls it, with ``weights_only=True``."""
    if not hasattr(mmengine_checkpoint, 'get_torch_safe_globals'):
        pytest.skip('the original mmengine has no such list')
    with pytest.raises(AttributeError), torch.serialization.safe_globals(mmengine_checkpoint.get_torch_safe_globals()):
        torch.load(armed['getattr.pth'], weights_only=True)
    assert not armed.nothing_ran()
    armed.canary.unlink()
    with torch.serialization.safe_globals(mmengine_checkpoint.get_torch_safe_globals()):
        with pytest.raises(CheckpointError, match='_rebuild_from_type_v2'):
            read_checkpoint(armed['getattr.pth'])
        assert getattr in torch.serialization.get_safe_globals()  # the table of others is as it was
    assert armed.nothing_ran()


def test_the_stand_ins_alone_stop_it_too(armed, monkeypatch):
    monkeypatch.setattr('schanger_mm.checkpoints.reading.imports_of', lambda stream: iter(()))
    with pytest.raises(CheckpointError):
        read_checkpoint(armed['getattr.pth'])
    assert armed.nothing_ran()


def test_functions_do_not_enter_mmengines_statistics(tmp_path, repack):
    repacked, p2 = repack
    methods = dict(HistoryBuffer._statistics_methods)
    buffer = p2.name('mmengine.logging.history_buffer', 'HistoryBuffer')
    repacked(tmp_path / 'a.pth', p2.checkpoint(
        buffer + b')\x81}' + p2.text('statistics_methods') + b'}' + p2.text('mean') + buffer + b'ssb'))
    with pytest.raises(CheckpointError, match='log buffer without its two arrays'):
        read_checkpoint(tmp_path / 'a.pth')
    assert HistoryBuffer._statistics_methods == methods


@pytest.mark.parametrize(('arguments', 'message'), [
    (['O8', b'a.'], "an array of 'O8', expected numbers"), (['f8', b'abc'], 'buffer is smaller than requested')])
def test_arrays_hold_numbers_of_their_size(tmp_path, repack, arguments, message):
    repacked, p2 = repack
    dtype = p2.call(p2.name('numpy', 'dtype'), p2.text(arguments[0]))
    data = p2.call(p2.name('_codecs', 'encode'), p2.text(arguments[1].decode()), p2.text('latin1'))
    repacked(tmp_path / 'a.pth', p2.checkpoint(p2.call(p2.name('numpy.core.multiarray', 'scalar'), dtype, data)))
    with pytest.raises(CheckpointError, match=message):
        read_checkpoint(tmp_path / 'a.pth')


def test_a_tensor_is_not_larger_than_its_memory(tmp_path):
    torch.save({'a': torch.zeros(1).expand(10**9)}, tmp_path / 'a.pth')
    with pytest.raises(CheckpointError, match='claims 4,000,000,000 bytes but has 4'):
        read_checkpoint(tmp_path / 'a.pth')


def test_names_cannot_write_to_the_terminal(tmp_path, repack):
    repacked, p2 = repack
    repacked(tmp_path / 'a.pth', p2.checkpoint(p2.name('evil\x1b[31m\rgone', 'x')))
    with pytest.raises(CheckpointError) as error:
        read_checkpoint(tmp_path / 'a.pth')
    assert str(error.value).isprintable() and r'evil\x1b[31m\rgone.x' in str(error.value)


def test_threads_do_not_take_each_others_names_away(tmp_path):
    torch.save(training(), tmp_path / 'a.pth')
    before, failed = set(torch.serialization.get_safe_globals()), []

    def work():
        try:
            for _ in range(10):
                read_checkpoint(tmp_path / 'a.pth')
        except CheckpointError as error:
            failed.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == [] and set(torch.serialization.get_safe_globals()) == before


def test_the_hash_is_of_the_bytes_that_were_read(tmp_path):
    torch.save({'a': torch.zeros(1)}, tmp_path / 'a.pth')
    found = read_checkpoint(tmp_path / 'a.pth')
    assert found.sha256 == sha256((tmp_path / 'a.pth').read_bytes()).hexdigest() and found.is_current()
    torch.save({'a': torch.ones(1)}, tmp_path / 'a.pth')
    assert not found.is_current() and read_checkpoint(found) is found


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path, monkeypatch):
    torch.save({'a': torch.zeros(1)}, tmp_path / 'a.pth')
    load = torch.load

    def meanwhile(stream, **kwargs):
        content = load(stream, **kwargs)
        with open(tmp_path / 'a.pth', 'ab') as other:
            other.write(b'more')
        return content

    monkeypatch.setattr(torch, 'load', meanwhile)
    with pytest.raises(CheckpointError, match=r'a\.pth was written to while it was read'):
        read_checkpoint(tmp_path / 'a.pth')


def test_below_torch_2_10_pickled_checkpoints_are_refused_and_safetensors_read(tmp_path, monkeypatch):
    torch.save({'a': torch.zeros(1)}, tmp_path / 'a.pth')
    save_file({'a': torch.zeros(1)}, tmp_path / 'a.safetensors')
    monkeypatch.setattr(torch, '__version__', '2.9.1+cpu')
    with pytest.raises(CheckpointError, match=r'torch 2\.9\.1\+cpu does not check .* needs torch 2\.10 or newer'):
        read_checkpoint(tmp_path / 'a.pth')
    assert read_weights(tmp_path / 'a.safetensors')['a'].item() == 0


def test_a_counter_is_read_as_one(tmp_path):
    """Of MultiStep schedules; torch#98921."""
    torch.save({'milestones': Counter([2, 2, 5])}, tmp_path / 'a.pth')
    found = read_checkpoint(tmp_path / 'a.pth').content['milestones']
    assert type(found) is Counter and found == {2: 2, 5: 1}
