"""How many labels does a start save? What `make study` runs.

Protocol, fixed before any result: seeds 1, 2, 3 (development used others);
per seed 320 drawn single images with building masks to pre-train on, 40
labelled pairs of which 5, 20 or 100 % train, 48 test pairs; every run of a
network has the same length and settings, the weights of its last iteration are
scored once, on the test pairs, and nothing is selected.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Lock

from schanger_mm.apis.config import load_config
from schanger_mm.apis.options import option_word
from schanger_mm.apis.transfer import ENCODER, transfer_file
from schanger_mm.atomic import whole_file
from schanger_mm.data_tools.split import RECORD, SplitRequest, write_splits
from schanger_mm.datasets.synthetic import DemoSizes, write_demo_set
from schanger_mm.visualization.report import read_scalars
from schanger_mm.visualization.study import draw_study, study_table

SEEDS = (1, 2, 3)
PERCENT = (5, 20, 100)
SIZES = DemoSizes(pretrain_train=320, pretrain_val=32, train=40, val=1, test=48)
CONFIGS = Path('configs/sadl/study')
DONE = 'done'
_ONE_AT_A_TIME = Lock()  # mmengine's default scope and torch's list of safe types belong to the whole process

#: per network: the config that is fine-tuned, and what precedes it under each start
NETWORKS: dict[str, tuple[str, dict[str, tuple[str, ...]]]] = {
    'SChanger': ('schanger-tiny', {
        'random': (),
        'supervised': ('supervised_scn-tiny', ),
        'SaDL': ('sadl_scn-tiny', ),
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


@dataclass
class Study:
    """One study.

    Args:
        repo: the checkout, which holds ``tools`` and ``configs``.
        out: folder for data, work directories and results. What is finished
            there is not run again.
        seeds: of scenes, subsets and trainings.
        jobs: trainings at a time; the cores are shared among them.
        max_iters: shorten every training (for tests).
        sizes: pictures that are drawn.

    Raises:
        ValueError: ``jobs`` or ``max_iters`` below 1.
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
                raise ValueError(f'{option} {value}: expected a whole number from 1 up.')

    def run(self) -> dict:
        """Draw, pre-train, fine-tune, and write ``results.json``, ``results.md`` and ``results.png``.

        Returns:
            F1 in percent: ``{network: {start: {percent: [one per seed]}}}``.

        Raises:
            ValueError: ``out`` holds a study with other settings or results of
                something else, cannot be written, or has a name that trainings
                would misread; a training ended without a score.
            subprocess.CalledProcessError: a training failed; its log is named
                above the error.
            KeyboardInterrupt: Ctrl-C; trainings that have ended are kept.
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
                for start in starts for percent in PERCENT]
        self._all(self._finetune, runs, 'fine-tuning')
        return self._report()

    def _claim(self) -> None:
        """Write down what this study is, or refuse a folder that holds something else."""
        settings = {'max_iters': self.max_iters, 'sizes': asdict(self.sizes), 'configs': self._digest_of_configs()}
        record = self.out / 'study.json'
        if record.is_file():
            try:
                found = dict(json.loads(record.read_text()))
            except (ValueError, TypeError) as error:
                raise ValueError(f'{record}: not the record of a study ({error}); choose another --out, or move the '
                                 'folder away.') from error
            if different := [key for key in {**settings, **found} if found.get(key) != settings.get(key)]:
                raise ValueError(f'{self.out} holds a study with other {", ".join(different)}, whose results would be '
                                 'taken for finished; choose another --out, or move it away.')
            return
        if foreign := sorted(path.name for path in self.out.glob('*') if path.name.startswith(('results.', 'seed_'))):
            raise ValueError(f'{self.out} holds {", ".join(foreign)}, but no {record.name}: results of something else, '
                             'which would be written over; choose another --out, or move them away.')
        try:
            with whole_file(record) as partial:
                partial.write_text(json.dumps(settings, indent=2))
        except OSError as error:
            raise ValueError(f'{record} cannot be written ({error}); expected --out to name a folder.') from error

    def _digest_of_configs(self) -> str:
        files = sorted((self.repo / CONFIGS).glob('*.py'))
        return hashlib.sha256(b''.join(file.read_bytes() for file in files)).hexdigest()

    def _draw(self, seed: int) -> None:
        data = self._data(seed)
        write_demo_set(data, self.sizes, seed=seed)
        lists = self.out / f'seed_{seed}/splits'
        few = [str(percent) for percent in PERCENT if percent < 100]
        if not all((lists / name).is_file() for name in (*(f'train_{percent}.txt' for percent in few), RECORD)):
            write_splits(data / 'train/A', lists, SplitRequest(seed=seed, percents=few), overwrite=True,
                         command=shlex.join(sys.argv))

    def _data(self, seed: int) -> Path:
        return self.out / f'seed_{seed}/data'

    def _all(self, function: Callable[..., None], jobs: list[tuple], what: str) -> None:
        """Run jobs side by side; after the first error, or Ctrl-C, none begins and those that run come to their end."""
        pool = ThreadPoolExecutor(self.jobs)
        try:
            futures = [pool.submit(function, *job) for job in jobs]
            for done, future in enumerate(as_completed(futures), start=1):
                future.result()
                print(f'{what}: {done} of {len(jobs)}, {time.perf_counter() - self.started:.0f} s', flush=True)
        except KeyboardInterrupt:
            print(f'interrupted during {what}: what has ended is kept in {self.out}; the same command goes on.',
                  file=sys.stderr, flush=True)
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
        (work_dir / DONE).touch()  # a training that was cut short has checkpoints too

    def _pretrained(self, seed: int, chain: tuple[str, ...]) -> Path:
        return self.out / f'seed_{seed}' / '+'.join(chain)

    def _initial(self, work_dir: Path, config: str) -> Path:
        """Turn the last checkpoint of a pre-training into initial weights of a config."""
        target = work_dir / f'for_{config}.pth'
        with _ONE_AT_A_TIME:
            if not target.is_file():
                source = (work_dir / 'last_checkpoint').read_text().strip()
                path = str(self.repo / CONFIGS / f'{config}.py')
                # SChanger's decoder is pre-trained too; the other network's head is not
                parts = (*ENCODER, 'decode_head') if 'schanger' in config else ENCODER
                transfer_file(source, path, load_config(path), str(target), parts)
        return target

    def _finetune(self, seed: int, network: str, start: str, percent: int) -> None:
        result = self._result(seed, network, start, percent)
        if result.is_file():
            return
        config, starts = NETWORKS[network]
        data = self._data(seed)
        options = {'train_dataloader.dataset.data_root': data, 'val_dataloader.dataset.data_root': data}
        if percent < 100:
            options['train_dataloader.dataset.ann_file'] = self.out / f'seed_{seed}/splits/train_{percent}.txt'
        if chain := starts[start]:
            options['load_from'] = self._initial(self._pretrained(seed, chain), config)
        self._train(config, result.parent, seed, options)
        evaluations = read_scalars(result.parent).get('changed/F1')
        if not evaluations:
            raise ValueError(f'{result.parent}: the training ended without an evaluation, changed/F1 is not in its '
                             f'log; does {CONFIGS / config}.py evaluate at its last iteration?')
        score = evaluations[-1][1]
        with whole_file(result) as partial:
            partial.write_text(json.dumps({'changed/F1': score}))

    def _result(self, seed: int, network: str, start: str, percent: int) -> Path:
        return self.out / f'seed_{seed}/{network}/{start.replace(", then ", "+")}_{percent}/result.json'

    def _train(self, config: str, work_dir: Path, seed: int, options: dict) -> None:
        work_dir.mkdir(parents=True, exist_ok=True)
        shorter = ['--max-iters', str(self.max_iters)] if self.max_iters is not None else []
        words = [sys.executable, 'tools/train.py', str(CONFIGS / f'{config}.py'), '--work-dir', str(work_dir.resolve()),
                 '--overwrite', *shorter, '--cfg-options', f'randomness.seed={seed}',
                 *(option_word(key, Path(value).resolve()) for key, value in options.items())]
        env = {**os.environ, 'OMP_NUM_THREADS': str(max(1, (os.cpu_count() or 1) // self.jobs))}
        log = work_dir / 'train.log'
        with log.open('w') as stream:
            done = subprocess.run(words, cwd=self.repo, stdin=subprocess.DEVNULL, stdout=stream,
                                  stderr=subprocess.STDOUT, env=env)
        if done.returncode:
            print('\n'.join(log.read_text().splitlines()[-5:]) + f'\nthe whole log: {log}', file=sys.stderr)
            done.check_returncode()

    def _report(self) -> dict:
        scores = {network: {start: {percent: [self._score(seed, network, start, percent) for seed in self.seeds]
                                    for percent in PERCENT} for start in starts}
                  for network, (_, starts) in NETWORKS.items()}
        table = study_table(scores)
        with whole_file(self.out / 'results.json') as partial:
            partial.write_text(json.dumps({'seeds': list(self.seeds), 'F1': scores}, indent=2))
        with whole_file(self.out / 'results.md') as partial:
            partial.write_text(table, encoding='utf-8')
        with whole_file(self.out / 'results.png') as partial:
            draw_study(scores, partial)
        print(f'\n{table}\ntable, numbers, picture: {self.out}/results.md, results.json, results.png')
        return scores

    def _score(self, *run) -> float:
        return json.loads(self._result(*run).read_text())['changed/F1']


def parse_seeds(words: Iterable[str]) -> tuple[int, ...]:
    """Read seeds from the command line.

    Raises:
        ValueError: there is none, one is not a whole number from 0 up, or
            stands twice.
    """
    words = list(words)
    if not words or not all(word.isdecimal() for word in words) or len(set(map(int, words))) < len(words):
        raise ValueError(f'--seeds {" ".join(words)}: expected different whole numbers from 0 up.')
    return tuple(map(int, words))
