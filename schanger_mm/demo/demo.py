"""The main job, end to end, on drawn scenes: what ``schanger demo`` runs.

Every step is a command that a user could run; it is printed first.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from schanger_mm.checkpoints.pointer import last_checkpoint
from schanger_mm.config.loading import option_word
from schanger_mm.demo.colour_difference import colour_difference_baseline
from schanger_mm.demo.scenes import write_demo_set
from schanger_mm.utils.errors import CommandError, SettingError
from schanger_mm.visualization.report import format_table, read_scalars, write_report

SCORES = ('F1', 'precision', 'recall', 'IoU')


@dataclass
class Demo:
    """One run of the demo.

    Args:
        repo: the checkout, which holds ``tools`` and ``configs``.
        out: folder for data, work directories, pictures and the page.
        seed: seed of the scenes and trainings.
        max_iters: shorten every training to this length (for tests).
    """

    repo: Path
    out: Path
    seed: int = 36
    max_iters: int | None = None
    seconds: dict[str, float] = field(default_factory=dict)

    def run(self) -> list[dict]:
        """Draw, pre-train, fine-tune, train from scratch, score and report.

        Returns:
            The rows of the table that is printed at the end.
        """
        there = [name for name in ('report.html', 'results.json') if (self.out / name).exists()]
        if there and not (self.out / 'data').is_dir():
            raise SettingError(f'--out {self.out}: it holds {" and ".join(there)}, and is not a folder of an earlier '
                               'demo; use another one.')
        with self._step('draw the scenes'):
            made = write_demo_set(self.out / 'data', seed=self.seed, progress=_show_progress)
            print(f'\r{made["root"]}: {made["sizes"]}' + ('' if made['created'] else ', there already'))
        with self._step('pre-train on single images'):
            self._train('pretrain')
        with self._step('fine-tune the pre-trained network'):
            self._train('finetuned', load_from=last_checkpoint(self.out / 'pretrain'))
        with self._step('train the same network from scratch'):
            self._train('scratch', load_from=None)
        with self._step('score on the test pairs'):
            scores = {name: self._test(name) for name in ('finetuned', 'scratch')}
            baseline = colour_difference_baseline(self.out / 'data/test')
        rows = self._table(scores, baseline)
        self._report(rows)
        return rows

    def _train(self, name: str, **options) -> None:
        config = 'pretrain_demo' if name == 'pretrain' else 'demo'
        data = self.out / 'data'
        options |= {'train_dataloader.dataset.data_root': data, 'val_dataloader.dataset.data_root': data,
                    'randomness.seed': self.seed}
        shorter = ['--max-iters', self.max_iters] if self.max_iters is not None else []
        self._call('train', config, '--work-dir', self.out / name, '--overwrite',
                   *shorter, '--cfg-options', *(option_word(key, value) for key, value in options.items()))

    def _test(self, name: str) -> dict[str, float]:
        work_dir = self.out / f'test_{name}'
        best = max((self.out / name).glob('best_changed_F1_iter_*.pth'), key=lambda path: path.stat().st_mtime)
        self._call('test', 'demo', best, '--work-dir', work_dir,
                   '--show-dir', self.out / 'pictures' / name,
                   '--cfg-options', option_word('test_dataloader.dataset.data_root', self.out / 'data'))
        (*_, newest) = sorted(work_dir.glob('*/*.json'))
        metrics = json.loads(newest.read_text(encoding='utf-8'))
        return {key: metrics[f'changed/{key}'] for key in SCORES}

    def _call(self, *arguments) -> None:
        words = [*map(str, arguments)]
        print('$ schanger ' + shlex.join(words), flush=True)
        command = [sys.executable, '-m', 'schanger_mm', *words]
        if status := subprocess.run(command, cwd=self.repo).returncode:
            raise CommandError(command, status)

    @contextmanager
    def _step(self, name: str) -> Iterator[None]:
        """Announce a step and record its duration."""
        print(f'\n=== {name}', flush=True)
        start = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - start

    def _table(self, scores: dict, baseline: dict) -> list[dict]:
        took = {name: f'{value:.0f} s' for name, value in self.seconds.items()}
        return [
            {'run': 'pre-trained, then fine-tuned', **scores['finetuned'],
             'training took': f'{took["pre-train on single images"]} + {took["fine-tune the pre-trained network"]}'},
            {'run': 'from scratch, same budget', **scores['scratch'],
             'training took': took['train the same network from scratch']},
            {'run': 'colour difference, best threshold', 'F1': baseline['F1'], 'training took': '-'},
        ]

    def _report(self, rows: list[dict]) -> None:
        page = write_report(
            self.out / 'report.html',
            'SChanger on drawn scenes',
            rows,
            {'training loss': dict(self._curves('loss')),
             'F1 on the validation pairs (%)': dict(self._curves('changed/F1'))},
            [(f'{name}: {path.stem}', path)
             for stem in [p.name for p in sorted((self.out / 'pictures/finetuned').iterdir())[:8]]
             for name in ('finetuned', 'scratch') for path in [self.out / 'pictures' / name / stem]],
            f'Seed {self.seed}. Few labelled pairs, many single images with masks: both networks see the same '
            'pairs for the same number of iterations; one of them has learnt buildings from single images first. '
            'The colour difference is given the best threshold for the test labels, and still fails: seasons, '
            'light, crops and roofs change where nothing was built.')
        results = {'seed': self.seed, 'rows': rows, 'seconds': self.seconds}
        (self.out / 'results.json').write_text(json.dumps(results), encoding='utf-8')
        print('\n' + format_table(rows))
        print('\n' + format_table([{'step': name, 'seconds': round(value)} for name, value in self.seconds.items()]))
        print(f'\npictures: {self.out / "pictures"}\npage:     {page}')

    def _curves(self, key: str) -> Iterator[tuple[str, list]]:
        for name in ('finetuned', 'scratch'):
            curve = read_scalars(self.out / name).get(key)
            if curve:
                yield name, curve


def _show_progress(done: int, total: int) -> None:
    if done % 20 == 0:
        print(f'\r{done} of {total} pictures', end='', flush=True)
