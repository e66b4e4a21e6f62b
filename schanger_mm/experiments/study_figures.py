"""Table and picture of a study: scores over the share of labels, one line per start."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure

#: network -> start -> percent of labels -> F1 in percent, one per seed
Scores = Mapping[str, Mapping[str, Mapping[int, Sequence[float]]]]

# Okabe and Ito's palette, which colour-blind readers can distinguish
COLOURS = {'random': '#999999', 'supervised': '#0072B2', 'SimSiam': '#CC79A7', 'SaDL': '#D55E00',
           'SaDL, then supervised': '#009E73'}
MARKERS = {'random': 'o', 'supervised': 's', 'SimSiam': 'v', 'SaDL': '^', 'SaDL, then supervised': 'D'}


def study_table(scores: Scores) -> str:
    """Write Markdown: mean and standard deviation over the seeds, a row per network and start."""
    percents = _percents(scores)
    lines = ['| network | start | ' + ' | '.join(f'{percent} % of labels' for percent in percents) + ' |',
             '|---' * (2 + len(percents)) + '|']
    for network, starts in scores.items():
        for start, by in starts.items():
            cells = [_cell(by.get(percent)) for percent in percents]
            lines.append(f'| {network} | {start} | ' + ' | '.join(cells) + ' |')
    return '\n'.join(lines) + '\n'


def _percents(scores: Scores) -> list[int]:
    return sorted({percent for starts in scores.values() for by in starts.values() for percent in by})


def _cell(values: Sequence[float] | None) -> str:
    return '-' if values is None else f'{np.mean(values):.1f} ± {_spread(values):.1f}'


def _spread(values: Sequence[float]) -> float:
    """Return the sample standard deviation; 0 for a single value."""
    return float(np.std(values, ddof=1)) if len(values) > 1 else 0.0


def draw_study(scores: Scores, path: Path) -> None:
    """Draw a panel per network: mean F1 over the share of labels (log axis), bars of one standard deviation."""
    with matplotlib.rc_context({'font.size': 9, 'axes.spines.top': False, 'axes.spines.right': False}):
        percents = _percents(scores)
        figure = Figure(figsize=(4.6 * len(scores), 3.8), layout='constrained')
        for axes, (network, starts) in zip(np.atleast_1d(figure.subplots(1, len(scores), sharex=True, sharey=True)),
                                           scores.items(), strict=True):
            for shift, (start, by) in enumerate(starts.items()):
                x = np.array(list(by)) * (1 + 0.04 * (shift - (len(starts) - 1) / 2))  # bars side by side
                axes.errorbar(x, [np.mean(v) for v in by.values()], [_spread(v) for v in by.values()], label=start,
                              color=COLOURS.get(start), marker=MARKERS.get(start), markersize=5, capsize=3)
            axes.set(title=network, xscale='log', xlabel='labelled pairs that train, %')
            axes.set_xticks(percents, [f'{percent}' for percent in percents])
            axes.minorticks_off()
            axes.grid(axis='y', alpha=0.3)
        figure.axes[0].set_ylabel('F1 of the changed class, %')
        entries = {label: handle for axes in figure.axes for handle, label in zip(*axes.get_legend_handles_labels())}
        figure.legend(entries.values(), entries, loc='outside lower center', ncols=3 * len(scores), frameon=False)
        figure.savefig(path, dpi=150, format='png')
