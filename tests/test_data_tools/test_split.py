import hashlib
import json
from itertools import chain

import pytest

from schanger_mm.data_tools.split import SplitRequest, draw_lists, write_splits
from schanger_mm.datasets import DatasetError
from schanger_mm.utils.names import natural_key, read_names

TILES = [f'im_{image}_{tile}' for image in range(1, 11) for tile in range(1, 17)]


@pytest.fixture
def folder(tmp_path):
    """A hundred empty files: only names are read."""
    for n in range(1, 101):
        path = tmp_path / f'A/city/im_{n}.png'
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path / 'A'


def lists(out):
    return {path.stem: path.read_text().splitlines() for path in out.glob('*.txt')}


def test_the_parts_make_up_the_whole_and_can_be_read_as_lists(folder, tmp_path):
    text = write_splits(folder, tmp_path / 'out', SplitRequest(val='0.1', test='25'))
    parts = lists(tmp_path / 'out')
    assert {name: len(stems) for name, stems in parts.items()} == dict(val=10, test=25, train=65)
    names = [f'city/im_{n}' for n in range(1, 101)]
    assert sorted(chain(*parts.values()), key=natural_key) == names
    assert parts['train'] == sorted(parts['train'], key=natural_key)
    assert read_names(str(tmp_path / 'out/val.txt'), names) == parts['val']
    assert f'{tmp_path}/out/train.txt: 65 names' in text and 'WARNING' not in text


def test_the_draw_is_fixed_for_ever():
    names = [f'train_{n}' for n in range(1, 638)]  # those of LEVIR-CD+
    drawn = draw_lists(names, SplitRequest(val='64'))
    assert len(drawn['val']) == 64 and len(drawn['train']) == 573
    assert drawn['val'][:3] == ['train_4', 'train_14', 'train_17']
    digest = hashlib.sha256('\n'.join(drawn['val']).encode()).hexdigest()
    assert digest == '3cee9ee0a126ed1b82ab3960cf8c753b760ee4ff75d096991dfa9880a70fbcab'


def test_few_label_subsets_are_nested_parts_of_train():
    drawn = draw_lists(TILES, SplitRequest(val='0.1', percents=['5', '20', '0.1', '100.0']))
    assert {name: len(stems) for name, stems in drawn.items()} == {
        'val': 16, 'train': 144, 'train_5': 7, 'train_20': 29, 'train_0.1': 1, 'train_100': 144}
    sets = [set(drawn[name]) for name in ('train_0.1', 'train_5', 'train_20', 'train')]
    assert all(smaller < larger for smaller, larger in zip(sets, sets[1:]))
    assert drawn.keys() - draw_lists(TILES, SplitRequest(percents=['5'])).keys() >= {'val', 'train'}


def test_tiles_of_one_image_stay_together():
    drawn = draw_lists(TILES, SplitRequest(val='0.15', test='16', percents=['5'], group_by=r'(.+)_\d+'))
    assert {name: len(stems) for name, stems in drawn.items()} == dict(val=32, test=16, train=112, train_5=16)
    sources = {name: {stem.rsplit('_', 1)[0] for stem in drawn[name]} for name in ('val', 'test', 'train')}
    assert sum(map(len, sources.values())) == len(set.union(*sources.values())) == 10


def test_another_seed_draws_other_names():
    first, second = (draw_lists(TILES, SplitRequest(seed=seed, val='40'))['val'] for seed in (1, 2))
    assert first != second


def test_the_same_call_writes_the_same_bytes(folder, tmp_path):
    def written():
        write_splits(folder, tmp_path / 'out', SplitRequest(val='9', percents=['5']), overwrite=True, command='x')
        return {path.name: path.read_bytes() for path in (tmp_path / 'out').iterdir()}
    assert written() == written()


def test_the_record_says_how_and_fits_the_lists(folder, tmp_path):
    write_splits(folder, tmp_path / 'out', SplitRequest(seed=7, val='9'), command='python split.py')
    record, = json.loads((tmp_path / 'out/split.json').read_text())['draws']
    assert record['seed'] == 7 and record['val'] == '9' and record['names'] == 100
    assert record['source'] == folder.as_posix() and record['command'] == 'python split.py'
    for name, entry in record['lists'].items():
        data = (tmp_path / 'out' / name).read_bytes()
        assert entry == dict(names=data.count(b'\n'), sha256=hashlib.sha256(data).hexdigest())


def test_nothing_is_replaced_without_being_asked(folder, tmp_path):
    out = tmp_path / 'out'
    write_splits(folder, out, SplitRequest(val='9'))
    before = lists(out)
    with pytest.raises(FileExistsError, match='val.txt, .*train.txt exists already'):
        write_splits(folder, out, SplitRequest(seed=1, val='9'))
    assert lists(out) == before
    write_splits(folder, out, SplitRequest(seed=1, val='9'), overwrite=True)
    assert lists(out) != before


def test_subsets_of_a_hold_out_are_drawn_from_its_list(folder, tmp_path):
    out = tmp_path / 'out'
    write_splits(folder, out, SplitRequest(val='40'))
    text = write_splits(folder, out, SplitRequest(percents=['10']), out / 'train.txt')
    assert 'WARNING' not in text and set(lists(out)['train_10']) < set(lists(out)['train'])
    draws = json.loads((out / 'split.json').read_text())['draws']
    assert [sorted(draw['lists']) for draw in draws] == [['train.txt', 'val.txt'], ['train_10.txt']]
    text = write_splits(folder, out, SplitRequest(percents=['10']), overwrite=True)
    assert 'val.txt and ' in text and 'train_10.txt share 10 names' in text  # the lowest ranks are those of val
    assert len(json.loads((out / 'split.json').read_text())['draws']) == 2


def test_a_record_of_something_else_is_left_alone(folder, tmp_path):
    (tmp_path / 'split.json').write_text('[1, 2]')
    with pytest.raises(DatasetError, match='split.json: damaged, or not written by this tool'):
        write_splits(folder, tmp_path, SplitRequest(val='9'), overwrite=True)
    assert (tmp_path / 'split.json').read_text() == '[1, 2]' and not (tmp_path / 'val.txt').exists()


def test_drawing_from_a_list(folder, tmp_path):
    (tmp_path / 'some.txt').write_text(''.join(f'city/im_{n}.png\n' for n in range(1, 11)))
    write_splits(folder, tmp_path / 'out', SplitRequest(val='0.2'), tmp_path / 'some.txt')
    assert sorted(chain(*lists(tmp_path / 'out').values())) == sorted(f'city/im_{n}' for n in range(1, 11))
    (tmp_path / 'some.txt').write_text('city/im_1\ncity/im_999\n')
    with pytest.raises(DatasetError, match='some.txt: 1 of 2 names have no image in .*: city/im_999'):
        write_splits(folder, tmp_path / 'x', SplitRequest(val='1'), tmp_path / 'some.txt')


def test_requests_that_cannot_be_met(folder, tmp_path):
    with pytest.raises(ValueError, match='nothing to draw'):
        write_splits(folder, tmp_path / 'out', SplitRequest())
    with pytest.raises(DatasetError, match='--test 60: nothing of 100 names in 100 groups is left for train'):
        write_splits(folder, tmp_path / 'out', SplitRequest(val='40', test='60'))
    with pytest.raises(FileNotFoundError, match='no folder .*nowhere'):
        write_splits(tmp_path / 'nowhere', tmp_path / 'out', SplitRequest(val='1'))
    with pytest.raises(FileNotFoundError, match='no list .*nowhere.txt'):
        write_splits(folder, tmp_path / 'out', SplitRequest(val='1'), tmp_path / 'nowhere.txt')
    assert not (tmp_path / 'out').exists()


def test_command_warns_about_tiles(tmp_path, command):
    (tmp_path / 'A').mkdir()
    for name in TILES:
        (tmp_path / f'A/{name}.png').touch()
    status, out, _ = command('split', tmp_path / 'A', '--out', tmp_path / 'out', '--val', '0.1', '--percent', 5, 20)
    assert status == 0 and "tiles of 10 common images" in out and "--group-by '(.+)_\\d+'" in out
    status, out, _ = command('split', tmp_path / 'A', '--out', tmp_path / 'grouped', '--val', '0.1', '--group-by',
                             r'(.+)_\d+')
    assert status == 0 and 'WARNING' not in out and 'val.txt: 16 names in 1 groups' in out
    record, = json.loads((tmp_path / 'grouped/split.json').read_text())['draws']
    assert record['groups'] == 10 and record['command'].endswith("--val 0.1 --group-by '(.+)_\\d+'")
    status, _, err = command('split', tmp_path / 'A', '--out', tmp_path / 'out', '--val', 'half')
    assert status == 2 and err == 'error: --val half: expected a fraction such as 0.1, or a number of names such ' \
                                  'as 64.\n'


def test_subsets_of_a_table_of_tiles_are_drawn_without_a_warning(tmp_path, command):
    (tmp_path / 'A').mkdir()
    for name in TILES:
        (tmp_path / f'A/{name}.png').touch()
    (tmp_path / 'split.csv').write_text(''.join(f'{name}.png,{"train" if i < 100 else "val"}\n'
                                                for i, name in enumerate(TILES)))
    status, out, _ = command('split', tmp_path / 'A', '--out', tmp_path / 'out', '--percent', 5, 20, '--from-list',
                             tmp_path / 'split.csv', '--list-split', 'train')
    assert status == 0 and 'WARNING' not in out and '%' not in out
    assert {name: len(stems) for name, stems in lists(tmp_path / 'out').items()} == dict(train_5=5, train_20=20)
    assert set(lists(tmp_path / 'out')['train_20']) < set(TILES[:100])
    record, = json.loads((tmp_path / 'out/split.json').read_text())['draws']
    assert record['list_split'] == 'train' and record['names'] == 100


def test_a_share_that_whole_groups_miss_is_said(tmp_path):
    (tmp_path / 'A').mkdir()
    for name in TILES:  # ten groups of 10 %
        (tmp_path / f'A/{name}.png').touch()
    request = SplitRequest(val='0.15', test='16', percents=['5', '28'], group_by=r'(.+)_\d+')
    lines = {line.split(':')[0].rsplit('/')[-1]: line for line in
             write_splits(tmp_path / 'A', tmp_path / 'out', request).split('\n')}
    assert lines['val.txt'].endswith('32 names in 2 groups, 20.0 % instead of 15 %')
    assert lines['train_5.txt'].endswith('16 names in 1 groups, 14.3 % instead of 5 %')
    assert lines['train_28.txt'].endswith('32 names in 2 groups') and lines['test.txt'].endswith('16 names in 1 groups')


@pytest.mark.parametrize('name', [' a', 'a ', '\ufeffa', 'a\nb', 'a\rb', 'a\\b', 'a\n'])
def test_a_name_that_a_list_would_change_is_refused(name, tmp_path):
    (tmp_path / 'A').mkdir()
    for stem in (name, 'a', 'c'):
        (tmp_path / f'A/{stem}.png').touch()
    with pytest.raises(DatasetError, match='A: 1 names cannot be in a list') as error:
        write_splits(tmp_path / 'A', tmp_path / 'out', SplitRequest(val='1'))
    assert repr(name) in str(error.value) and not (tmp_path / 'out').exists()


def test_notes_in_another_encoding_are_no_list(folder, tmp_path):
    (tmp_path / 'out').mkdir()
    (tmp_path / 'out/train_notes.txt').write_bytes('café'.encode('latin1'))
    assert 'WARNING' not in write_splits(folder, tmp_path / 'out', SplitRequest(val='0.1'))


@pytest.fixture
def few_labels(folder, tmp_path):
    """Label every fifth of the hundred images."""
    for n in range(5, 101, 5):
        path = tmp_path / f'label/city/im_{n}_mask.png'
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return dict(labels=tmp_path / 'label', label_suffix='_mask.png')


def test_labelled_and_unlabelled_pairs_are_parted(folder, few_labels, tmp_path):
    text = write_splits(folder, tmp_path / 'out', SplitRequest(val='5'), **few_labels)
    parts = lists(tmp_path / 'out')
    assert {name: len(stems) for name, stems in parts.items()} == dict(val=5, train=95, labelled=15, unlabelled=80)
    labelled = {f'city/im_{n}' for n in range(5, 101, 5)}
    assert {*parts['val'], *parts['labelled']} == labelled
    assert sorted(parts['labelled'] + parts['unlabelled'], key=natural_key) == parts['train']
    assert f'{tmp_path}/out/unlabelled.txt: 80 names' in text and 'WARNING' not in text
    (draw, ) = json.loads((tmp_path / 'out/split.json').read_text())['draws']
    assert draw['labels'] == str(tmp_path / 'label') and draw['labelled'] is None


def test_some_of_the_labels_are_kept(folder, few_labels, tmp_path):
    """As an experiment with few labels needs it; fewer are part of more."""
    more = draw_lists(TILES, SplitRequest(val='16', labelled='0.2'))
    fewer = draw_lists(TILES, SplitRequest(val='16', labelled='7'))
    assert {name: len(stems) for name, stems in more.items()} == dict(val=16, train=144, labelled=29, unlabelled=115)
    assert len(fewer['labelled']) == 7 and set(fewer['labelled']) < set(more['labelled'])
    assert set(fewer['labelled']) == set(draw_lists(TILES, SplitRequest(val='16', percents=['5']))['train_5'])
    write_splits(folder, tmp_path / 'out', SplitRequest(labelled='4'), **few_labels)
    parts = lists(tmp_path / 'out')
    assert {name: len(stems) for name, stems in parts.items()} == dict(labelled=4, unlabelled=96)
    assert all((tmp_path / f'label/{stem}_mask.png').is_file() for stem in parts['labelled'])


def test_unlabelled_tiles_of_a_held_out_image_are_in_no_list():
    with_labels = [name for name in TILES if name.endswith(('_1', '_2'))]  # two tiles of every image
    drawn = draw_lists(TILES, SplitRequest(val='0.2', group_by=r'(.+)_\d+'), with_labels)
    assert {name: len(stems) for name, stems in drawn.items()} == dict(
        val=4, train=128, labelled=16, unlabelled=112)
    images = {name: {stem.rsplit('_', 1)[0] for stem in stems} for name, stems in drawn.items()}
    assert not images['val'] & images['train'] and set(drawn['val']) <= set(with_labels)


@pytest.mark.parametrize(('request_', 'labels', 'message'), [
    (SplitRequest(labelled='160'), None, '160 are labelled and 0 unlabelled; .* Ask for fewer with --labelled'),
    (SplitRequest(val='2'), TILES[:2], '0 are labelled and 158 unlabelled; .* Hold fewer out, or label more'),
    (SplitRequest(labelled='5', percents=['5']), None, '--percent together with --labels or --labelled'),
    (SplitRequest(labelled='none'), None, '--labelled none: expected a fraction such as 0.1'),
])
def test_parts_that_make_no_sense(request_, labels, message):
    with pytest.raises(ValueError, match=message):
        draw_lists(TILES, request_, labels)


def test_labels_of_other_names(folder, few_labels, tmp_path):
    with pytest.raises(DatasetError, match=r'none of its 20 files belongs to an image; .*city/im_1, .*im_100_mask'):
        write_splits(folder, tmp_path / 'out', SplitRequest(), labels=tmp_path / 'label')
    with pytest.raises(FileNotFoundError, match='--labels: no folder'):
        write_splits(folder, tmp_path / 'out', SplitRequest(), labels=tmp_path / 'missing')
