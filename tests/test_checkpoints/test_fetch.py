import io

import pytest
import torch

from schanger_mm.checkpoints import CheckpointError, convert, read_weights
from schanger_mm.checkpoints.download import DownloadError
from schanger_mm.checkpoints.fetch import SETS, SIZES, FetchError, fetch_published
from schanger_mm.commands import cli, fetch
from schanger_mm.utils.files import sha256_of

NAME = 'schanger_small_levir.pth'


def published(arch, num_dates, seed=0):
    """Return the bytes of a checkpoint as the authors publish them, with random weights."""
    torch.manual_seed(seed or num_dates)
    state = {name: torch.rand_like(value) if value.is_floating_point() else value
             for name, value in convert.network(arch, num_dates).state_dict().items()}
    stream = io.BytesIO()
    torch.save({'state_dict': convert.mm_to_published(state)[0]}, stream)
    return stream.getvalue(), state


@pytest.fixture(scope='module')
def small():
    return published('small', 2)


@pytest.fixture
def get(web, small, tmp_path):
    """Fetch the two-date small network, or what the test makes of it."""
    web.body = small[0]

    def fetch(data_set='levir', size='small', **options):
        return fetch_published(data_set, size, **{'out': tmp_path / 'out.pth', 'base_url': web.url,
                                                  'cache': tmp_path / 'cache'} | options)

    return fetch


def same(path, state):
    read = read_weights(path)
    return read.keys() == state.keys() and all(torch.equal(read[name], state[name]) for name in state)


def test_weights_arrive_converted_and_the_next_command_is_said(get, web, small, tmp_path):
    said = get()
    assert web.asked[0]['path'] == f'/{NAME}'
    assert same(tmp_path / 'out.pth', small[1])
    assert (tmp_path / 'cache' / NAME).read_bytes() == small[0]
    assert f'{len(small[0]):,} bytes, from {web.url}/{NAME}\nsha256 {sha256_of(tmp_path / "cache" / NAME)}' in said
    assert 'SChanger-small, two dates, 638 entries' in said
    assert said.endswith(f'next:  schanger test levir_small {tmp_path / "out.pth"}')


def test_nothing_is_fetched_twice(get, web, tmp_path):
    get()
    assert 'already there; not fetched again' in get()
    assert 'downloaded before' in get(out=tmp_path / 'second.pth')
    assert 'downloaded before' in get(overwrite=True)
    assert len(web.asked) == 1


def test_the_default_place_has_the_name_of_the_weights(get, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    get('s2looking', out=None)
    assert (tmp_path / 'checkpoints/schanger_small_s2looking_mm.pth').is_file()


def test_the_address_comes_from_the_environment_and_the_cache_from_torch(get, web, tmp_path, monkeypatch):
    monkeypatch.setenv('SCHANGER_WEIGHTS_URL', f'{web.url}/mirror/')
    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'torch'))
    get(base_url=None, cache=None)
    assert web.asked[0]['path'] == f'/mirror/{NAME}'
    assert (tmp_path / 'torch/hub/checkpoints' / NAME).is_file()


def test_pre_trained_weights_are_to_be_loaded_not_scored(get, web, tmp_path):
    web.body, state = published('small', 1)
    said = get('pretrain')
    assert same(tmp_path / 'out.pth', state) and 'single-temporal, 598 entries' in said
    assert said.endswith('schanger train levir_small --cfg-options '
                         f'load_from={tmp_path / "out.pth"}')


def test_a_download_that_broke_off_is_not_kept(get, web, small, tmp_path):
    web.drops = [1_000_000]
    with pytest.raises(FetchError, match=r'could not be read as plain weights.* 1,000,000 bytes arrived; the download'):
        get()
    assert list((tmp_path / 'cache').iterdir()) == []
    get()
    assert (tmp_path / 'cache' / NAME).read_bytes() == small[0]


@pytest.mark.parametrize('data_set, size, found, expected', [
    ('levir', 'base', 'SChanger-small, two dates', 'SChanger-base, two dates'),
    ('pretrain', 'small', 'SChanger-small, two dates', 'SChanger-small, single-temporal'),
])
def test_other_weights_than_those_asked_for_are_refused(get, tmp_path, data_set, size, found, expected):
    with pytest.raises(FetchError, match=f'it holds {found}, expected {expected}. .* the download was discarded'):
        get(data_set, size)
    assert list((tmp_path / 'cache').iterdir()) == [] and not (tmp_path / 'out.pth').exists()


@pytest.mark.parametrize('damage, message', [
    (lambda body: body[:500_000], 'could not be read as plain weights'),
    (lambda body: b'<!doctype html><title>log in</title>', "this is text .*log in"),
    (lambda body: b'version https://git-lfs.github.com/spec/v1\n', 'a pointer to the file'),
])
def test_damaged_files_and_pages_are_refused(get, web, small, tmp_path, damage, message):
    web.body = damage(small[0])
    with pytest.raises((FetchError, DownloadError), match=f'{web.url}/{NAME}: .*{message}'):
        get()
    assert list((tmp_path / 'cache').iterdir()) == []


def test_a_missing_file_says_what_else_to_do(get, web):
    web.status = 404
    with pytest.raises(DownloadError, match=r'no such file.*https://huggingface.co/Zy-Zhou/schanger in a browser and '
                                            r'convert it: schanger convert schanger_small'):
        get()


def test_a_known_digest_is_held_against_the_download(get, web, small, tmp_path):
    with pytest.raises(DownloadError, match=f'its SHA-256 is [0-9a-f]{{64}}, expected {"0" * 64}. The download was'):
        get(sha256='0' * 64)
    assert list((tmp_path / 'cache').iterdir()) == [] and not (tmp_path / 'out.pth').exists()
    (tmp_path / 'known').write_bytes(small[0])
    known = sha256_of(tmp_path / 'known')
    assert f'sha256 {known}' in get(sha256=known.upper())
    with pytest.raises(FetchError, match='does not record the SHA-256 of its source'):
        get(sha256=known)
    with pytest.raises(FetchError, match=f'{NAME}: its SHA-256 is {known}.*Delete it to fetch it again'):
        get(sha256='0' * 64, overwrite=True)


def test_a_file_that_differs_from_the_first_download_is_refused_until_it_is_named(get, web, small, tmp_path):
    get()
    cache, record = tmp_path / 'cache', tmp_path / 'cache/schanger_published.sha256'
    first = sha256_of(cache / NAME)
    assert record.read_text() == f'{first}  {NAME}\n'
    (cache / NAME).unlink()
    web.body = published('small', 2, seed=5)[0]
    with pytest.raises(FetchError) as caught:
        get(overwrite=True)
    second = str(caught.value).rpartition('--sha256 ')[2][:64]
    assert f'{web.url}/{NAME}: its SHA-256 is {second}, but {first} was recorded in {record} when' in str(caught.value)
    assert 'the download was discarded' in str(caught.value) and not (cache / NAME).exists()
    assert same(tmp_path / 'out.pth', small[1])
    get(overwrite=True, sha256=second)
    assert record.read_text() == f'{second}  {NAME}\n'
    assert 'downloaded before' in get(overwrite=True)
    (cache / NAME).write_bytes(small[0])
    with pytest.raises(FetchError, match=f'{NAME}: its SHA-256 is {first}, but {second} was .*Delete it to fetch it'):
        get(overwrite=True)


def test_each_file_has_its_own_record_and_a_damaged_one_is_named(get, web, tmp_path):
    get()
    get('whu', out=tmp_path / 'whu.pth')
    record = tmp_path / 'cache/schanger_published.sha256'
    assert [line.split()[1] for line in record.read_text().splitlines()] == [NAME, 'schanger_small_whu.pth']
    record.write_text(record.read_text() + 'not a hash\n')
    with pytest.raises(CheckpointError, match=r'schanger_published.sha256, line 3: expected a SHA-256, two spaces and'):
        get(overwrite=True)
    assert (tmp_path / 'cache' / NAME).exists()


def test_the_terms_of_the_weights_are_said(get):
    assert 'terms: these weights are the work of the authors of SChanger' in get()
    assert 'repository has no licence file' in get()  # already there


def test_what_is_there_but_something_else_is_neither_used_nor_replaced(get, web, tmp_path):
    out = tmp_path / 'out.pth'
    out.write_bytes(b'mine')
    with pytest.raises(FetchError, match=r'out\.pth exists but is not a converted checkpoint'):
        get()
    assert out.read_bytes() == b'mine' and web.asked == []
    get(overwrite=True)
    with pytest.raises(FetchError, match='holds SChanger-small, two dates, not SChanger-base, two dates'):
        get('levir', 'base')


@pytest.mark.parametrize('options, message', [
    (dict(data_set='dsifn'), "no published weights 'dsifn', 'small'; the sets are levir, levir_plus"),
    (dict(size='large'), 'the sizes base, small'),
    (dict(sha256='xyz'), 'expected 64 hexadecimal digits'),
    (dict(out='x.bin'), r'must end in \.pth or \.safetensors'),
])
def test_words_that_mean_nothing_are_refused_before_any_request(get, web, options, message):
    with pytest.raises(FetchError, match=message):
        get(**options)
    assert web.asked == []


def test_fourteen_files_can_be_asked_for(root):
    assert len(SETS) * len(SIZES) == 14
    assert (root / 'configs/schanger/levir.py').is_file() and (root / 'configs/schanger/levir_small.py').is_file()


def test_tool_fetches_and_ends_mistakes_in_one_line(web, small, tmp_path, monkeypatch, root, capsys):
    web.body = small[0]
    monkeypatch.chdir(root)
    words = ['--cache', str(tmp_path), '--out', str(tmp_path / 'out.pth'), '--base-url', web.url, 'levir']
    assert cli.run(fetch, [*words, 'base']) == 2
    wrong = capsys.readouterr().err
    assert 'it holds SChanger-small' in wrong and 'Traceback' not in wrong
    assert cli.run(fetch, [*words, 'small']) == 0
    done = capsys.readouterr()
    assert 'next:  schanger test ' in done.out and done.err == ''
