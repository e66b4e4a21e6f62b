import errno
import multiprocessing
import os
import shutil
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schanger_mm.datasets import cache as module
from schanger_mm.datasets.cache import GIB, DecodedCache

MIB = 1 << 20


@pytest.fixture
def said(monkeypatch):
    """What the cache logs."""
    messages = []
    monkeypatch.setattr(module, 'print_log', lambda message, **_: messages.append(message))
    module._say.cache_clear()
    yield messages
    module._say.cache_clear()


@pytest.fixture
def source(tmp_path):
    path = tmp_path / 'a.png'
    path.write_bytes(b'whatever')
    return path


class Decoder:
    """Returns an array and counts."""

    def __init__(self, array):
        self.array, self.calls = array, 0

    def __call__(self):
        self.calls += 1
        return self.array


def picture(seed=0, shape=(5, 7, 3)):
    return np.random.RandomState(seed).randint(0, 256, shape).astype(np.uint8)


def forbidden():
    raise AssertionError('decoded although it is in the cache')


def test_second_reading_comes_from_the_folder_even_in_another_run(tmp_path, source):
    decode = Decoder(picture())
    first = DecodedCache(tmp_path / 'c').read(str(source), 'image', decode)
    again = DecodedCache(tmp_path / 'c').read(str(source), 'image', forbidden)
    np.testing.assert_array_equal(first, picture())
    np.testing.assert_array_equal(again, picture())
    assert again.dtype == np.uint8 and type(again) is np.ndarray
    assert [entry.suffix for entry in (tmp_path / 'c').iterdir()] == ['.npy']


def test_relative_and_absolute_path_are_one_entry(tmp_path, source, monkeypatch):
    cache = DecodedCache(tmp_path / 'c')
    cache.read(str(source), 'image', Decoder(picture()))
    monkeypatch.chdir(tmp_path)
    np.testing.assert_array_equal(cache.read('a.png', 'image', forbidden), picture())


@pytest.mark.parametrize('change', ['size', 'time', 'reading', 'path'])
def test_another_file_or_reading_is_decoded_anew(tmp_path, source, change):
    cache = DecodedCache(tmp_path / 'c')
    stat = source.stat()
    cache.read(str(source), 'threshold=None', Decoder(picture(1)))
    if change == 'size':
        source.write_bytes(b'longer than before')
        os.utime(source, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    elif change == 'time':
        os.utime(source, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1000))
    elif change == 'path':
        source = shutil.copy2(source, tmp_path / 'b.png')
    decode = Decoder(picture(2))
    read = cache.read(str(source), 'threshold=128' if change == 'reading' else 'threshold=None', decode)
    np.testing.assert_array_equal(read, picture(2))
    assert decode.calls == 1


@settings(deadline=None, max_examples=25)
@given(h=st.integers(1, 40), w=st.integers(1, 40), colour=st.booleans(), seed=st.integers(0, 99), fortran=st.booleans())
def test_any_picture_comes_back_exactly(tmp_path_factory, h, w, colour, seed, fortran):
    folder = tmp_path_factory.mktemp('any')
    (folder / 'a').write_bytes(b'')
    array = picture(seed, (h, w, 3) if colour else (h, w))
    cache = DecodedCache(folder / 'c')
    cache.read(str(folder / 'a'), '', Decoder(np.asfortranarray(array) if fortran else array))
    np.testing.assert_array_equal(cache.read(str(folder / 'a'), '', forbidden), array)


def test_working_in_place_changes_neither_entry_nor_other_maps(tmp_path, source):
    cache = DecodedCache(tmp_path / 'c')
    cache.read(str(source), '', Decoder(picture()))
    one, other = (cache.read(str(source), '', forbidden) for _ in range(2))
    one[:] = 0
    np.testing.assert_array_equal(other, picture())
    np.testing.assert_array_equal(cache.read(str(source), '', forbidden), picture())


def test_what_cannot_be_decoded_is_not_kept(tmp_path, source):
    def refuse():
        raise ValueError('corrupt')

    for _ in range(2):
        with pytest.raises(ValueError, match='corrupt'):
            DecodedCache(tmp_path / 'c').read(str(source), '', refuse)
    assert not (tmp_path / 'c').exists()


def test_a_file_that_is_gone_is_an_error_though_it_is_cached(tmp_path, source):
    cache = DecodedCache(tmp_path / 'c')
    cache.read(str(source), '', Decoder(picture()))
    source.unlink()

    def refuse():
        raise ValueError('no such file')

    with pytest.raises(ValueError, match='no such file'):
        cache.read(str(source), '', refuse)


def damages():
    def cut(entry):
        entry.write_bytes(entry.read_bytes()[:-1])

    def pickled(entry):
        entry.unlink()
        np.save(entry, np.array([{}], dtype=object), allow_pickle=True)

    return [lambda entry: entry.write_bytes(b''), lambda entry: entry.write_bytes(b'\0' * 300), cut, pickled]


@pytest.mark.parametrize('damage', damages(), ids=['empty', 'zeros', 'cut', 'pickle'])
def test_damaged_entry_is_replaced_and_named(tmp_path, source, said, damage):
    cache = DecodedCache(tmp_path / 'c')
    cache.read(str(source), '', Decoder(picture()))
    entry, = (tmp_path / 'c').iterdir()
    damage(entry)
    np.testing.assert_array_equal(cache.read(str(source), '', Decoder(picture())), picture())
    np.testing.assert_array_equal(cache.read(str(source), '', forbidden), picture())
    assert [message for message in said if 'cannot be read' in message and entry.name in message]


def test_folder_may_be_deleted_during_a_run(tmp_path, source):
    cache = DecodedCache(tmp_path / 'c')
    cache.read(str(source), '', Decoder(picture()))
    open_map = cache.read(str(source), '', forbidden)
    shutil.rmtree(tmp_path / 'c')
    decode = Decoder(picture())
    cache.read(str(source), '', decode)
    np.testing.assert_array_equal(open_map, picture())
    np.testing.assert_array_equal(cache.read(str(source), '', forbidden), picture())
    assert decode.calls == 1


def test_folder_that_goes_while_it_is_written_to_is_made_again(tmp_path, source, monkeypatch):
    cache = DecodedCache(tmp_path / 'c')
    replace = os.replace

    def delete_first(*names):
        shutil.rmtree(tmp_path / 'c')
        monkeypatch.setattr(os, 'replace', replace)
        replace(*names)

    monkeypatch.setattr(os, 'replace', delete_first)
    for _ in range(2):
        np.testing.assert_array_equal(cache.read(str(source), '', Decoder(picture())), picture())
    assert len(list((tmp_path / 'c').iterdir())) == 1


def read_many(folder, sources, max_gib, results=None):
    cache = DecodedCache(folder, max_gib)
    ok = all((cache.read(path, '', Decoder(picture(i, (256, 256, 4)))) == picture(i, (256, 256, 4))).all()
             for i, path in enumerate(sources))
    if results is not None:
        results.put(ok)
    return cache


def total(folder):
    return sum(entry.stat().st_size for entry in folder.iterdir())


def sources_in(folder, number):
    paths = [folder / f'{i}.png' for i in range(number)]
    for path in paths:
        path.write_bytes(b'')
    return [str(path) for path in paths]


def test_beyond_the_cap_it_decodes_and_says_so_once(tmp_path, said):
    sources = sources_in(tmp_path, 40)  # 10 MiB
    cap = 8 * MIB
    for _ in range(2):
        read_many(tmp_path / 'c', sources, cap / GIB)
    assert cap - 9 * MIB // 4 < total(tmp_path / 'c') <= cap  # eight images' worth is kept for other processes
    assert len([message for message in said if 'its cap of 0.0078125 GiB is reached (max_gib' in message]) == 1
    assert len([message for message in said if 'decoded images are kept in' in message]) == 1


@pytest.mark.parametrize('cap_mib', [4, 1024])
def test_processes_may_share_a_folder_at_the_same_time(tmp_path, cap_mib):
    sources = sources_in(tmp_path, 24)  # 6 MiB
    context = multiprocessing.get_context('fork')
    results = context.Queue()
    workers = [context.Process(target=read_many, args=(tmp_path / 'c', sources, cap_mib * MIB / GIB, results))
               for _ in range(6)]
    for worker in workers:
        worker.start()
    assert all(results.get(timeout=60) for _ in workers)
    for worker in workers:
        worker.join(60)
    entries = list((tmp_path / 'c').iterdir())
    assert {entry.suffix for entry in entries} == {'.npy'}
    assert total(tmp_path / 'c') <= cap_mib * MIB
    assert len(entries) == 24 if cap_mib == 1024 else 4 < len(entries) < 24


def test_an_entry_that_another_process_reads_on_windows_stays(tmp_path, source, said, monkeypatch):
    """It was written meanwhile, and Windows replaces no open file; the cache goes on."""
    cache = DecodedCache(tmp_path / 'c', 1)

    def other_process(part, entry):
        if not entry.exists():
            entry.write_bytes(part.read_bytes())
        raise PermissionError(errno.EACCES, 'Access is denied')
    monkeypatch.setattr(sys, 'platform', 'win32')
    monkeypatch.setattr(os, 'replace', other_process)
    for _ in range(2):
        assert (cache.read(source, '', lambda: np.eye(3)) == np.eye(3)).all()
    assert not [message for message in said if 'cannot be written' in message]
    assert [path.suffix for path in (tmp_path / 'c').iterdir()] == ['.npy']


@pytest.mark.parametrize(('gpus', 'workers'), [(1, 4), (8, 6)])
def test_no_number_of_processes_passes_the_cap(tmp_path, monkeypatch, gpus, workers):
    monkeypatch.setattr(module, 'get_world_size', lambda: gpus)
    monkeypatch.setattr(module, 'get_worker_info', lambda: SimpleNamespace(num_workers=workers, id=1))
    cap, image, names = 4 * MIB, picture(0, (32, 32, 4)), iter(sources_in(tmp_path, 2000))
    caches = [DecodedCache(tmp_path / 'c', cap / GIB) for _ in range(2 * gpus * workers)]  # images and labels
    for cache in caches:  # every process has seen an empty folder ...
        cache.read(next(names), '', lambda: image)
    for cache in caches:  # ... and uses what it then took for room, one after the other
        while not cache._full:
            cache.read(next(names), '', lambda: image)
    assert 0.8 * cap < total(tmp_path / 'c') <= cap


def test_full_disk_ends_caching_in_words_and_leaves_no_half_file(tmp_path, said, monkeypatch):
    def full(stream, *_, **__):
        stream.write(b'half')
        raise OSError(errno.ENOSPC, 'No space left on device')

    monkeypatch.setattr(np, 'save', full)
    cache = read_many(tmp_path / 'c', sources_in(tmp_path, 3), 1)
    assert cache._full and not list((tmp_path / 'c').iterdir())
    assert len([message for message in said if 'No space left on device' in message]) == 1
    assert 'decoded every time' in said[-1]


def test_room_for_checkpoints_is_left_on_the_disk(tmp_path, said, monkeypatch):
    free = module.RESERVED + 6 * MIB
    monkeypatch.setattr(shutil, 'disk_usage', lambda _: shutil._ntuple_diskusage(0, 0, free - total(tmp_path / 'c')))
    read_many(tmp_path / 'c', sources_in(tmp_path, 30), 32)
    assert 3 * MIB < total(tmp_path / 'c') <= 6 * MIB
    assert 'the disk has hardly more than 2 GiB left' in said[-1]


def test_folder_that_cannot_be_made_is_said_once(tmp_path, source, said):
    (tmp_path / 'c').write_text('a file')
    cache = DecodedCache(tmp_path / 'c')
    for _ in range(3):
        np.testing.assert_array_equal(cache.read(str(source), '', Decoder(picture())), picture())
    assert len(said) == 1 and 'cannot be written' in said[0] and str(tmp_path / 'c') in said[0]


def test_no_random_number_is_drawn(tmp_path, source):
    np.random.seed(5)
    cache = DecodedCache(tmp_path / 'c')
    for _ in range(2):
        cache.read(str(source), '', Decoder(picture()))
    expected = np.random.RandomState(5).rand()
    assert np.random.rand() == expected


@pytest.mark.parametrize('max_gib', [0, -1])
def test_cap_below_zero_is_refused(max_gib):
    with pytest.raises(ValueError, match=f'expected GiB above 0, found {max_gib}; to turn the cache off'):
        DecodedCache('c', max_gib)
