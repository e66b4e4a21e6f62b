"""The study: its protocol, what it runs, what it keeps, what it refuses. Trainings are faked."""

import json
import os
import signal
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from schanger_mm.analysis.curves import Run
from schanger_mm.commands.cli import report_errors
from schanger_mm.config import loading as config
from schanger_mm.config.loading import parse_options
from schanger_mm.demo.scenes import DemoSizes, write_demo_set
from schanger_mm.experiments import study
from schanger_mm.experiments import trainings as shared
from schanger_mm.experiments.study import NETWORKS, PERCENT, SEEDS, SIZES, Study, parse_seeds, percents_of
from schanger_mm.experiments.study_figures import study_table
from schanger_mm.registry import DATASETS
from schanger_mm.utils import children
from schanger_mm.utils.errors import CommandError

PRETRAINED = 7  # trainings of a seed: four starts' chains of the ResNet-18-FPN, three of SChanger
FINETUNED = 31  # nine starts with three sizes of the training set, two semi-supervised ones with two
TUNED = ('schanger-tiny', 'unimatch-v2_schanger-tiny', 'fpn-cd_r18')
FPN = ('backbone', 'neck')


@dataclass
class Command:
    """A training as it was asked for."""

    words: list[str]
    options: dict[str, str]
    env: dict[str, str]

    @property
    def config(self) -> str:
        return Path(self.words[4]).stem

    @property
    def work_dir(self) -> Path:
        return Path(self.words[self.words.index('--work-dir') + 1])

    @property
    def seed(self) -> int:
        return int(self.options['randomness.seed'])

    @property
    def percent(self) -> int:
        return int(self.work_dir.name.rpartition('_')[2])


class Trainings:
    """In place of processes: note the command, leave what a training leaves.

    Set ``before`` to a function of the command that may return a status other
    than 0, whereupon nothing is left but 8 lines of log.
    """

    def __init__(self):
        self.commands: list[Command] = []
        self.before = lambda command: 0
        self.scores = {}

    def __call__(self, words, repo, log, env, nice):
        assert nice is None
        options = {key: str(value) for key, value in parse_options(words[words.index('--cfg-options') + 1:]).items()}
        command = Command(words, options, env)
        self.commands.append(command)
        assert 'load_from' not in options or Path(options['load_from']).is_file()
        (command.work_dir / 'cut_short.pth').touch()
        if status := self.before(command):
            log.write_text(''.join(f'line {number}\n' for number in range(1, 9)))
            return status
        (command.work_dir / 'last_checkpoint').write_text(f'{command.work_dir}/iter_9.pth')
        score = self.scores[command.work_dir] = 30 + len(self.commands) / 4
        scalars = command.work_dir / '20261121_101112/vis_data/scalars.json'
        scalars.parent.mkdir(parents=True, exist_ok=True)
        scalars.write_text(''.join(json.dumps(record) + '\n' for record in (
            {'loss': 0.5, 'step': 4}, {'changed/F1': 1.5, 'step': 4}, {'loss': 0.4, 'step': 9},
            {'changed/F1': score, 'step': 9})))
        return 0

    def configs(self) -> list[str]:
        return [command.config for command in self.commands]


def fake_transfer(source, path, cfg, target, parts):
    """Write what would be transferred, and along which chain the source came about."""
    initial = Path(source).with_name(f'for_{Path(path).stem}.pth')
    assert str(initial) == target and Path(source).name == 'iter_9.pth' and Path(source).parent.is_dir()
    Path(target).write_text(json.dumps({'chain': Path(source).parent.name, 'parts': parts}))


def fake_pictures(root, sizes, seed):
    """Make names of pictures; nothing opens them."""
    (root / 'train/A').mkdir(parents=True, exist_ok=True)
    for index in range(sizes.train):
        (root / f'train/A/{index:04d}.png').touch()


def fake(patch) -> Trainings:
    trainings = Trainings()
    patch.setattr(children, 'call', trainings)
    patch.setattr(shared, 'transfer_file', fake_transfer)
    patch.setattr(shared, 'load_config', lambda path: None)
    patch.setattr(study, 'write_demo_set', fake_pictures)
    return trainings


@pytest.fixture
def trainings(monkeypatch):
    monkeypatch.setattr(study, 'draw_study', lambda scores, path: path.touch())
    return fake(monkeypatch)


@pytest.fixture
def once(root, tmp_path, trainings):
    """Return a function that makes the study of seed 1, one training at a time."""
    return lambda **settings: Study(**{'repo': root, 'out': tmp_path / 'out', 'seeds': (1, ), 'jobs': 1, **settings})


@pytest.fixture(scope='module')
def whole(root, tmp_path_factory):
    """Run the study as it is defined: its folder, its trainings, its result."""
    out = tmp_path_factory.mktemp('whole') / 'out'
    with pytest.MonkeyPatch.context() as patch:
        trainings = fake(patch)
        scores = Study(root, out).run()
    return out, trainings, scores


def finetunings(trainings):
    return [command for command in trainings.commands if command.config in TUNED]


def start_of(command) -> tuple[str, str]:
    """The network and the start that a fine-tuning is of."""
    return command.work_dir.parent.name, command.work_dir.name.rpartition('_')[0].replace('+', ', then ')


# the protocol

def test_protocol():
    assert (SEEDS, PERCENT) == ((1, 2, 3), (5, 20, 100))
    assert DemoSizes(pretrain_train=320, pretrain_val=32, train=40, val=1, test=48) == SIZES
    assert NETWORKS == {
        'SChanger': ('schanger-tiny', {
            'random': (), 'supervised': ('supervised_scn-tiny', ), 'SaDL': ('sadl_scn-tiny', ),
            'SaDL, then supervised': ('sadl_scn-tiny', 'supervised_scn-tiny')}),
        'SChanger, semi-supervised': ('unimatch-v2_schanger-tiny', {
            'random': (), 'SaDL, then supervised': ('sadl_scn-tiny', 'supervised_scn-tiny')}),
        'ResNet-18-FPN': ('fpn-cd_r18', {
            'random': (), 'supervised': ('supervised_r18', ), 'SimSiam': ('simsiam_r18', ), 'SaDL': ('sadl_r18', ),
            'SaDL, then supervised': ('sadl_r18', 'supervised_r18')})}


def test_21_pretrainings_and_93_finetunings_each_once(whole):
    _, trainings, _ = whole
    tuned = finetunings(trainings)
    assert (len(trainings.commands), len(tuned)) == (3 * (PRETRAINED + FINETUNED), 93)
    assert len({command.work_dir for command in trainings.commands}) == 114
    assert {(command.seed, *start_of(command), command.percent) for command in tuned} == {
        (seed, network, start, percent) for seed in SEEDS for network, (_, starts) in NETWORKS.items()
        for start in starts for percent in percents_of(network)}
    assert not any('--max-iters' in command.words for command in trainings.commands)


def test_pretrainings_of_a_chain_follow_each_other_and_precede_every_finetuning(once, trainings):
    once().run()
    first, second, tuned = trainings.configs()[:5], trainings.configs()[5:7], trainings.configs()[7:]
    assert sorted(first) == ['sadl_r18', 'sadl_scn-tiny', 'simsiam_r18', 'supervised_r18', 'supervised_scn-tiny']
    assert sorted(second) == ['supervised_r18', 'supervised_scn-tiny']
    assert sorted(tuned) == 15 * ['fpn-cd_r18'] + 12 * ['schanger-tiny'] + 4 * ['unimatch-v2_schanger-tiny']
    assert ['load_from' in command.options for command in trainings.commands[:7]] == 5 * [False] + 2 * [True]


def test_every_start_loads_the_end_of_its_chain_and_random_loads_nothing(whole):
    _, trainings, _ = whole
    for command in trainings.commands:
        if command.config not in TUNED:
            chain, parts = command.work_dir.name.split('+')[:-1], FPN
        else:
            network, start = start_of(command)
            chain = NETWORKS[network][1][start]
            parts = FPN if network == 'ResNet-18-FPN' else (*FPN, 'decode_head')
        loaded = command.options.get('load_from')
        if chain:
            assert json.loads(Path(loaded).read_text()) == {'chain': '+'.join(chain), 'parts': list(parts)}
            assert f'/seed_{command.seed}/' in loaded and Path(loaded).name == f'for_{command.config}.pth'
        else:
            assert loaded is None


def test_few_label_subsets_are_nested_drawn_with_the_seed_and_the_same_for_every_start(whole):
    out, trainings, _ = whole
    drawn = {}
    for seed in SEEDS:
        few, more = ((out / f'seed_{seed}/splits/train_{percent}.txt').read_text().split() for percent in (5, 20))
        assert (len(few), len(more)) == (2, 8) and set(few) < set(more)
        drawn[seed] = frozenset(more)
        assert json.loads((out / f'seed_{seed}/splits/split.json').read_text())['draws'][0]['seed'] == seed
    assert len(set(drawn.values())) == 3
    place = 'train_dataloader.dataset'
    for command in finetunings(trainings):
        lists = (out / f'seed_{command.seed}/splits').resolve()
        labelled, rest = (str(lists / f'{part}_{command.percent}.txt') for part in ('train', 'unlabelled'))
        if command.config.startswith('unimatch'):
            assert command.options[f'{place}.labelled.ann_file'] == labelled
            assert command.options[f'{place}.unlabelled.ann_file'] == rest
            both = [set(Path(path).read_text().split()) for path in (labelled, rest)]
            assert both[0] | both[1] == {f'{index:04d}' for index in range(40)} and not both[0] & both[1]
        else:
            assert command.options.get(f'{place}.ann_file') == (None if command.percent == 100 else labelled)


def test_no_training_reads_test_pairs_or_pictures_of_another_seed(whole, root):
    """In the configs as the commands change them; the one evaluation, after the last iteration, is on test pairs."""
    out, trainings, _ = whole

    def roots(node):
        if isinstance(node, dict):
            yield from [node['data_root']] if 'data_root' in node else []
            node = list(node.values())
        if isinstance(node, list):
            for child in node:
                yield from roots(child)

    seen = {}
    for command in trainings.commands:
        key = command.seed, command.config, command.percent if command in finetunings(trainings) else None
        seen.setdefault(key, command)
    for (seed, name, percent), command in seen.items():
        if seed == 2:
            cfg = config.load_config(root / command.words[4], command.options)
            train, val = cfg.train_dataloader.dataset, cfg.val_dataloader and cfg.val_dataloader.dataset
            used = [cfg.train_dataloader, cfg.val_dataloader, cfg.get('custom_hooks')]
            assert set(roots(used)) == {str((out / 'seed_2/data').resolve())}, name
            if percent is None:
                assert train.data_prefix.img_path == 'pretrain/train/images'
                assert val is None or val.data_prefix.img_path == 'pretrain/val/images'
            else:
                parts = [train.labelled, train.unlabelled] if train.type == 'SemiDataset' else [train]
                assert val.split == 'test'
                assert all((part.type, part.split) == ('DemoDataset', 'train') for part in parts)
                assert cfg.train_cfg.val_interval == cfg.train_cfg.max_iters
                assert cfg.default_hooks.checkpoint.save_best is None
    assert len([key for key in seen if key[0] == 2]) == 5 + 2 * 3 + 2


def test_a_training_sees_as_many_pairs_as_its_share_of_labels_says(once, trainings, root, monkeypatch):
    monkeypatch.setattr(study, 'write_demo_set', lambda *args, **kwargs: write_demo_set(*args, image_size=32, **kwargs))
    once(sizes=DemoSizes(pretrain_train=1, pretrain_val=1, train=40, val=1, test=1)).run()
    names = {}
    for command in finetunings(trainings)[:3]:
        cfg = config.load_config(root / command.words[4], command.options)
        dataset = DATASETS.build(cfg.train_dataloader.dataset)
        names[command.percent] = {dataset[index]['data_samples'].img_path[0] for index in range(len(dataset))}
    assert {percent: len(paths) for percent, paths in names.items()} == {5: 2, 20: 8, 100: 40}
    assert names[5] < names[20] < names[100]


@pytest.mark.parametrize('cores, jobs, threads', [(8, 2, '4'), (2, 2, '1'), (2, 1, '2'), (2, 16, '1'), (None, 1, '1')])
def test_jobs_share_the_cores(cores, jobs, threads, once, trainings, monkeypatch):
    monkeypatch.setattr(os, 'cpu_count', lambda: cores)
    monkeypatch.setenv('OMP_NUM_THREADS', '77')
    once(jobs=jobs).run()
    assert {command.env['OMP_NUM_THREADS'] for command in trainings.commands} == {threads}
    assert all(command.env['PATH'] == os.environ['PATH'] for command in trainings.commands)


def test_max_iters_shortens_every_training(once, trainings):
    once(max_iters=7).run()
    assert all(command.words[command.words.index('--max-iters') + 1] == '7' for command in trainings.commands)


# results

def test_results_are_the_last_evaluations_as_numbers_table_and_picture(whole):
    out, trainings, scores = whole
    wanted = {network: {start: {percent: [] for percent in percents_of(network)} for start in starts}
              for network, (_, starts) in NETWORKS.items()}
    for command in sorted(finetunings(trainings), key=lambda command: command.seed):
        network, start = start_of(command)
        wanted[network][start][command.percent].append(trainings.scores[command.work_dir])
    assert scores == wanted
    assert json.loads((out / 'results.json').read_text()) == {
        'seeds': [1, 2, 3], 'F1': json.loads(json.dumps(wanted))}
    assert (out / 'results.md').read_text(encoding='utf-8') == study_table(wanted)
    assert (out / 'results.png').read_bytes().startswith(b'\x89PNG\r\n')
    assert not list(out.rglob('*.partial'))


def test_progress_and_table_are_printed(once, capsys):
    scores = once().run()
    text = capsys.readouterr().out
    for progress in ('pre-training, step 1: 5 of 5, ', 'pre-training, step 2: 2 of 2, ', 'fine-tuning: 31 of 31, '):
        assert progress in text
    assert study_table(scores) in text and text.endswith('out/results.md, results.json, results.png\n')


def test_a_training_without_an_evaluation_is_an_error(once, trainings, monkeypatch):
    monkeypatch.setattr(shared, 'read_runs', lambda work_dirs: [Run('random_5', {'loss': [(1, 0.5)]})])
    with pytest.raises(ValueError, match=r'/random_5: .* without an evaluation.*/schanger-tiny\.py'):
        once().run()


# going on where it stopped

def test_what_is_finished_is_not_run_again(once, trainings):
    before = once().run()
    trainings.commands.clear()
    assert once().run() == before and trainings.commands == []
    once(seeds=(1, 2)).run()
    assert len(trainings.commands) == PRETRAINED + FINETUNED and {c.seed for c in trainings.commands} == {2}


def test_a_pretraining_that_was_cut_short_is_run_again(once, trainings):
    trainings.before = lambda command: command.config == 'simsiam_r18'
    with pytest.raises(CommandError):
        once().run()
    folder = once().out / 'seed_1/simsiam_r18'
    assert (folder / 'cut_short.pth').is_file() and not (folder / 'done').exists()
    ended = {command.work_dir for command in trainings.commands if command.config != 'simsiam_r18'}
    trainings.before = lambda command: 0
    trainings.commands.clear()
    once().run()
    again = {command.work_dir for command in trainings.commands}
    assert folder in again and not again & ended and (folder / 'done').is_file()
    assert len(again) + len(ended) == PRETRAINED + FINETUNED


def test_a_finetuning_without_its_result_is_run_again(once, trainings):
    once().run()
    trainings.commands.clear()
    (once().out / 'seed_1/SChanger/SaDL+supervised_20/result.json').unlink()
    once().run()
    (command, ) = trainings.commands
    assert start_of(command) == ('SChanger', 'SaDL, then supervised') and command.percent == 20


@pytest.mark.parametrize('lost', ['train_5.txt', 'train_20.txt', 'split.json'])
def test_lists_that_an_interruption_left_out_are_drawn_again(lost, once, trainings):
    once().run()
    lists = once().out / 'seed_1/splits'
    before = {path.name: path.read_text() for path in lists.iterdir() if path.suffix == '.txt'}
    (lists / lost).unlink()
    once().run()
    assert {path.name: path.read_text() for path in lists.iterdir() if path.suffix == '.txt'} == before
    assert (lists / 'split.json').is_file()


def test_ctrl_c_begins_nothing_new_and_says_how_to_go_on(once, trainings, capsys):
    def interrupt(command):
        if len(trainings.commands) == 4:
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
            time.sleep(0.3)  # the training runs on while the study is told
        return 0

    trainings.before = interrupt
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    try:
        with pytest.raises(KeyboardInterrupt):
            once().run()
    finally:
        signal.signal(signal.SIGINT, before)
    assert len(trainings.commands) == 4
    assert capsys.readouterr().err == (f'interrupted during pre-training, step 1: finished trainings are kept in '
                                       f'{once().out}; run the same command to continue.\n')
    once().run()
    assert len(trainings.commands) == PRETRAINED + FINETUNED


# refusals

@pytest.mark.parametrize('settings, name', [
    (dict(max_iters=3), 'max_iters'), (dict(sizes=DemoSizes(train=20)), 'sizes'),
    (dict(max_iters=3, sizes=DemoSizes(train=20)), 'max_iters, sizes')])
def test_a_folder_with_other_settings_is_refused(settings, name, once, trainings):
    once().run()
    before = (once().out / 'study.json').read_text()
    trainings.commands.clear()
    with pytest.raises(ValueError, match=f'out holds a study with other {name}, whose results would be taken for '):
        once(**settings).run()
    assert trainings.commands == [] and (once().out / 'study.json').read_text() == before


def test_changed_configs_are_refused(once, trainings, tmp_path):
    config_of = tmp_path / 'repo/configs/sadl/study/schanger-tiny.py'
    config_of.parent.mkdir(parents=True)
    config_of.write_text('max_iters = 160')
    once(repo=tmp_path / 'repo').run()
    config_of.write_text('max_iters = 170')
    with pytest.raises(ValueError, match='holds a study with other configs, '):
        once(repo=tmp_path / 'repo').run()


@pytest.mark.parametrize('text', ['{"max_it', '7', '[1, 2]'])
def test_a_damaged_record_is_refused(text, once, trainings):
    once().out.mkdir()
    (once().out / 'study.json').write_text(text)
    with pytest.raises(ValueError, match=r'out/study\.json: not the record of a study'):
        once().run()
    assert trainings.commands == []


@pytest.mark.parametrize('name', ['results.json', 'results.md', 'seed_1/notes.txt'])
def test_results_of_something_else_are_not_written_over(name, once, trainings):
    mine = once().out / name
    mine.parent.mkdir(parents=True)
    mine.write_text('mine')
    with pytest.raises(ValueError, match=f'out holds {name.split("/")[0]}, but no study.json'):
        once().run()
    assert mine.read_text() == 'mine' and trainings.commands == [] and not (once().out / 'study.json').exists()


def test_a_folder_with_other_files_is_taken(once):
    once().out.mkdir()
    (once().out / 'log.txt').write_text('of tee')
    once().run()
    assert (once().out / 'log.txt').read_text() == 'of tee'


@pytest.mark.parametrize('below', ['', 'new/folder'])
def test_a_file_as_folder_is_one_error(below, once, trainings, tmp_path, capsys):
    (tmp_path / 'file').write_text('mine')
    assert report_errors(once(out=tmp_path / 'file' / below).run) == 2
    assert 'study.json cannot be written' in capsys.readouterr().err
    assert (tmp_path / 'file').read_text() == 'mine' and trainings.commands == []


def test_paths_reach_the_trainings_as_they_are(once, trainings, tmp_path):
    out = tmp_path / "it's my study, a"
    once(out=out).run()
    loaded = [command.options['load_from'] for command in trainings.commands if 'load_from' in command.options]
    assert loaded and all(Path(path).is_relative_to(out) for path in loaded)


@pytest.mark.parametrize('settings, message', [
    (dict(jobs=0), '--jobs 0: expected a whole number from 1 up'), (dict(jobs=-2), '--jobs -2: '),
    (dict(max_iters=0), '--max-iters 0: expected a whole number from 1 up'), (dict(max_iters=-5), '--max-iters -5: ')])
def test_numbers_that_make_no_study(settings, message, once):
    with pytest.raises(ValueError, match=message):
        once(**settings).run()
    assert not (once().out).exists()


def test_a_failing_training_shows_the_end_of_its_log_and_stops_the_study(once, trainings, capsys):
    trainings.before = lambda command: 3 if command.config == 'schanger-tiny' else 0
    with pytest.raises(CommandError) as error:
        once().run()
    assert error.value.status == 3 and error.value.words[1:5] == [
        '-m', 'schanger_mm', 'train', 'configs/sadl/study/schanger-tiny.py']
    log = once().out / 'seed_1/SChanger/random_5/train.log'
    assert capsys.readouterr().err.startswith(
        f'line 4\nline 5\nline 6\nline 7\nline 8\nthe whole log: {log}\n')
    assert log.read_text().startswith('line 1\n')
    assert not (once().out / 'results.json').exists() and not log.with_name('result.json').exists()


def test_after_a_failure_no_training_begins_while_others_come_to_their_end(once, trainings):
    def second_fails(command):
        turn = trainings.commands.index(command)
        time.sleep({0: 0.6, 1: 0}.get(turn, 0.15))
        return turn == 1

    trainings.before = second_fails
    with pytest.raises(CommandError):
        once(jobs=2).run()
    assert 2 <= len(trainings.commands) <= 3  # one may begin before the study hears of the failure
    assert (trainings.commands[0].work_dir / 'done').is_file()


@pytest.mark.parametrize('words, seeds', [(['1', '2', '3'], (1, 2, 3)), (['0'], (0, )), (['07', '5'], (7, 5))])
def test_seeds(words, seeds):
    assert parse_seeds(words) == seeds


@pytest.mark.parametrize('words', [[], [''], ['-1'], ['1.5'], ['one'], ['1', '1'], ['1', '01'], ['²']])
def test_seeds_that_make_no_sense(words):
    with pytest.raises(ValueError, match=f'--seeds {" ".join(words)}: expected different whole numbers from 0 up'):
        parse_seeds(words)


def test_inherited_settings_are_settings_of_the_study(tmp_path):
    folder = tmp_path / 'configs/sadl/study'
    folder.mkdir(parents=True)
    (folder / 'tiny.py').write_text("_base_ = '../base.py'\n")
    found = set()
    for rate in (1, 1, 2):
        (folder.parent / 'base.py').write_text(f'model = dict(drop_rate={rate})\n')
        found.add(Study(tmp_path, tmp_path / 'out')._digest_of_configs())
    assert len(found) == 2
