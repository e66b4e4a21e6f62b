"""What a comparison writes: numbers, a table, curves as a picture, and a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import cycle
from pathlib import Path

import numpy as np
import torch

from schanger_mm.analysis.picture import picture
from schanger_mm.benchmark.machine import describe_machine
from schanger_mm.utils.files import as_json, read_table, write_atomic
from schanger_mm.visualization.report import Curve, write_report
from schanger_mm.visualization.report_page import LINES

CLOCKS = {'core_minutes': 'core-minutes', 'minutes': 'GPU-minutes'}
"""Names of the minutes that count, for people."""
LEGEND = ('Pairs drawn: iterations times batch size. A pair without its label counts once, although a semi-supervised '
          'iteration runs it in three views.')
ON_PAGE = 4
"""Validation pairs of each arm that are shown on the page, at most."""


@dataclass(frozen=True)
class Outcome:
    """What came out of one arm with one seed.

    Args:
        arm: its name.
        seed: its seed.
        config: name of its config.
        labelled, unlabelled: numbers of training pairs.
        iterations: length of the training on pairs.
        batch_size: pairs in a batch.
        pretraining: configs, iterations, core_minutes and minutes of its pre-trainings.
        scores: F1, precision and recall of the last iteration, in percent.
        steps: iterations at which the validation pairs were scored.
        f1: F1 at each of them, in percent.
        core_minutes, minutes: time of the training on pairs until each of them.
        pictures: files, relative to the folder of the comparison.
    """

    arm: str
    seed: int
    config: str
    labelled: int
    unlabelled: int
    iterations: int
    batch_size: int
    pretraining: Mapping
    scores: Mapping[str, float]
    steps: Sequence[int]
    f1: Sequence[float]
    core_minutes: Sequence[float]
    minutes: Sequence[float]
    pictures: Sequence[str]

    @property
    def name(self) -> str:
        """Name of the arm with its number of labelled pairs."""
        return f'{self.arm}, {self.labelled} labelled'

    def total(self, clock: str) -> list[float]:
        """Return the minutes until each score, pre-trainings included."""
        return [self.pretraining[clock] + minutes for minutes in getattr(self, clock)]


def read_results(out: Path) -> list[Outcome]:
    """Read the outcomes that an earlier call has written; none where there was no call."""
    path = out / 'results.json'
    return [Outcome(**arm) for arm in read_table(path)['arms']] if path.is_file() else []


def write_results(out: Path, outcomes: Sequence[Outcome], protocol: Mapping, device: torch.device) -> str:
    """Write ``results.json``, ``results.md``, ``results.png`` and ``results.html``; return and print the table.

    Args:
        out: their folder.
        outcomes: of the arms that have ended, in this call or an earlier one.
        protocol: what was the same for all of them; ``clock`` names the minutes that count.
        device: where they were trained.
    """
    clock, machine = protocol['clock'], describe_machine(device)
    hours = sum(outcome.total('minutes')[-1] for outcome in outcomes) / 60
    table = results_table(outcomes, clock)
    write_atomic(out / 'results.json', as_json(dict(
        protocol=protocol, machine=machine, hours=hours, arms=[asdict(outcome) for outcome in outcomes])))
    write_atomic(out / 'results.md', table.encode())
    by_steps = {name: list(zip(group[0].steps, _mean(one.f1 for one in group)))
                for name, group in _by_name(outcomes).items()}
    by_minutes = {name: list(zip(_mean(one.total(clock) for one in group), _mean(one.f1 for one in group)))
                  for name, group in _by_name(outcomes).items()}
    unit = f'{CLOCKS[clock]}, pre-training included'
    _draw(out / 'results.png', {unit: by_minutes, 'iterations on pairs': by_steps})
    curves: dict[str, Curve | Mapping[str, Curve]] = {
        'F1 (%) by time': by_minutes, 'F1 (%) by iterations on pairs': by_steps}
    write_report(
        out / 'results.html', 'Starts and methods on few labelled pairs', _rows(outcomes, clock), curves,
        _pictures(out, outcomes),
        [f'{protocol["pairs"]} training pairs, {protocol["val_pairs"]} validation pairs, '
         f'{protocol["single_images"]} single images for pre-training; seeds {protocol["seeds"]}; configs: '
         f'{protocol["configs"]}. The score is that of the last iteration on the validation pairs; no '
         'weights were selected on them.', LEGEND,
         f'{machine["processor"]}; GPU: {machine["gpu"]}; {protocol["threads"]} threads; {hours:.1f} hours of training '
         'in all, not counting validations.'],
        {'F1 (%) by time': unit})
    print(f'\n{table}', flush=True)
    return table


def results_table(outcomes: Sequence[Outcome], clock: str) -> str:
    """Write Markdown: a row per arm and number of labelled pairs, mean and deviation over the seeds, and a legend."""
    rows = _rows(outcomes, clock)
    lines = ['| ' + ' | '.join(rows[0]) + ' |', '|---' * len(rows[0]) + '|',
             *('| ' + ' | '.join(map(str, row.values())) + ' |' for row in rows)]
    return '\n'.join([*lines, '', LEGEND]) + '\n'


def _rows(outcomes: Sequence[Outcome], clock: str) -> list[dict[str, object]]:
    unit, rows = CLOCKS[clock], []
    for group in _by_name(outcomes).values():
        first = group[0]
        rows.append({
            'arm': first.arm, 'labelled': first.labelled, 'unlabelled': first.unlabelled,
            **{name: _spread([one.scores[name] for one in group]) for name in first.scores},
            'iterations': first.iterations, 'pairs drawn': first.iterations * first.batch_size,
            f'pre-training, {unit}': f'{np.mean([one.pretraining[clock] for one in group]):.1f}',
            f'on pairs, {unit}': f'{np.mean([getattr(one, clock)[-1] for one in group]):.1f}'})
    return rows


def _by_name(outcomes: Sequence[Outcome]) -> dict[str, list[Outcome]]:
    groups: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        groups.setdefault(outcome.name, []).append(outcome)
    return groups


def _mean(curves) -> list[float]:
    return np.mean([list(curve) for curve in curves], axis=0).tolist()


def _spread(values: Sequence[float]) -> str:
    mean = f'{np.mean(values):.1f}'
    return mean if len(values) == 1 else f'{mean} ± {np.std(values, ddof=1):.1f}'


def _draw(path: Path, plots: Mapping[str, Mapping[str, Sequence[tuple[float, float]]]]) -> None:
    """Draw a panel per unit, with a line per arm."""
    with picture(path, 5.4 * len(plots), 4.4) as figure:
        for place, (unit, lines) in enumerate(plots.items(), start=1):
            axes = figure.add_subplot(1, len(plots), place)
            for (name, curve), colour, dash in zip(lines.items(), cycle(LINES), cycle(['-', '--', '-.', ':'])):
                axes.plot(*zip(*curve), dash, color=colour, label=name, linewidth=1.6, marker='o', markersize=3.5)
            axes.set(xlabel=unit, ylabel='F1 on the validation pairs, %')
        figure.legend(*axes.get_legend_handles_labels(), loc='outside lower center', ncols=3, handlelength=3.5)


def _pictures(out: Path, outcomes: Sequence[Outcome]) -> list[tuple[str, Path]]:
    """Return captions and files of one seed, the arms of an image one after the other."""
    shown = [group[0] for group in _by_name(outcomes).values()]
    names = dict.fromkeys(Path(file).name for outcome in shown for file in outcome.pictures[:ON_PAGE])
    return [(f'{Path(name).stem}: {outcome.name}', out / file) for name in names for outcome in shown
            for file in outcome.pictures if Path(file).name == name]
