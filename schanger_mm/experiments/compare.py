"""Compare starts and methods on folders of pairs under one protocol: what ``schanger compare`` runs.

Every arm sees the same validation pairs, has the same budget (its pre-training included), and is scored by the weights
of its last iteration; nothing is selected on the validation pairs. Arms run one after the other; a comparison that was
stopped in any way continues with the checkpoint of the training that it was in.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import torch
from mmengine.config import Config

from schanger_mm import __version__
from schanger_mm.benchmark.machine import describe_machine
from schanger_mm.checkpoints import read_checkpoint
from schanger_mm.checkpoints.pointer import last_checkpoint
from schanger_mm.checkpoints.transfer import ENCODER
from schanger_mm.config.loading import load_config, option_word
from schanger_mm.deploy.trained_reading import loading_of
from schanger_mm.engine.hooks.training_time_hook import ENTRY
from schanger_mm.experiments.arms import Arm, draw_labelled
from schanger_mm.experiments.budget import Budget
from schanger_mm.experiments.compare_data import Data, content_of, read_images
from schanger_mm.experiments.compare_results import Outcome, read_results, write_results
from schanger_mm.experiments.trainings import DONE, Training, claim, initial_weights
from schanger_mm.utils.band_order import COLOUR_BANDS
from schanger_mm.utils.children import run_logged
from schanger_mm.utils.errors import SettingError
from schanger_mm.utils.files import as_json, read_table, write_atomic
from schanger_mm.utils.names import natural_key

SCORES = ('F1', 'precision', 'recall')
TRIAL = {'cpu': 16, 'cuda': 100}
"""Iterations by which the time of one is measured. Of all but the first quarter the median counts: every third one on a
CPU also writes a checkpoint, which takes a large network as long as an iteration."""
PICTURES = 8
"""Validation pairs that are drawn, at most."""


@dataclass
class Comparison:
    """One comparison.

    Args:
        repo: the checkout, which holds ``tools``.
        configs: folder of the configs that the arms name.
        out: folder of trainings and results. Finished trainings are not repeated; arms may be added later.
        data: folders of the images.
        arms: what to compare, in the order of training.
        budget: what each may cost.
        seeds: seeds of the trainings and of the draw of labelled pairs.
        threads: threads of the CPU.
        nice: priority to add to the trainings.
    """

    repo: Path
    configs: Path
    out: Path
    data: Data
    arms: Sequence[Arm]
    budget: Budget = field(default_factory=Budget)
    seeds: Sequence[int] = (36, )
    threads: int = 1
    nice: int = 19

    def run(self) -> list[Outcome]:
        """Train and score all arms; write ``results.json``, ``.md``, ``.png`` and ``.html`` after each.

        Raises:
            SettingError: ``out`` holds something else, or arms, budget, data or configs do not fit each other.
            MissingFileError: a folder is missing.
            DatasetError: images are not 8-bit colours, and an arm reads nothing else; or validation images are
                trained on.
            CommandError: a training failed; the end of its log is printed.
            KeyboardInterrupt: Ctrl-C; the current training has saved a checkpoint.
        """
        self.names = self.data.names()
        self._check()
        if known := (self.out / 'compare.json').is_file():  # reject another one before anything is read into it
            self._claim_folder()
        self._read_all()
        if not known:
            self._claim_folder()
        results = {(one.name, one.seed): one for one in read_results(self.out)
                   if (self._folder(one.seed) / f'{one.arm}_{one.labelled}' / DONE).is_file()}
        outcomes: list[Outcome] = []
        try:
            for seed in self.seeds:
                for arm in self.arms:
                    outcomes.append(self._run_arm(seed, arm))
                    results[outcomes[-1].name, seed] = outcomes[-1]
                    shown = list(results.values())
                    write_results(self.out, shown, self._protocol(shown), torch.device(self.device))
        except KeyboardInterrupt:
            print(f'interrupted: what is trained so far is kept in {self.out}; run the same command to continue.',
                  file=sys.stderr, flush=True)
            raise
        return outcomes

    @cached_property
    def device(self) -> str:
        """``'cuda'`` where there is a GPU, else ``'cpu'``."""
        return 'cuda' if torch.cuda.is_available() else 'cpu'

    @property
    def clock(self) -> str:
        """Name of the minutes that count here."""
        return 'minutes' if self.device == 'cuda' else 'core_minutes'

    def _check(self) -> None:
        total = len(self.names['labelled'])
        if self.threads < 1:
            raise SettingError(f'--threads {self.threads}: expected a whole number from 1 up.')
        self.arms = [replace(arm, labelled=arm.labelled or total) for arm in self.arms]
        if len(set(self.arms)) < len(self.arms):
            raise SettingError(f'--arms {" ".join(map(str, self.arms))}: expected different arms, and "all" is {total} '
                               'pairs.')
        for arm in self.arms:
            self.budget.check(arm)
            if not 0 < (arm.labelled or 0) <= total:
                raise SettingError(f'--arms {arm}: of {len(self.names["train"])} pairs in {self.data.train}, {total} '
                                   f'have a label in {self.data.label}.')
            if arm.semi and arm.labelled == len(self.names['train']):
                raise SettingError(f'--arms {arm}: no pair is left to learn from without its label; give it a number '
                                   f'below {total}.')
            if arm.chain and (self.data.images is None or self.data.masks is None):
                raise SettingError(f'--arms {arm}: pre-training needs --images DIR and --masks DIR.')
            for name in (*arm.chain, arm.config):
                self._config(name)
            if not loading_of(self._config(arm.config), COLOUR_BANDS):
                self.data.refuse_other_forms()
        self.data.refuse_overlap()

    def _claim_folder(self) -> None:
        """Record what must not change while results are kept, or reject the folder of another comparison."""
        claim(self.out / 'compare.json', self._settings(), 'comparison', ('results.*', 'seed_*'))
        if any(arm.chain for arm in self.arms):  # arms that need single images may be added later
            singles = {'images': self.data.images, 'masks': self.data.masks}
            contents = {role: content_of(folder) for role, folder in singles.items() if folder}
            iters = self.budget.iters is not None
            length = self.budget.pretrain_iters if iters else self.budget.pretrain_minutes
            claim(self.out / 'images.json', {**contents, 'length': length}, 'comparison', ('seed_*/pretrain_*', ))
        for name in {name for arm in self.arms for name in (*arm.chain, arm.config)}:
            claim(self.out / f'configs/{name}.json', dict(config=self._digest(name)), 'comparison')

    def _read_all(self) -> None:
        """Read every image once before the first training, which finds what is wrong and fills the cache.

        Raises:
            DatasetError: images, labels or masks do not fit each other, or one cannot be read.
            FileNotFoundError: a file is missing.
        """
        print('reading all images once', flush=True)
        wanted = [(name, self.data.singles('train_dataloader.dataset')) for arm in self.arms for name in arm.chain]
        with TemporaryDirectory() as lists:
            for seed in self.seeds:
                for arm in self.arms:
                    sets = self._sets(seed, arm, Path(lists, str(seed)))
                    wanted.append((arm.config, {**sets, **self._scored('val')}))
            for name, options in {str(one): one for one in wanted}.values():
                read_images(self._config(name), {**options, **self._caches(name)})

    def _config(self, name: str) -> Config:
        """Read a config, once.

        Raises:
            SettingError: it is missing, or does not measure its time or score its last iteration.
        """
        read = self.__dict__.setdefault('_read', {})
        if name not in read:
            if not self._path(name).is_file():
                raise SettingError(f'{self._path(name)}: no such config, with which one of --arms trains. Write it, or '
                                   'omit that arm.')
            cfg = load_config(self._path(name))
            hooks = cfg.get('custom_hooks') or []
            if not any(hook['type'].endswith('TrainingTimeHook') for hook in hooks):
                raise SettingError(f"{self._path(name)}: its custom_hooks have no dict(type='TrainingTimeHook'), by "
                                   'which arms are compared; add it.')
            read[name] = cfg
        return read[name]

    def _path(self, name: str) -> Path:
        return self.configs.resolve() / f'{name}.py'

    def _settings(self) -> dict:
        """Return what must not change while results are kept."""
        machine = describe_machine(torch.device(self.device))
        iters = self.budget.iters is not None
        return dict(
            train=content_of(*self.data.folders(self.data.train)), val=content_of(*self.data.folders(self.data.val)),
            label_threshold=self.data.label_threshold, device=self.device, threads=self.threads, version=__version__,
            processor=machine['processor'], gpu=machine['gpu'], configs=self.configs.name,
            **(dict(iters=self.budget.iters) if iters else dict(minutes=self.budget.minutes)))

    def _protocol(self, outcomes: Sequence[Outcome]) -> dict:
        in_iters = self.budget.iters is not None
        singles = self.out / 'images.json'  # perhaps of earlier arms
        return dict(
            pairs=len(self.names['train']), val_pairs=len(self.names['val']),
            single_images=int(read_table(singles)['images'].split()[0]) if singles.is_file() else 0,
            configs=self.configs.name, seeds=sorted({outcome.seed for outcome in outcomes}), threads=self.threads,
            clock=self.clock,
            budget={key: value for key, value in vars(self.budget).items() if key.endswith('iters') == in_iters})

    def _run_arm(self, seed: int, arm: Arm) -> Outcome:
        done: list[Training] = []
        for length in range(1, len(arm.chain) + 1):
            done.append(self._pretrain(seed, arm.chain[:length], done[-1] if done else None))
        training = self._training(seed, arm, done[-1] if done else None)
        self._claim(training)
        if not (training.work_dir / DONE).is_file():
            self._train(training)
            self._draw(training)
            (training.work_dir / DONE).touch()
        return self._outcome(seed, arm, training, done)

    def _pretrain(self, seed: int, chain: Sequence[str], before: Training | None) -> Training:
        name, work_dir = chain[-1], self._folder(seed) / f'pretrain_{"+".join(chain)}'
        options = {**self.data.singles('train_dataloader.dataset'), **self._common(name, seed, before)}
        iters = self.budget.pretrain_iters
        if iters is None:
            iters = self._iterations(name, options, self.budget.pretrain_minutes)
        training = Training(self._path(name), work_dir, options, iters)
        self._claim(training)
        if not (work_dir / DONE).is_file():
            self._train(training)
            (work_dir / DONE).touch()
        return training

    def _training(self, seed: int, arm: Arm, before: Training | None) -> Training:
        options = {**self._sets(seed, arm, self._folder(seed) / 'lists'), **self._scored('val'),
                   **self._common(arm.config, seed, before)}
        iters = self.budget.iters
        if iters is None:
            iters = self._iterations(arm.config, options, self.budget.minutes_of(arm))
        return Training(self._path(arm.config), self._folder(seed) / f'{arm.name}_{arm.labelled}', options, iters)

    def _folder(self, seed: int) -> Path:
        return self.out.resolve() / f'seed_{seed}'

    def _sets(self, seed: int, arm: Arm, folder: Path) -> dict[str, object]:
        """Return the settings of the training pairs, and write their lists into a folder."""
        place, drawn = 'train_dataloader.dataset', draw_labelled(self.names['labelled'], arm.labelled or 0, seed)[0]
        parts = {'labelled': drawn, 'unlabelled': sorted({*self.names['train']} - {*drawn}, key=natural_key)}
        lists = {part: folder / f'{part}_{arm.labelled}.txt' for part in parts}
        for part, path in lists.items():
            write_atomic(path, ''.join(f'{name}\n' for name in parts[part]).encode())
        if not arm.semi:
            return {**self.data.pairs(place, self.data.train), f'{place}.ann_file': lists['labelled']}
        return {**self.data.pairs(f'{place}.labelled', self.data.train),
                f'{place}.labelled.ann_file': lists['labelled'],
                **self.data.pairs(f'{place}.unlabelled', self.data.train, labelled=False),
                f'{place}.unlabelled.ann_file': lists['unlabelled'],
                f'{place}.without_labelled': True}  # copies, such as empty tiles

    def _scored(self, split: str) -> dict[str, object]:
        """Return the settings of the validation pairs, for a validation or a test."""
        place = f'{split}_dataloader'
        workers = {} if self.device == 'cuda' else {f'{place}.num_workers': 0}
        return {**self.data.pairs(f'{place}.dataset', self.data.val), **workers}

    def _common(self, name: str, seed: int, before: Training | None) -> dict[str, object]:
        """Return settings of every training: seed, start, workers, and where decoded images are cached."""
        parts = (*ENCODER, 'decode_head') if '_schanger' in name else ENCODER
        start = initial_weights(before.work_dir, self._path(name), parts) if before else None
        options: dict[str, object] = {'randomness.seed': seed, 'load_from': start}
        if self.device == 'cpu':  # workers would be processes of their own, whose time nobody counts
            options['train_dataloader.num_workers'] = 0
        return {**options, **self._caches(name)}

    def _caches(self, name: str) -> dict[str, object]:
        options: dict[str, object] = {}
        dataset = self._config(name).train_dataloader.dataset
        for place, node in (('', dataset), *((f'.{part}', dataset.get(part)) for part in ('labelled', 'unlabelled'))):
            for number, step in enumerate(node.get('pipeline', ()) if isinstance(node, dict) else ()):
                if step.get('cache_dir'):
                    options[f'train_dataloader.dataset{place}.pipeline.{number}.cache_dir'] = self.out / 'decoded'
        return options

    def _iterations(self, name: str, options: Mapping[str, object], minutes: float) -> int:
        """Return the number of iterations that take so many minutes here; measured once for each config."""
        record = self.out / 'seconds_per_iteration.json'
        known = read_table(record) if record.is_file() else {}
        if name not in known:
            kept = {key: value for key, value in options.items() if not key.startswith('val_dataloader.')}
            unscored = {f'val_{part}': None for part in ('cfg', 'dataloader', 'evaluator')}
            trial = Training(self._path(name), self.out / 'trials' / name, {**kept, **unscored, 'load_from': None},
                             TRIAL[self.device])
            print(f'{name}: measuring {trial.max_iters} iterations', flush=True)
            if trial.work_dir.is_dir():
                shutil.rmtree(trial.work_dir)  # of a trial that was stopped
            trial.run(self.repo, self.threads, self.nice)
            points = [point for point in trial.curve(self.clock) if point[0] >= TRIAL[self.device] // 4]
            known[name] = 60 * median((until - since) / (last - first)
                                      for (first, since), (last, until) in pairwise(points))
            write_atomic(record, as_json(known))
        return max(1, round(60 * minutes / known[name]))

    def _digest(self, name: str) -> str:
        return hashlib.sha256(self._config(name).pretty_text.encode()).hexdigest()

    def _claim(self, training: Training) -> None:
        """Record config and length of a training, or reject the folder of another one."""
        claim(training.work_dir / 'training.json',
              dict(config=self._digest(training.config.stem), max_iters=training.max_iters), 'training', ('*.pth', ))

    def _train(self, training: Training) -> None:
        print(f'{training.work_dir.relative_to(self.out.resolve())}: {training.max_iters} iterations', flush=True)
        training.run(self.repo, self.threads, self.nice)

    def _draw(self, training: Training) -> None:
        """Draw what the last weights predict for the validation pairs, which ``_check`` compared with the training."""
        options = {**self._scored('test'), 'default_hooks.visualization.interval': 1,
                   'default_hooks.visualization.max_images': PICTURES}
        words = [sys.executable, '-m', 'schanger_mm', 'test', str(training.config), last_checkpoint(training.work_dir),
                 '--work-dir', str(training.work_dir / 'test'), '--show-dir', str(training.work_dir / 'pictures'),
                 '--allow-overlap', '--cfg-options',
                 *(option_word(key, value.resolve() if isinstance(value, Path) else value)
                   for key, value in options.items())]
        run_logged(words, self.repo, training.work_dir / 'test.log', self.threads, self.nice)

    def _outcome(self, seed: int, arm: Arm, training: Training, pretrained: Sequence[Training]) -> Outcome:
        times = [read_checkpoint(last_checkpoint(one.work_dir)).content[ENTRY] for one in pretrained]
        spent = dict(core_minutes=sum(time['cpu_seconds'] for time in times) / 60,
                     minutes=sum(time['seconds'] for time in times) / 60)
        clocks = {name: dict(training.curve(name)) for name in spent}
        scores = {name: training.curve(f'changed/{name}') for name in SCORES}
        steps = [step for step, _ in scores['F1']]
        return Outcome(
            arm=arm.name, seed=seed, config=arm.config, labelled=arm.labelled or 0,
            unlabelled=len(self.names['train']) - (arm.labelled or 0) if arm.semi else 0,
            iterations=steps[-1], batch_size=self._config(arm.config).train_dataloader.batch_size,
            pretraining=dict(configs=list(arm.chain), iterations=[one.max_iters for one in pretrained], **spent),
            scores={name: curve[-1][1] for name, curve in scores.items()},
            steps=steps, f1=[value for _, value in scores['F1']],
            **{name: [clocks[name][step] for step in steps] for name in clocks},
            pictures=sorted(path.relative_to(self.out.resolve()).as_posix()
                            for path in (training.work_dir / 'pictures').glob('*.png')))
