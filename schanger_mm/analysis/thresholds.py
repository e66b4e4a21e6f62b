"""Sweep the threshold of a checkpoint over a split: tables and picture."""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path

from mmengine.config import Config
from prettytable import PrettyTable

from schanger_mm import apis
from schanger_mm.analysis.picture import picture
from schanger_mm.checkpoints import read_checkpoint
from schanger_mm.checkpoints.temperature import check_temperature_can_be_kept, keep_temperature
from schanger_mm.evaluation.confusion import Confusion
from schanger_mm.evaluation.reliability import Reliability, fit_temperature
from schanger_mm.evaluation.threshold_sweep import Sweep, ThresholdSweep
from schanger_mm.utils.errors import SettingError
from schanger_mm.utils.files import refuse_existing, write_text
from schanger_mm.visualization.report_page import LINES

CSV, JSON, PICTURE = 'sweep.csv', 'sweep.json', 'pr_curve.png'
WARNING = ('the threshold was swept over the TEST split; scores at a threshold chosen there must not be reported. '
           'Choose it on val.')


def sweep_split(cfg: Config, checkpoint: str, split: str = 'val', bins: int = 1000) -> Sweep:
    """Run a checkpoint over a split and count its probabilities; changes ``cfg``.

    Args:
        cfg: a config prepared by :func:`schanger_mm.apis.prepare`.
        checkpoint: file with the weights.
        split: ``'val'`` or ``'test'``, whose dataloader is used.
        bins: number of threshold steps from 0 to 1, even.

    Raises:
        ConfigError: the config has no such split, or there is no such checkpoint.
        SettingError: ``bins`` is odd.
    """
    loader, evaluator = cfg.get(f'{split}_dataloader'), cfg.get(f'{split}_evaluator')
    if not loader:
        raise apis.ConfigError(f'{cfg.filename} has no {split} split: set {split}_dataloader, or pass --split '
                               f'{"test" if split == "val" else "val"}.')
    evaluators = evaluator if isinstance(evaluator, (list, tuple)) else [evaluator or {}]
    settings = {key: evaluators[0][key] for key in ('ignore_index', 'prefix') if key in evaluators[0]}
    cfg.test_dataloader = loader
    cfg.test_evaluator = dict(type='ThresholdSweep', bins=bins, **settings)
    cfg.test_cfg = cfg.get('test_cfg') or dict(type='TestLoop')
    apis.test_only(cfg, checkpoint, allow_overlap=True)  # a warning says so
    runner = apis.build_runner(cfg)
    runner.test()
    (sweep, ) = (metric.sweep for metric in runner.test_loop.evaluator.metrics if isinstance(metric, ThresholdSweep))
    if sweep is None:
        raise RuntimeError('the test has ended without an evaluation')
    return sweep


def sweep_checkpoint(cfg: Config,
                     checkpoint: str,
                     split: str = 'val',
                     out: str | Path | None = None,
                     bins: int = 1000,
                     overwrite: bool = False,
                     keep: str | Path | None = None) -> str:
    """Sweep the threshold over a split and write ``sweep.csv``, ``sweep.json`` and ``pr_curve.png``.

    Args:
        cfg: as for :func:`sweep_split`.
        checkpoint: file with the weights.
        split: ``'val'`` or ``'test'``.
        out: folder to write to, ``<work_dir>/threshold_sweep_<split>`` by default.
        bins: number of threshold steps from 0 to 1, even.
        overwrite: replace the files of an earlier sweep.
        keep: where to write a copy of the checkpoint that holds the temperature.

    Returns:
        Tables and the names of the files; with ``split='test'`` a warning first.

    Raises:
        ExistsError: one of the files exists.
        SettingError: as for :func:`sweep_split`, or no pixel of the truth is changed.
    """
    folder = sweep_folder(cfg, split, out)
    refuse_existing(*(folder / name for name in (CSV, JSON, PICTURE)), overwrite=overwrite)
    source = None
    if keep is not None:
        refuse_existing(Path(keep))
        source = read_checkpoint(checkpoint)
        check_temperature_can_be_kept(source, keep)
    sweep = sweep_split(cfg, checkpoint, split, bins)
    temperature = None
    if source is not None:
        if not source.is_current():
            raise SettingError(f'{checkpoint}: it changed while it was scored, so the temperature may belong to other '
                               'weights; nothing was written. Run again when it is complete.')
        temperature = fit_temperature(sweep)
    checkpoint = cfg.load_from or checkpoint  # with the commit of a model of the hub; an export has none
    about = {'split': split, 'config': str(cfg.filename), 'checkpoint': checkpoint,
             **({'warning': WARNING} if split == 'test' else {})}
    write_text(folder / JSON, json.dumps(about | summary(sweep), indent=2, allow_nan=False) + '\n', overwrite)
    write_text(folder / CSV, as_csv(sweep), overwrite)
    draw(sweep, f'{Path(checkpoint).stem}, {split}', folder / PICTURE)
    said = [table(sweep)]
    if source is not None and keep is not None and temperature is not None:
        keep_temperature(source, Path(keep), temperature)
        said.append(f'{keep}: the checkpoint with its temperature')
    if split == 'test':
        said.insert(0, f'warning: {WARNING}')
    else:
        said.append(f'to use it: --cfg-options model.decode_head.threshold={sweep.best:.10g}')
        if (found := calibration(sweep)) and source is None:
            said.append(f'for probabilities that are right on average: --cfg-options '
                        f'temperature={found["temperature"]:.4g}, or --keep FILE')
    return '\n'.join([*said, f'files: {folder}/{{{CSV},{JSON},{PICTURE}}}'])


def sweep_folder(cfg: Config, split: str, out: str | Path | None) -> Path:
    """Return the folder of a sweep: ``out``, or ``threshold_sweep_<split>`` in the work directory."""
    return Path(out or Path(cfg.work_dir) / f'threshold_sweep_{split}')


def summary(sweep: Sweep) -> dict:
    """Return the content of ``sweep.json``; scores in percent, None if undefined."""
    first, last = sweep.plateau
    return {
        'bins': sweep.bins,
        'average_precision': _number(sweep.average_precision),
        'at_0.5': _point(0.5, sweep.at(0.5)),
        'best': _point(sweep.best, sweep.at(sweep.best)),
        'same_F1_from': float(sweep.thresholds[first]),
        'same_F1_to': float(sweep.thresholds[last]),
        'calibration': calibration(sweep),
    }


def calibration(sweep: Sweep) -> dict | None:
    """Return the calibration error (percent), the temperature, and the error with it; None for one class only."""
    if not sweep.counts.any(1).all():
        return None
    temperature = fit_temperature(sweep)
    return dict(error=Reliability.of_sweep(sweep).error, temperature=temperature,
                error_at_temperature=Reliability.of_sweep(sweep, temperature).error)


def _point(threshold: float, confusion: Confusion) -> dict:
    return {'threshold': threshold,
            'scores': {name: _number(value) for name, value in confusion.scores().items()},
            'confusion': {'TP': confusion.tp, 'FP': confusion.fp, 'FN': confusion.fn, 'TN': confusion.tn,
                          'ignored': confusion.ignored}}


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value


def as_csv(sweep: Sweep) -> str:
    """Return one line per threshold: counts, then scores in percent, empty if undefined."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator='\n')
    writer.writerow(['threshold', 'TP', 'FP', 'FN', 'TN', *sweep.curves])
    for index, (threshold, c) in enumerate(zip(sweep.thresholds, sweep.confusions)):
        scores = (curve[index] for curve in sweep.curves.values())
        writer.writerow([f'{threshold:.10g}', c.tp, c.fp, c.fn, c.tn,
                         *('' if math.isnan(score) else f'{score:.4f}' for score in scores)])
    return stream.getvalue()


def table(sweep: Sweep) -> str:
    """Show scores and confusion matrix at 0.5 and at the best threshold."""
    scores = PrettyTable(['threshold', *sweep.curves, 'true changed', 'false alarm', 'missed', 'true unchanged'])
    scores.align = 'r'
    for name, threshold in (('0.5', 0.5), (f'best {sweep.best:.10g}', sweep.best)):
        c = sweep.at(threshold)
        values = c.scores()
        scores.add_row([name, *(f'{values[key]:.2f}' for key in sweep.curves),
                        *(f'{count:,}' for count in (c.tp, c.fp, c.fn, c.tn))])
    first, last = (f'{sweep.thresholds[index]:.10g}' for index in sweep.plateau)
    same = f' (the same F1 from {first} to {last})' if first != last else ''
    found = calibration(sweep)
    calibrated = '' if found is None else (
        f'\nexpected calibration error {found["error"]:.2f} %, {found["error_at_temperature"]:.2f} % at temperature '
        f'{found["temperature"]:.4g}')
    return (f'{scores}\naverage precision {sweep.average_precision:.2f} %; scores in %, counts in pixels; '
            f'{sweep.ignored:,} pixels ignored\nbest threshold {sweep.best:.10g}{same}{calibrated}')


def draw(sweep: Sweep, title: str, path: str | Path) -> None:
    """Draw precision and recall, the scores over the threshold with 0.5 and the best one marked, and reliability."""
    curves = sweep.curves
    marks = [(0.5, f'0.5: F1 {sweep.at(0.5).f1:.2f}', 'o', LINES[1]),
             (sweep.best, f'best {sweep.best:.10g}: F1 {sweep.at(sweep.best).f1:.2f}', 'D', LINES[2])]
    with picture(path, 15.2, 4.6) as figure:
        figure.suptitle(title, fontsize=10)
        left, right, last = figure.subplots(1, 3)
        left.plot(curves['recall'], curves['precision'], color=LINES[0], linewidth=1.8)
        for threshold, label, marker, colour in marks:
            scores = sweep.at(threshold).scores()
            left.plot(scores['recall'], scores['precision'], marker, color=colour, label=label, markersize=7)
            right.axvline(threshold, color=colour, linewidth=1.2, linestyle='--')
            right.plot(threshold, scores['F1'], marker, color=colour, markersize=7)
        left.set(title=f'precision and recall, AP {sweep.average_precision:.2f} %', xlabel='recall (%)',
                 ylabel='precision (%)', xlim=(-2, 102), ylim=(-2, 102))
        left.legend(loc='lower left')
        for name, colour, width in (('F1', LINES[0], 2.2), ('precision', LINES[3], 1.2), ('recall', LINES[4], 1.2)):
            right.plot(sweep.thresholds, curves[name], color=colour, linewidth=width, label=name, zorder=1)
        right.set(title='scores over the threshold', xlabel='threshold', ylabel='%', xlim=(-0.02, 1.02),
                  ylim=(-2, 102))
        right.legend(loc='lower center', frameon=True, framealpha=1, edgecolor='none')  # hides the lines below
        last.plot([0, 100], [0, 100], color='grey', linewidth=1, linestyle='--')
        found = calibration(sweep)
        for temperature, colour in ((1.0, LINES[0]), *(((found['temperature'], LINES[2]), ) if found else ())):
            groups = Reliability.of_sweep(sweep, temperature)
            rows = groups.rows()
            label = 'as predicted' if temperature == 1 else f'temperature {temperature:.3g}'
            last.plot([row['probability'] for row in rows], [row['changed'] for row in rows], 'o-', color=colour,
                      linewidth=1.8, markersize=5, label=f'{label}: error {groups.error:.2f} %')
        last.set(title='reliability', xlabel='probability of change (%)', ylabel='changed pixels (%)', xlim=(-2, 102),
                 ylim=(-2, 102))
        last.legend(loc='upper left')
