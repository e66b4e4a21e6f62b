"""How many labels does pre-training save? This is what `schanger study` runs.

Protocol, fixed before any result: seeds 1, 2, 3 (development used others);
per seed 320 drawn single images with building masks for pre-training, 40
labelled pairs of which 5, 20 or 100 % are used for training, 48 test pairs; every
run of a network has the same length and settings, the weights of its last
iteration are scored once, on the test pairs, and no checkpoint is selected.
Semi-supervised runs also see the other pairs, without their labels; they have
as many iterations with as many labelled pairs each, and cost about three times
as much.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path

from schanger_mm.checkpoints.transfer import ENCODER
from schanger_mm.config.loading import load_config
from schanger_mm.data_tools.split import RECORD, SplitRequest, write_splits
from schanger_mm.demo.scenes import DemoSizes, write_demo_set
from schanger_mm.experiments.study_figures import draw_study, study_table
from schanger_mm.experiments.trainings import DONE, Training, claim, initial_weights
from schanger_mm.utils.errors import SettingError
from schanger_mm.utils.files import whole_file, write_atomic

SEEDS = (1, 2, 3)
PERCENT = (5, 20, 100)
SIZES = DemoSizes(pretrain_train=320, pretrain_val=32, train=40, val=1, test=48)
CONFIGS = Path('configs/sadl/study')

#: per network: the config to fine-tune, and the pre-training of each start
NETWORKS: dict[str, tuple[str, dict[str, tuple[str, ...]]]] = {
    'SChanger': ('schanger-tiny', {
        'random': (),
        'supervised': ('supervised_scn-tiny', ),
        'SaDL': ('sadl_scn-tiny', ),
        'SaDL, then supervised': ('sadl_scn-tiny', 'supervised_scn-tiny'),
    }),
    'SChanger, semi-supervised': ('unimatch-v2_schanger-tiny', {
        'random': (),
        'SaDL, then supervised': ('sadl_scn-tiny', 'supervised_scn-tiny'),
    }),
    'ResNet-18-FPN': ('fpn-cd_r18', {
        'random': (),
        'supervised': ('supervised_r18', ),
        'SimSiam': ('simsiam_r18', ),
        'SaDL': ('sadl_r18', ),
        'SaDL, then supervised': ('sadl_r18', 'supervised_r18'),
    }),
}


def percents_of(network: str) -> tuple[int, ...]:
    """Return the shares of labels that a network is trained with; with all labels nothing is left unlabelled."""
    return tuple(percent for percent in PERCENT if percent < 100 or not _is_semi(NETWORKS[network][0]))


def _is_semi(config: str) -> bool:
    return config.startswith('unimatch')


@dataclass
class Study:
    """One study.

    Args:
        repo: the checkout, which holds ``tools`` and ``configs``.
        out: folder for data, work directories and results. Finished runs
            are not repeated.
        seeds: seeds of scenes, subsets and trainings.
        jobs: parallel trainings; they share the cores.
        max_iters: shorten every training (for tests).
        sizes: numbers of pictures to draw.

    Raises:
        SettingError: ``jobs`` or ``max_iters`` below 1.
    """

    repo: Path
    out: Path
    seeds: Sequence[int] = SEEDS
    jobs: int = 2
    max_iters: int | None = None
    sizes: DemoSizes = SIZES

    def __post_init__(self) -> None:
        for option, value in (('--jobs', self.jobs), ('--max-iters', self.max_iters)):
            if value is not None and value < 1:
                raise SettingError(f'{option} {value}: expected a whole number from 1 up.')

    def run(self) -> dict:
        """Draw, pre-train, fine-tune, and write ``results.json``, ``results.md`` and ``results.png``.

        Returns:
            F1 in percent: ``{network: {start: {percent: [one per seed]}}}``.

        Raises:
            SettingError: ``out`` holds a study with other settings or other
                results, cannot be written, or has a name that trainings would
                misread; a training ended without a score.
            CommandError: a training failed; its log is named above the error.
            KeyboardInterrupt: Ctrl-C; finished trainings are kept.
        """
        self.started = time.perf_counter()
        self._claim()
        for seed in self.seeds:
            self._draw(seed)
        chains = [(seed, chain) for seed in self.seeds for _, starts in NETWORKS.values()
                  for chain in starts.values()]
        for length in (1, 2):
            jobs = dict.fromkeys((seed, chain[:length]) for seed, chain in chains if len(chain) >= length)
            self._all(self._pretrain, list(jobs), f'pre-training, step {length}')
        runs = [(seed, network, start, percent) for seed in self.seeds for network, (_, starts) in NETWORKS.items()
                for start in starts for percent in percents_of(network)]
        self._all(self._finetune, runs, 'fine-tuning')
        return self._report()

    def _claim(self) -> None:
        """Record the settings of this study, or reject a folder with other content."""
        settings = {'max_iters': self.max_iters, 'sizes': asdict(self.sizes), 'configs': self._digest_of_configs()}
        claim(self.out / 'study.json', settings, 'study', ('results.*', 'seed_*'))

    def _digest_of_configs(self) -> str:
        """Return a digest of all settings of the trainings, those of inherited configs included."""
        files = sorted((self.repo / CONFIGS).glob('*.py'))
        return hashlib.sha256(''.join(load_config(file).pretty_text for file in files).encode()).hexdigest()

    def _draw(self, seed: int) -> None:
        data = self._data(seed)
        write_demo_set(data, self.sizes, seed=seed)
        lists = self.out / f'seed_{seed}/splits'
        few = [str(percent) for percent in PERCENT if percent < 100]
        if not all((lists / name).is_file() for name in (*(f'train_{percent}.txt' for percent in few), RECORD)):
            write_splits(data / 'train/A', lists, SplitRequest(seed=seed, percents=few), overwrite=True,
                         command=shlex.join(sys.argv))
        names = {path.stem for path in (data / 'train/A').iterdir()}
        for percent in few:
            labelled = (lists / f'train_{percent}.txt').read_text(encoding='utf-8').split()
            rest = ''.join(f'{name}\n' for name in sorted(names - set(labelled)))
            write_atomic(lists / f'unlabelled_{percent}.txt', rest.encode())

    def _data(self, seed: int) -> Path:
        return self.out / f'seed_{seed}/data'

    def _all(self, function: Callable[..., None], jobs: list[tuple], what: str) -> None:
        """Run jobs in parallel; after the first error, or Ctrl-C, none is started and running jobs are completed."""
        pool = ThreadPoolExecutor(self.jobs)
        try:
            futures = [pool.submit(function, *job) for job in jobs]
            for done, future in enumerate(as_completed(futures), start=1):
                future.result()
                print(f'{what}: {done} of {len(jobs)}, {time.perf_counter() - self.started:.0f} s', flush=True)
        except KeyboardInterrupt:
            print(f'interrupted during {what}: finished trainings are kept in {self.out}; run the same command to '
                  'continue.', file=sys.stderr, flush=True)
            raise
        finally:
            pool.shutdown(cancel_futures=True)

    def _pretrain(self, seed: int, chain: tuple[str, ...]) -> None:
        work_dir = self._pretrained(seed, chain)
        if (work_dir / DONE).is_file():
            return
        data = self._data(seed)
        options = {'train_dataloader.dataset.data_root': data}
        if chain[-1].startswith(('sadl', 'simsiam')):
            options['custom_hooks.0.dataset.data_root'] = data
        elif 'scn' in chain[-1]:
            options['val_dataloader.dataset.data_root'] = data
        if len(chain) > 1:
            options['load_from'] = self._initial(self._pretrained(seed, chain[:-1]), chain[-1])
        self._train(chain[-1], work_dir, seed, options)
        (work_dir / DONE).touch()  # an interrupted training has checkpoints too

    def _pretrained(self, seed: int, chain: tuple[str, ...]) -> Path:
        return self.out / f'seed_{seed}' / '+'.join(chain)

    def _initial(self, work_dir: Path, config: str) -> Path:
        """Make initial weights for a config from the last checkpoint of a pre-training."""
        # SChanger's decoder is pre-trained too; the other network's head is not
        return initial_weights(work_dir, self.repo / CONFIGS / f'{config}.py',
                               (*ENCODER, 'decode_head') if 'schanger' in config else ENCODER)

    def _finetune(self, seed: int, network: str, start: str, percent: int) -> None:
        result = self._result(seed, network, start, percent)
        if result.is_file():
            return
        config, starts = NETWORKS[network]
        data = self._data(seed)
        options = {'val_dataloader.dataset.data_root': data}
        parts = {'.labelled': 'train', '.unlabelled': 'unlabelled'} if _is_semi(config) else {'': 'train'}
        for part, name in parts.items():
            options[f'train_dataloader.dataset{part}.data_root'] = data
            if percent < 100:
                lists = self.out / f'seed_{seed}/splits'
                options[f'train_dataloader.dataset{part}.ann_file'] = lists / f'{name}_{percent}.txt'
        if chain := starts[start]:
            options['load_from'] = self._initial(self._pretrained(seed, chain), config)
        score = self._train(config, result.parent, seed, options).curve('changed/F1')[-1][1]
        with whole_file(result) as partial:
            partial.write_text(json.dumps({'changed/F1': score}), encoding='utf-8')

    def _result(self, seed: int, network: str, start: str, percent: int) -> Path:
        return self.out / f'seed_{seed}/{network}/{start.replace(", then ", "+")}_{percent}/result.json'

    def _train(self, config: str, work_dir: Path, seed: int, options: dict) -> Training:
        training = Training(CONFIGS / f'{config}.py', work_dir, {'randomness.seed': seed, **options}, self.max_iters)
        training.run(self.repo, threads=max(1, (os.cpu_count() or 1) // self.jobs))
        return training

    def _report(self) -> dict:
        scores = {network: {start: {percent: [self._score(seed, network, start, percent) for seed in self.seeds]
                                    for percent in percents_of(network)} for start in starts}
                  for network, (_, starts) in NETWORKS.items()}
        table = study_table(scores)
        with whole_file(self.out / 'results.json') as partial:
            partial.write_text(json.dumps({'seeds': list(self.seeds), 'F1': scores}, indent=2), encoding='utf-8')
        with whole_file(self.out / 'results.md') as partial:
            partial.write_text(table, encoding='utf-8')
        with whole_file(self.out / 'results.png') as partial:
            draw_study(scores, partial)
        print(f'\n{table}\ntable, numbers, picture: {self.out}/results.md, results.json, results.png')
        return scores

    def _score(self, *run) -> float:
        return json.loads(self._result(*run).read_text(encoding='utf-8'))['changed/F1']


def parse_seeds(words: Iterable[str]) -> tuple[int, ...]:
    """Read seeds from the command line.

    Raises:
        SettingError: there is none, one is not a whole number from 0 up, or
            one occurs twice.
    """
    words = list(words)
    if not words or not all(word.isdecimal() for word in words) or len(set(map(int, words))) < len(words):
        raise SettingError(f'--seeds {" ".join(words)}: expected different whole numbers from 0 up.')
    return tuple(map(int, words))
