"""The comparison: its budget, what each arm reads and starts from, what it keeps and refuses. Trainings are faked."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from PIL import Image

from schanger_mm.config.loading import parse_options
from schanger_mm.datasets import DatasetError
from schanger_mm.experiments import compare, compare_results
from schanger_mm.experiments import trainings as shared
from schanger_mm.experiments.arms import parse_arms
from schanger_mm.experiments.budget import Budget
from schanger_mm.experiments.compare import Comparison
from schanger_mm.experiments.compare_data import Data
from schanger_mm.utils import children
from schanger_mm.utils.errors import CommandError

CACHED = [dict(type='LoadImage', cache_dir='work_dirs/decoded'), dict(type='Crop')]
PLAIN = dict(pipeline=CACHED)
SEMI = dict(labelled=dict(pipeline=CACHED), unlabelled=dict(pipeline=CACHED))
HOOKS = [dict(type='TrainingTimeHook')]


class Trainings:
    """In place of processes: note the command, leave what it leaves; an iteration of config X takes SECONDS[X]."""

    SECONDS = {'finetune_schanger': 3.0, 'semi_schanger': 9.0, 'supervised_schanger': 2.0, 'sadl_schanger': 4.0,
               'upernet': 1.0}

    def __init__(self):
        self.commands = []
        self.loading = {}
        self.read = []
        self.saving = 0.0  # seconds in every third iteration, for a checkpoint
        self.fails = lambda name: False

    def __call__(self, words, repo, log, env, nice):
        tool, config, work_dir = words[3], Path(words[4]).stem, Path(words[words.index('--work-dir') + 1])
        options = parse_options(words[words.index('--cfg-options') + 1:])
        self.commands.append((tool, config, work_dir, options, words, env['OMP_NUM_THREADS'], nice))
        log.write_text('the log\n')
        if self.fails(work_dir.name):
            return 3
        if tool == 'test':
            picture = Path(words[words.index('--show-dir') + 1]) / 'pair.png'
            picture.parent.mkdir()
            Image.new('RGB', (8, 4)).save(picture)
            return 0
        length, second = int(words[words.index('--max-iters') + 1]), self.SECONDS[config]
        records = [{'loss': 1.0, 'step': step, 'core_minutes': (5 + second * step + self.saving * (step // 3)) / 60,
                    'minutes': second * step / 30}
                   for step in range(1, length + 1)]
        if 'val_dataloader.dataset.data_root' in options:
            for step in (length // 2, length):
                records.append({'changed/F1': 50 + step / 100, 'changed/precision': 60.0, 'changed/recall': 40.0,
                                'step': step})
        scalars = work_dir / '20261127_101112/vis_data/scalars.json'
        scalars.parent.mkdir(parents=True)
        scalars.write_text(''.join(json.dumps(record) + '\n' for record in records))
        torch.save(dict(state_dict={}, training_time=dict(cpu_seconds=second * length, seconds=2 * second * length)),
                   work_dir / 'iter.pth')
        (work_dir / 'last_checkpoint').write_text(str(work_dir / 'iter.pth'))
        return 0

    def trained(self):
        return [work_dir.name for tool, _, work_dir, *_ in self.commands if tool == 'train']

    def options(self, name):
        (found, ) = [command[3] for command in self.commands if command[2].name == name]
        return found


@pytest.fixture
def trainings(monkeypatch):
    made = Trainings()

    def read(path):
        dataset = SEMI if Path(path).stem == 'semi_schanger' else PLAIN
        cfg = Config(dict(custom_hooks=HOOKS, train_dataloader=dict(batch_size=4, dataset=dataset)))
        if made.loading:
            cfg.train_dataloader.dataset.pipeline[0].update(made.loading)
        return cfg

    def transfer(source, path, cfg, target, parts):
        Path(target).write_text(f'{Path(source).parent.name} {" ".join(parts)}')

    monkeypatch.setattr(children, 'call', made)
    monkeypatch.setattr(compare, 'load_config', read)
    monkeypatch.setattr(shared, 'load_config', read)
    monkeypatch.setattr(shared, 'transfer_file', transfer)
    for name in ('_draw', 'write_report'):  # test_compare_results.py looks at them
        monkeypatch.setattr(compare_results, name, lambda *args: None)
    made.machine = dict(processor='one', gpu='none')
    for module in (compare, compare_results):
        monkeypatch.setattr(module, 'describe_machine', lambda device: made.machine)
    monkeypatch.setattr(compare, 'read_images', lambda cfg, options: made.read.append(options))
    return made


@pytest.fixture
def once(tmp_path, trainings):
    """Return a function that makes a comparison of 10 training pairs, 2 validation pairs and 3 single images."""
    folders = {**{f'train/{name}': 10 for name in ('A', 'B', 'label')},
               **{f'val/{name}': 2 for name in ('A', 'B', 'label')}, 'images': 3, 'masks': 3}
    for place, (folder, count) in enumerate(folders.items()):
        (tmp_path / folder).mkdir(parents=True)
        for number in range(count):
            Image.new('RGB', (8, 4), (place, number, 0)).save(tmp_path / folder / f'{number}.png')
    configs = tmp_path / 'configs'
    configs.mkdir()
    for name in Trainings.SECONDS:
        (configs / f'{name}.py').touch()
    data = Data(tmp_path / 'train', tmp_path / 'val', tmp_path / 'images', tmp_path / 'masks')

    def make(*arms, **settings):
        return Comparison(**{'repo': tmp_path, 'configs': configs, 'out': tmp_path / 'out', 'data': data,
                             'arms': parse_arms(arms), 'budget': Budget(minutes=20, pretrain_minutes=5), **settings})
    return make


# the images

def test_other_images_than_8_bit_colours_are_refused_unless_the_config_reads_them(once, trainings, tmp_path):
    for path in (tmp_path / 'val/B').iterdir():
        Image.fromarray(np.zeros((4, 8), np.uint16)).save(path)
    with pytest.raises(DatasetError, match=r'val/B/0\.png: expected an 8-bit 3-band .*, found 16-bit grey.*--configs'):
        once('scratch').run()
    assert not trainings.commands
    trainings.loading.update(bands=(1, ), scale='0:3000')
    assert len(once('scratch').run()) == 1


def test_an_image_that_is_trained_on_and_scored_is_refused_before_any_training(once, trainings, tmp_path):
    shutil.copy(tmp_path / 'train/A/3.png', tmp_path / 'val/B/1.png')
    with pytest.raises(DatasetError, match='--val: 1 of its 4 images are trained on'):
        once('scratch:2').run()
    assert trainings.commands == [] and not (tmp_path / 'out').exists()


# the budget

def test_minutes_become_iterations_by_the_time_of_one_and_pretraining_is_taken_off(once, trainings, tmp_path):
    outcomes = once('scratch', 'sadl-supervised', 'sadl-semi:2', 'upernet').run()
    assert [outcome.iterations for outcome in outcomes] == [400, 200, 100, 1200]  # 20, 10, 15 and 20 minutes
    assert [outcome.pretraining['iterations'] for outcome in outcomes] == [[], [75, 150], [75], []]
    assert [outcome.pretraining['core_minutes'] for outcome in outcomes] == [0, 10, 5, 0]
    for outcome in outcomes:
        assert outcome.total('core_minutes')[-1] == pytest.approx(20 + 5 / 60)  # and the first 5 s
        assert outcome.total('minutes')[-1] == pytest.approx(40)
    measured = json.loads((tmp_path / 'out/seconds_per_iteration.json').read_text())
    assert measured == {
        name: pytest.approx(seconds) for name, seconds in Trainings.SECONDS.items()}


def test_checkpoints_of_the_trial_do_not_count(once, trainings):
    trainings.saving = 2.0
    assert once('scratch').run()[0].iterations == 400


def test_a_trial_that_was_stopped_is_repeated(once, trainings, tmp_path):
    once('scratch').run()
    (tmp_path / 'out/seconds_per_iteration.json').unlink()
    trainings.SECONDS = {**trainings.SECONDS, 'finetune_schanger': 6.0}
    with pytest.raises(ValueError, match='scratch_10 holds a training with other max_iters'):
        once('scratch').run()
    assert list(json.loads((tmp_path / 'out/seconds_per_iteration.json').read_text()).values()) == [pytest.approx(6.0)]


def test_a_changed_config_is_refused_for_other_seeds_and_numbers_of_labels_too(once, trainings, monkeypatch):
    once('scratch:2').run()
    monkeypatch.setattr(Comparison, '_digest', lambda self, name: 'of other settings')
    for settings in (dict(seeds=(37, )), {}):
        with pytest.raises(ValueError, match='configs holds a comparison with other config, whose results'):
            once('scratch', **settings).run()


def test_the_time_of_an_iteration_is_measured_without_validation_once_per_config(once, trainings):
    once('scratch:2', 'scratch', seeds=(1, 2)).run()
    trials = [command for command in trainings.commands if command[2].parent.name == 'trials']
    ((_, config, _, options, words, _, _), ) = trials
    assert config == 'finetune_schanger' and words[words.index('--max-iters') + 1] == '16'
    assert {options[f'val_{part}'] for part in ('cfg', 'dataloader', 'evaluator')} == {None}
    assert not [key for key in options if key.startswith('val_dataloader.')] and options['load_from'] is None


def test_a_budget_in_iterations_measures_nothing(once, trainings, tmp_path):
    outcomes = once('scratch', 'supervised', budget=Budget(iters=7, pretrain_iters=3)).run()
    assert [outcome.iterations for outcome in outcomes] == [7, 7]
    assert trainings.trained() == ['scratch_10', 'pretrain_supervised_schanger', 'supervised_10']
    protocol = json.loads((tmp_path / 'out/results.json').read_text())['protocol']
    assert protocol['budget'] == {'iters': 7, 'pretrain_iters': 3} and protocol['pairs'] == 10


# arms

def test_every_arm_reads_its_pairs_and_starts_from_its_chain(once, trainings, tmp_path):
    once('scratch', 'sadl-supervised:2', 'sadl-semi:2', budget=Budget(iters=8, pretrain_iters=4)).run()
    assert trainings.trained() == [
        'scratch_10', 'pretrain_sadl_schanger', 'pretrain_sadl_schanger+supervised_schanger', 'sadl-supervised_2',
        'sadl-semi_2']
    seed = tmp_path / 'out/seed_36'
    labelled, rest = ((seed / f'lists/{part}_2.txt').read_text().split() for part in ('labelled', 'unlabelled'))
    assert len(labelled) == 2 and sorted(labelled + rest) == [str(number) for number in range(10)]
    data = 'train_dataloader.dataset'
    few, semi = trainings.options('sadl-supervised_2'), trainings.options('sadl-semi_2')
    assert few[f'{data}.ann_file'] == semi[f'{data}.labelled.ann_file'] == str(seed / 'lists/labelled_2.txt')
    assert semi[f'{data}.unlabelled.ann_file'] == str(seed / 'lists/unlabelled_2.txt')
    assert few[f'{data}.label'] == semi[f'{data}.labelled.label'] == 'label'
    assert f'{data}.unlabelled.label' not in semi and semi[f'{data}.unlabelled.data_root'] == str(tmp_path / 'train')
    assert (seed / 'lists/labelled_10.txt').read_text().split() == [str(number) for number in range(10)]
    assert trainings.options('scratch_10')['load_from'] is None
    assert Path(few['load_from']).read_text() == (
        'pretrain_sadl_schanger+supervised_schanger backbone neck decode_head')
    assert Path(semi['load_from']).read_text() == 'pretrain_sadl_schanger backbone neck decode_head'
    assert trainings.options('pretrain_sadl_schanger')[f'{data}.data_prefix.seg_map_path'] == str(tmp_path / 'masks')
    for place in (f'{data}.labelled', f'{data}.unlabelled'):
        assert semi[f'{place}.pipeline.0.cache_dir'] == str(tmp_path / 'out/decoded')
    for options in (few, semi):
        assert options['val_dataloader.dataset.data_root'] == str(tmp_path / 'val')
        assert options['val_dataloader.dataset.ann_file'] == ''  # all of them, whatever the config says
        assert (options['randomness.seed'], options['train_dataloader.num_workers']) == (36, 0)


def test_trainings_run_at_the_lowest_priority_in_one_thread_and_continue(once, trainings):
    once('scratch', budget=Budget(iters=2)).run()
    assert {(threads, nice) for *_, threads, nice in trainings.commands} == {('1', 19)}
    assert [command[0] for command in trainings.commands] == ['train', 'test']
    assert '--resume' in trainings.commands[0][4] and '--overwrite' not in trainings.commands[0][4]
    drawn = trainings.commands[1][4]
    assert drawn[5].endswith('scratch_10/iter.pth')  # the last one
    assert '--allow-overlap' in drawn  # images were compared at the start; drawing must not fail after hours


def test_a_seed_draws_its_own_pairs(once, trainings, tmp_path):
    once('scratch:3', budget=Budget(iters=2), seeds=(1, 2)).run()
    one, two = ((tmp_path / f'out/seed_{seed}/lists/labelled_3.txt').read_text() for seed in (1, 2))
    assert one != two


# continuing

def test_what_is_finished_is_not_run_again_and_arms_can_be_added(once, trainings, tmp_path):
    first = once('scratch', budget=Budget(iters=6)).run()
    trainings.commands.clear()
    assert once('scratch', budget=Budget(iters=6)).run() == first and trainings.commands == []
    added = once('supervised', budget=Budget(iters=6, pretrain_iters=2), seeds=(37, )).run()
    assert trainings.trained() == ['pretrain_supervised_schanger', 'supervised_10'] and len(added) == 1
    results = json.loads((tmp_path / 'out/results.json').read_text())
    assert [(arm['arm'], arm['seed']) for arm in results['arms']] == [('scratch', 36), ('supervised', 37)]
    both = once('scratch', 'supervised', budget=Budget(iters=6, pretrain_iters=2)).run()
    assert both[0] == first[0] and trainings.trained() == 2 * ['pretrain_supervised_schanger', 'supervised_10']
    assert results['protocol']['seeds'] == [36, 37]


def test_results_so_far_are_written_and_a_failed_arm_is_trained_again(once, trainings, tmp_path):
    trainings.fails = lambda name: name == 'upernet_10'
    with pytest.raises(CommandError):
        once('scratch', 'upernet', budget=Budget(iters=6)).run()
    assert [arm['arm'] for arm in json.loads((tmp_path / 'out/results.json').read_text())['arms']] == ['scratch']
    trainings.fails = lambda name: False
    trainings.commands.clear()
    assert len(once('scratch', 'upernet', budget=Budget(iters=6)).run()) == 2
    assert trainings.trained() == ['upernet_10']


def test_a_folder_may_be_moved(once, trainings, tmp_path):
    budget = Budget(iters=6, pretrain_iters=2)
    once('supervised', budget=budget).run()
    (tmp_path / 'out').rename(tmp_path / 'moved')
    trainings.commands.clear()
    (outcome, ) = once('supervised', budget=budget, out=tmp_path / 'moved').run()
    assert trainings.commands == [] and outcome.pretraining['core_minutes'] > 0
    once('supervised:2', budget=budget, out=tmp_path / 'moved').run()
    assert trainings.options('supervised_2')['load_from'].startswith(str(tmp_path / 'moved'))


# pairs without labels

def test_pairs_without_a_label_are_unlabelled(once, trainings, tmp_path):
    for number in range(4, 10):
        (tmp_path / f'train/label/{number}.png').unlink()
    outcomes = once('scratch', 'scratch-semi', 'scratch:2', budget=Budget(iters=6)).run()
    assert [(one.labelled, one.unlabelled) for one in outcomes] == [(4, 0), (4, 6), (2, 0)]
    lists = tmp_path / 'out/seed_36/lists'
    assert (lists / 'labelled_4.txt').read_text().split() == list('0123')
    assert (lists / 'unlabelled_4.txt').read_text().split() == list('456789')
    assert set((lists / 'labelled_2.txt').read_text().split()) < set('0123')
    with pytest.raises(ValueError, match='--arms scratch:5: of 10 pairs in .*train, 4 have a label in label'):
        once('scratch:5').run()


# refusals

def test_all_images_are_read_before_the_first_training(once, trainings, tmp_path):
    budget = Budget(iters=6, pretrain_iters=2)
    once('scratch:3', 'scratch', 'sadl-supervised', 'sadl', seeds=(1, 2), budget=budget).run()
    place = 'train_dataloader.dataset'
    single, pairs = [f'{place}.data_root'], [f'{place}.data_root', 'val_dataloader.dataset.data_root']
    found = [sorted(key for key in options if key.endswith('data_root')) for options in trainings.read]
    assert found == [single, single, pairs, pairs, pairs, pairs]  # two pre-trainings; 3 and all pairs, of each seed
    assert all(options[f'{place}.pipeline.0.cache_dir'] == tmp_path / 'out/decoded' for options in trainings.read)


def test_another_machine_and_another_length_of_pretraining_are_refused(once, trainings, tmp_path):
    budget = Budget(iters=6, pretrain_iters=2)
    once('supervised', budget=budget).run()
    read = len(trainings.read)
    with pytest.raises(ValueError, match='out holds a comparison with other length, whose results'):
        once('sadl', budget=Budget(iters=6, pretrain_iters=3)).run()
    trainings.machine = dict(processor='two', gpu='none')
    with pytest.raises(ValueError, match='out holds a comparison with other processor, whose results'):
        once('upernet', budget=budget).run()
    assert len(trainings.read) == read  # refused before anything is read into its cache


def test_an_arm_whose_folder_is_gone_leaves_the_table(once, trainings, tmp_path):
    once('scratch', 'upernet', budget=Budget(iters=6)).run()
    shutil.rmtree(tmp_path / 'out/seed_36/scratch_10')
    once('upernet', budget=Budget(iters=6)).run()
    results = json.loads((tmp_path / 'out/results.json').read_text())
    assert [arm['arm'] for arm in results['arms']] == ['upernet']


def test_the_page_counts_the_single_images_of_earlier_arms(once, trainings, tmp_path):
    once('supervised', budget=Budget(iters=6, pretrain_iters=2)).run()
    once('upernet', budget=Budget(iters=6), data=Data(tmp_path / 'train', tmp_path / 'val')).run()
    assert json.loads((tmp_path / 'out/results.json').read_text())['protocol']['single_images'] == 3


@pytest.mark.parametrize('arms, settings, message', [
    (['scratch:11'], {}, '--arms scratch:11: of 10 pairs in .*train, 10 have a label in label'),
    (['scratch-semi'], {}, '--arms scratch-semi:10: no pair is left .* below 10'),
    (['scratch', 'scratch:10'], {}, 'expected different arms, and "all" is 10'),
    (['fc-siam'], {}, r'fc-siam\.py: no such config, with which one of --arms trains'),
    (['sadl-supervised'], dict(budget=Budget(10, 5)), 'sadl-supervised:10 has nothing left after 2 x 5 minutes'),
    (['sadl'], dict(budget=Budget(iters=9)), 'add --pretrain-iters N to --iters 9'),
    (['scratch'], dict(threads=0), '--threads 0')])
def test_arms_that_do_not_fit(arms, settings, message, once, trainings, tmp_path):
    with pytest.raises(ValueError, match=message):
        once(*arms, **settings).run()
    assert trainings.commands == [] and not (tmp_path / 'out').exists()


def test_missing_folders_are_named(once, tmp_path):
    with pytest.raises(FileNotFoundError, match=r'--train: no folder .*train/2019; expected --train and --val to hold'):
        once('scratch', data=Data(tmp_path / 'train', tmp_path / 'val', before='2019')).run()
    (tmp_path / 'val/label').rename(tmp_path / 'val/truth')
    with pytest.raises(FileNotFoundError, match='--val: no folder .*val/label; expected --train and --val to hold'):
        once('scratch').run()
    (tmp_path / 'val/truth').rename(tmp_path / 'val/label')
    with pytest.raises(ValueError, match='--arms sadl:10: pre-training needs --images DIR and --masks DIR'):
        once('sadl', data=Data(tmp_path / 'train', tmp_path / 'val')).run()


def test_a_config_without_a_clock_is_refused(once, monkeypatch):
    monkeypatch.setitem(globals(), 'HOOKS', [])
    with pytest.raises(ValueError, match=r"schanger\.py: its custom_hooks have no dict\(type='TrainingTimeHook'\)"):
        once('scratch').run()


def test_other_pairs_or_another_length_are_refused(once, trainings, tmp_path):
    once('scratch', budget=Budget(iters=6)).run()
    trainings.commands.clear()
    with pytest.raises(ValueError, match='out holds a comparison with other iters, whose results'):
        once('scratch', budget=Budget(iters=7)).run()
    (tmp_path / 'val/A/more.png').touch()
    with pytest.raises(ValueError, match='out holds a comparison with other val, whose results'):
        once('scratch', budget=Budget(iters=6)).run()
    assert trainings.commands == []


@pytest.mark.parametrize('file, role', [
    ('train/A/0.png', 'train'), ('train/B/0.png', 'train'), ('train/label/9.png', 'train'), ('val/A/1.png', 'val'),
    ('val/B/1.png', 'val'), ('val/label/1.png', 'val')])
def test_other_pairs_of_the_same_names_are_refused(file, role, once, trainings, tmp_path):
    once('scratch', budget=Budget(iters=6)).run()
    trainings.commands.clear()
    Image.new('RGB', (8, 4), 'red').save(tmp_path / file)
    with pytest.raises(ValueError, match=f'out holds a comparison with other {role}, whose results'):
        once('scratch', budget=Budget(iters=6)).run()
    assert trainings.commands == []


@pytest.mark.parametrize('role', ['images', 'masks'])
def test_other_single_images_are_refused_before_any_arm_is_trained(role, once, trainings, tmp_path):
    budget = Budget(iters=6, pretrain_iters=2)
    once('supervised', budget=budget).run()
    trainings.commands.clear()
    Image.new('RGB', (8, 4), 'red').save(tmp_path / role / '0.png')
    with pytest.raises(ValueError, match=f'out holds a comparison with other {role}, whose results'):
        once('scratch', 'supervised', budget=budget).run()
    assert trainings.commands == []
    (tmp_path / 'out/images.json').unlink()
    with pytest.raises(ValueError, match=r'out holds pretrain_supervised_schanger, but no images\.json'):
        once('supervised', budget=budget).run()
    assert len(once('scratch', budget=budget).run()) == 1  # which reads none of them


def test_arms_with_pretraining_may_follow_where_there_were_no_single_images(once, trainings, tmp_path):
    budget = Budget(iters=6, pretrain_iters=2)
    once('scratch', budget=budget, data=Data(tmp_path / 'train', tmp_path / 'val')).run()
    assert len(once('scratch', 'supervised', budget=budget).run()) == 2
    assert trainings.trained() == ['scratch_10', 'pretrain_supervised_schanger', 'supervised_10']


def test_the_same_files_elsewhere_are_the_same_data(once, trainings, tmp_path):
    budget = Budget(iters=6, pretrain_iters=2)
    first = once('supervised', budget=budget).run()
    trainings.commands.clear()
    for folder in ('train', 'val', 'images', 'masks'):
        shutil.copytree(tmp_path / folder, tmp_path / 'moved' / folder)
    moved = Data(*(tmp_path / 'moved' / folder for folder in ('train', 'val', 'images', 'masks')))
    assert once('supervised', budget=budget, data=moved).run() == first and trainings.commands == []
