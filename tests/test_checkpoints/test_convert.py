import pytest
import torch
from safetensors.torch import load_file

from schanger_mm.checkpoints import CheckpointError, read_weights
from schanger_mm.checkpoints.convert import ConversionError, mm_to_published, network, published_to_mm, write_weights
from schanger_mm.utils.errors import ExistsError

FILES = ['schanger_tiny_two_stream', 'schanger_tiny_single_stream']


def published(data, name):
    tensors = load_file(data / f'{name}.safetensors')
    return {k[len('state.'):]: v for k, v in tensors.items() if k.startswith('state.')}


def random_state(arch, num_dates):
    state = network(arch, num_dates).state_dict()
    return {k: torch.rand_like(v) if v.is_floating_point() else v for k, v in state.items()}


@pytest.mark.parametrize('name', FILES)
def test_round_trip_is_tensor_equal(data, name):
    state = published(data, name)
    ours, _ = published_to_mm(state)
    back, _ = mm_to_published(ours)
    assert back.keys() == state.keys()
    assert all(torch.equal(back[k], state[k]) for k in state)


@pytest.mark.parametrize('arch', ['base', 'small'])
@pytest.mark.parametrize('num_dates', [1, 2])
def test_size_and_dates_are_read_from_the_shapes(arch, num_dates):
    ours = random_state(arch, num_dates)
    theirs, _ = mm_to_published(ours)
    again, kind = published_to_mm(theirs)
    assert kind == f'SChanger-{arch}, ' + ('two dates' if num_dates == 2 else 'single-temporal')
    assert again.keys() == ours.keys() and all(torch.equal(again[k], ours[k]) for k in ours)


def test_incomplete_file_lists_what_is_missing(data):
    state = published(data, FILES[0])
    del state['Bi3.0.attn.proj_1.weight'], state['head2.0.diff.1.bias']
    with pytest.raises(ConversionError, match=r'2 entries are missing: .*Bi3\.0\.attn\.proj_1\.weight') as error:
        published_to_mm(state)
    assert 'head2.0.diff.1.bias' in str(error.value)


def test_unknown_entries_are_listed(data):
    state = published(data, FILES[0])
    state['fc.weight'] = torch.zeros(2)
    with pytest.raises(ConversionError, match=r'1 of 639 entries are unknown: fc\.weight'):
        published_to_mm(state)


@pytest.mark.parametrize('suffix', ['.pth', '.safetensors'])
def test_others_may_read_what_is_written(tmp_path, suffix):
    ordinary = tmp_path / 'ordinary'
    ordinary.touch()
    write_weights(tmp_path / f'out{suffix}', {'a': torch.zeros(2)})
    assert (tmp_path / f'out{suffix}').stat().st_mode == ordinary.stat().st_mode


def test_wrong_shape_is_named(data):
    state = published(data, FILES[0])
    state['Bi1.0.mlp.fc1.weight'] = torch.zeros(1, 2, 3)
    with pytest.raises(ConversionError, match=r'fc1\.weight has shape \(1, 2, 3\), expected \(96, 24, 1, 1\)'):
        published_to_mm(state)


def test_file_without_the_telling_entries():
    with pytest.raises(ConversionError, match='not a SChanger network'):
        published_to_mm({})


@pytest.mark.parametrize('suffix', ['.pth', '.safetensors'])
def test_files_are_written_whole_and_never_replaced(tmp_path, suffix):
    path = tmp_path / f'w{suffix}'
    write_weights(path, {'a': torch.arange(3.0)})
    assert torch.equal(read_weights(path)['a'], torch.arange(3.0))
    with pytest.raises(ExistsError, match='exists already.*--overwrite'):
        write_weights(path, {'a': torch.zeros(1)})
    write_weights(path, {'a': torch.zeros(1)}, overwrite=True)
    assert torch.equal(read_weights(path)['a'], torch.zeros(1))
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


class Harmful:

    def __reduce__(self):
        return exec, ("raise SystemExit('code ran')", )


@pytest.mark.parametrize('content', [{'state_dict': Harmful()}, ['no', 'dict'], b'garbage'])
def test_files_that_are_not_plain_weights_are_refused_unexecuted(tmp_path, content):
    path = tmp_path / 'bad.pth'
    path.write_bytes(content) if isinstance(content, bytes) else torch.save(content, path)
    with pytest.raises(CheckpointError, match=r'bad\.pth'):
        read_weights(path)


def test_other_suffixes_and_missing_files(tmp_path):
    with pytest.raises(ConversionError, match=r'must end in \.pth or \.safetensors'):
        write_weights(tmp_path / 'w.bin', {})
    with pytest.raises(CheckpointError, match='no checkpoint'):
        read_weights(tmp_path / 'none.pth')


def test_tool_converts_there_and_back(run, data, tmp_path):
    state = published(data, FILES[0])
    source, ours, back = tmp_path / 'theirs.pth', tmp_path / 'ours.pth', tmp_path / 'back.safetensors'
    torch.save({'state_dict': state}, source)
    tool = 'tools/model_converters/schanger2mm.py'
    assert 'SChanger-[8, 8, 12, 16, 20, 24], two dates, 638 entries' in run(tool, source, ours)
    run(tool, ours, back, '--back')
    again = load_file(back)
    assert again.keys() == state.keys() and all(torch.equal(again[k], state[k]) for k in state)
    assert 'The other direction is --back' in run(tool, ours, tmp_path / 'x.pth', fails=2)


def test_a_network_at_half_resolution_has_no_published_layout():
    state = {**network('small', 2).state_dict(), 'backbone.stride_2': torch.ones(())}
    with pytest.raises(ConversionError, match='backbone.stride=2, which the published layout'):
        mm_to_published(state)
