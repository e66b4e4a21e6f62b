"""From a pre-training to the initial weights of a network: what is taken, new and left."""

import pytest
import torch

from schanger_mm.apis import load_config
from schanger_mm.checkpoints import CheckpointError, read_weights
from schanger_mm.checkpoints.convert import ConversionError
from schanger_mm.checkpoints.transfer import transfer, transfer_file
from schanger_mm.registry import MODELS
from schanger_mm.utils.errors import ExistsError

ARCH = (4, 6, 8, 10, 12, 14)
NARROW = dict(stem_channels=8, base_channels=8)
PROJECTION = {'model.projector.hidden_channels': 16, 'model.projector.out_channels': 8,
              'model.predictor.in_channels': 8, 'model.predictor.hidden_channels': 4, 'model.predictor.out_channels': 8}
R18 = {**{f'model.backbone.{key}': value for key, value in NARROW.items()}, 'model.backbone.init_cfg': None,
       'model.neck.in_channels': [8, 16, 32, 64], 'model.neck.out_channels': 12}
SCN = {'model.backbone.arch': ARCH}


@pytest.fixture(scope='module')
def config(root):
    """Read a config and make its network narrow."""
    def read(name, options):
        cfg = load_config(root / 'configs' / name)
        cfg.merge_from_dict(options)
        return cfg
    return read


@pytest.fixture(scope='module')
def configs(config):
    return {
        'sadl_r18': config('sadl/sadl_r18-fpn_inria.py', {**R18, **PROJECTION, 'model.projector.in_channels': 12}),
        'supervised_r18': config('sadl/supervised_r18-fpn_inria.py',
                                 {**R18, 'model.decode_head.in_channels': 12, 'model.decode_head.channels': 6}),
        'fpn-cd': config('sadl/fpn-cd_r18_levir.py',
                         {**R18, 'model.decode_head.in_channels': 12, 'model.decode_head.channels': 6}),
        'sadl_scn': config('sadl/sadl_scn-base_inria.py',
                           {**SCN, **PROJECTION, 'model.neck.arch': ARCH, 'model.projector.in_channels': 4}),
        'pretrain': config('schanger/pretrain_inria_small.py', {**SCN, 'model.decode_head.arch': ARCH}),
        'levir': config('schanger/levir_small.py', {**SCN, 'model.decode_head.arch': ARCH}),
    }


@pytest.fixture
def saved(configs, tmp_path):
    """Write a checkpoint of a config's network, as mmengine does, and return its path and entries."""
    def save(name):
        state = MODELS.build({**configs[name].model, 'data_preprocessor': None}).state_dict()
        torch.save(dict(meta={}, state_dict=state), tmp_path / f'{name}.pth')
        return str(tmp_path / f'{name}.pth'), state
    return save


@pytest.mark.parametrize('source, target, parts, counts, said', [
    ('sadl_r18', 'fpn-cd', None, (128, 142), [
        'taken: backbone (120 entries), neck (8 entries)', 'new:   decode_head (14 entries)',
        'left:  projector (9 entries), predictor (9 entries)']),
    ('supervised_r18', 'fpn-cd', None, (128, 142), [
        'new:   decode_head (14 entries)', 'left:  decode_head (14 entries)']),
    ('supervised_r18', 'fpn-cd', ('backbone', 'neck', 'decode_head'), (142, 142), ['new:   none', 'left:  none']),
    ('supervised_r18', 'fpn-cd', ('backbone', ), (120, 142), ['left:  neck (8 entries), decode_head (14 entries)']),
    ('sadl_scn', 'pretrain', None, (586, 598), [
        'new:   decode_head.conv_seg (2 entries), decode_head.side_convs (10 entries)',
        'left:  projector (9 entries), predictor (9 entries)']),
    ('sadl_scn', 'levir', None, (586, 638), [
        'decode_head.side_convs (10 entries), decode_head.attention_fusion (20 entries), '
        'decode_head.side_fusion (20 entries)']),
    ('pretrain', 'levir', ('backbone', 'decode_head'), (598, 638), [
        'new:   decode_head.attention_fusion (20 entries), decode_head.side_fusion (20 entries)', 'left:  none']),
])
def test_what_is_taken_new_and_left_is_said_and_done(source, target, parts, counts, said, saved, configs, tmp_path):
    path, state = saved(source)
    kwargs = {} if parts is None else dict(parts=parts)
    text = transfer_file(path, 'CONFIG', configs[target], str(tmp_path / 'out.pth'), **kwargs)
    lines = text.splitlines()
    assert lines[0] == f'{tmp_path}/out.pth: {counts[0]} of {counts[1]} entries of CONFIG'
    for words in said:
        assert words in text
    assert lines[-1] == f'use it: schanger train CONFIG --cfg-options load_from={tmp_path}/out.pth'

    written = read_weights(tmp_path / 'out.pth')
    network = MODELS.build({**configs[target].model, 'data_preprocessor': None})
    assert len(written) == counts[0]
    assert network.load_state_dict(written, strict=False).unexpected_keys == []
    for name, value in written.items():  # a decoder of SChanger changes its place, nothing else
        assert torch.equal(value, state.get(name, state.get(name.replace('decode_head.', 'neck.')))), name


def test_the_neck_goes_to_a_neck_before_it_goes_to_a_head():
    value, other = torch.zeros(2), torch.ones(2)
    assert transfer({'neck.a': value}, {'neck.a': other, 'decode_head.a': other}).keys() == {'neck.a'}
    assert transfer({'neck.a': value}, {'decode_head.a': other}).keys() == {'decode_head.a'}
    with pytest.raises(ConversionError, match='none of the 1 entries'):
        transfer({'neck.a': value}, {'decode_head.a': other}, parts=('backbone', ))


def test_another_size_is_refused_with_both_shapes(saved, config, configs, tmp_path):
    path, _ = saved('sadl_r18')
    wide = config('sadl/fpn-cd_r18_levir.py', {})
    with pytest.raises(ConversionError, match=r'sadl_r18.pth for WIDE: 108 entries have another shape.*'
                                              r'backbone.conv1.weight \(8, 3, 7, 7\) does not fit '
                                              r'backbone.conv1.weight \(64, 3, 7, 7\)'):
        transfer_file(path, 'WIDE', wide, str(tmp_path / 'out.pth'))
    assert not (tmp_path / 'out.pth').exists()


@pytest.mark.parametrize('trained, own', [(1, 2), (2, 1), (4, 2)])
def test_an_encoder_of_another_stride_is_refused(config, trained, own):
    def entries(stride):
        cfg = config('schanger/levir_small.py',
                     {**SCN, 'model.decode_head.arch': ARCH, 'model.backbone.stride': stride})
        return MODELS.build({**cfg.model, 'data_preprocessor': None}).state_dict()

    with pytest.raises(ConversionError, match=f'stride={trained}, and that of the config has {own}'):
        transfer(entries(trained), entries(own))
    assert transfer(entries(trained), entries(own), ('decode_head', ))
    kept = transfer(entries(2), entries(2))
    assert 'backbone.stride_2' in kept


@pytest.mark.parametrize('source, target, parts, message', [
    ('sadl_r18', 'levir', ('backbone', 'neck'), 'none of the 146 entries fits: of the checkpoint (backbone, neck, '
     'predictor, projector) backbone, neck may be taken (--parts), the network of the config has backbone, '
     'decode_head.'),
    ('sadl_r18', 'fpn-cd', ('bakbone', ), 'bakbone may be taken (--parts)'),
])
def test_where_nothing_fits_both_sides_are_named(source, target, parts, message, saved, configs, tmp_path):
    path, _ = saved(source)
    with pytest.raises(ConversionError) as error:
        transfer_file(path, 'CONFIG', configs[target], str(tmp_path / 'out.pth'), parts)
    assert message in str(error.value)


def test_what_exists_is_kept_unless_asked(saved, configs, tmp_path):
    path, _ = saved('sadl_r18')
    transfer_file(path, 'CONFIG', configs['fpn-cd'])  # beside the checkpoint, by default
    out = tmp_path / 'sadl_r18_det.pth'
    before = out.read_bytes()
    with pytest.raises(ExistsError, match='sadl_r18_det.pth exists already.*--overwrite'):
        transfer_file(path, 'CONFIG', configs['fpn-cd'])
    assert out.read_bytes() == before
    transfer_file(path, 'CONFIG', configs['fpn-cd'], parts=('backbone', ), overwrite=True)
    assert len(read_weights(out)) == 120


@pytest.mark.parametrize('content, message', [
    (None, 'no checkpoint'), (b'broken', 'could not be read as plain weights')])
def test_a_missing_or_damaged_checkpoint_is_named(content, message, configs, tmp_path):
    if content:
        (tmp_path / 'x.pth').write_bytes(content)
    with pytest.raises(CheckpointError, match=message):
        transfer_file(str(tmp_path / 'x.pth'), 'CONFIG', configs['fpn-cd'])
