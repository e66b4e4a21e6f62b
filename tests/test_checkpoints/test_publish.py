import json

import pytest
import torch
from mmengine.logging import HistoryBuffer
from safetensors.torch import load_file

from schanger_mm.checkpoints import CheckpointError
from schanger_mm.checkpoints.publish import publish
from schanger_mm.utils.errors import ExistsError
from schanger_mm.utils.files import sha256_of

CONFIG = "data_preprocessor = dict(mean=[1.0, 2.0], std=[3.0, 4.0], bgr_to_rgb=True, type='X')\n"


@pytest.fixture
def best(tmp_path):
    """A best checkpoint as mmengine writes it, with weight average."""
    path = tmp_path / 'best_changed_F1_iter_4.pth'
    log = {'val/changed/F1': HistoryBuffer([50.0, 62.5], [1, 1]), 'val/changed/IoU': HistoryBuffer([0.0, 45.5], [1, 1]),
           'val/time': HistoryBuffer([1.0], [1]), 'train/loss': HistoryBuffer([1.0], [1])}
    content = dict(
        meta=dict(cfg=CONFIG, iter=4, epoch=0, experiment_name='levir_small_20261121_050646',
                  mmengine_version='0.10.12', dataset_meta=dict(classes=('unchanged', 'changed'))),
        state_dict={'a.weight': torch.full((2, 3), 0.5), 'a.running_mean': torch.zeros(2)},
        ema_state_dict={'module.a.weight': torch.ones(2, 3), 'steps': torch.tensor(4)}, optimizer=dict(state={}),
        message_hub=dict(log_scalars=log, runtime_info=dict(best_score=62.5, best_ckpt=f'/other/{path.name}'),
                         resumed_keys={}))
    torch.save(content, path)
    return path


def test_weights_card_and_hash(best, tmp_path):
    said = publish(best, tmp_path / 'out/levir_small')
    weights, = (tmp_path / 'out').glob('*.safetensors')
    digits = sha256_of(weights)
    assert weights.name == f'levir_small-{digits[:8]}.safetensors' and f'sha256 {digits}' in said
    state = load_file(weights)
    assert list(state) == ['a.running_mean', 'a.weight']
    assert state['a.weight'].eq(0.5).all()  # the average, which mmengine keeps as state_dict
    card = json.loads(weights.with_suffix('.json').read_text())
    assert weights.stat().st_mode == weights.with_suffix('.json').stat().st_mode
    assert sorted(path.name for path in (tmp_path / 'out').iterdir()) == [f'{weights.stem}.json', weights.name]
    assert (card['sha256'], card['file'], card['bytes']) == (digits, weights.name, weights.stat().st_size)
    assert (card['config'], card['classes']) == ('levir_small', ['unchanged', 'changed'])
    assert (card['mean'], card['std'], card['parameters'], card['averaged']) == ([1.0, 2.0], [3.0, 4.0], 6, True)
    assert card['metrics'] == dict(source='validation while training', scores={'changed/F1': 62.5, 'changed/IoU': 45.5})
    assert card['source'] == dict(file=best.name, sha256=sha256_of(best))
    assert card['versions']['trained_with_mmengine'] == '0.10.12'


def test_nothing_is_replaced(best, tmp_path):
    publish(best, tmp_path / 'out/net')
    with pytest.raises(ExistsError, match=r'net-\w{8}.safetensors, .*json exists already.*delete it\.$'):
        publish(best, tmp_path / 'out/net')
    assert len(list((tmp_path / 'out').iterdir())) == 2


@pytest.mark.parametrize('suffix', ['.pth', '.safetensors', '.json'])
def test_a_suffix_is_replaced_by_hash_and_suffix(best, tmp_path, suffix):
    publish(best, tmp_path / f'out/net.v2{suffix}')
    weights, = (tmp_path / 'out').glob('*.safetensors')
    assert weights.name == f'net.v2-{sha256_of(weights)[:8]}.safetensors'
    assert json.loads(weights.with_suffix('.json').read_text())['name'] == 'net.v2'


def test_scores_of_other_weights_are_not_claimed(best, tmp_path):
    content = torch.load(best, weights_only=False)
    torch.save(content, tmp_path / 'iter_5.pth')
    assert 'no scores known' in publish(tmp_path / 'iter_5.pth', tmp_path / 'out/a')
    content['message_hub']['log_scalars']['val/changed/F1'].update(60.0)  # a later validation, a worse one
    torch.save(content, best)
    assert 'no scores known' in publish(best, tmp_path / 'out/b')


def test_scores_of_a_test_need_its_report_of_this_file(best, tmp_path):
    report = tmp_path / 'report.json'
    report.write_text(json.dumps(dict(checkpoint_sha256=sha256_of(best), scores={'F1': 61.0}, protocol='p')))
    publish(best, tmp_path / 'out/net', report)
    card, = (tmp_path / 'out').glob('*.json')
    metrics = json.loads(card.read_text())['metrics']
    assert (metrics['source'], metrics['scores'], metrics['protocol']) == ('a test', {'F1': 61.0}, 'p')
    report.write_text(json.dumps(dict(checkpoint_sha256='0' * 64)))
    with pytest.raises(CheckpointError, match='belongs to another file'):
        publish(best, tmp_path / 'out/other', report)
    assert not list((tmp_path / 'out').glob('other*'))


def test_bare_weights_have_a_card_of_what_is_known(tmp_path):
    torch.save({'a': torch.zeros(3)}, tmp_path / 'a.pth')
    publish(tmp_path / 'a.pth', tmp_path / 'out/a')
    card, = (tmp_path / 'out').glob('*.json')
    found = json.loads(card.read_text())
    assert (found['parameters'], found['config'], found['mean'], found['metrics'], found['averaged']) == (
        3, None, None, None, False)
