"""Draw the diagrams of docs/how_it_works.md: ``python docs/figures/draw.py`` writes SVG files next to this script."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch

HERE = Path(__file__).parent
BEFORE, AFTER, BOTH, PLAIN, OUT = '#fde5c8', '#cfe3f7', '#d9efd3', '#f1f1f1', '#f9d2d2'
"""Colours of what belongs to the earlier date, the later one, both, neither, and of results."""
EDGE = '#444444'


def canvas(width: float, height: float) -> Axes:
    """Return axes without a frame, one unit per inch, y pointing up."""
    figure = plt.figure(figsize=(width, height))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(0, height))
    axes.axis('off')
    return axes


def box(axes: Axes, x: float, y: float, width: float, height: float, text: str, colour: str, size: float = 10) -> None:
    """Draw a box around the centre (x, y)."""
    axes.add_patch(FancyBboxPatch((x - width / 2, y - height / 2), width, height, facecolor=colour, edgecolor=EDGE,
                                  linewidth=1, boxstyle='round,pad=0,rounding_size=.06'))
    axes.text(x, y, text, ha='center', va='center', fontsize=size, linespacing=1.25)


def arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float], style: str = '-|>', dashed: bool = False,
          bend: str | None = None) -> None:
    """Draw an arrow between two points; ``bend`` is a connection style of matplotlib."""
    axes.annotate('', xy=end, xytext=start, arrowprops=dict(
        arrowstyle=style, color=EDGE, linewidth=1.1, shrinkA=0, shrinkB=0, linestyle='--' if dashed else '-',
        connectionstyle=bend or 'arc3', mutation_scale=11))


def network() -> Axes:
    """Draw the whole network: two encoders, a decoder for each date, one map and one side output per level."""
    axes = canvas(10, 7.2)
    left, inner_left, middle, inner_right, right = 1.1, 3.2, 5.0, 6.8, 8.9
    rows = [5.0, 4.0, 3.0, 2.0, 1.0]
    for x, name, colour in ((left, 'before', BEFORE), (right, 'after', AFTER)):
        box(axes, x, 6.75, 1.7, 0.5, name, colour, 11)
        box(axes, x, 5.95, 1.7, 0.42, 'stem', colour)
        arrow(axes, (x, 6.5), (x, 6.16))
        arrow(axes, (x, 5.74), (x, rows[0] + 0.3))
    for index, (y, stride) in enumerate(zip(rows, (1, 2, 4, 8, 16))):
        for outer, inner, colour in ((left, inner_left, BEFORE), (right, inner_right, AFTER)):
            sign = 1 if inner > outer else -1
            box(axes, outer, y, 1.7, 0.6, f'stage {index + 1}\nstride {stride}', colour)
            box(axes, inner, y, 1.5, 0.6, 'SCAM\n2 × LFEM', colour)
            arrow(axes, (outer + sign * 0.85, y), (inner - sign * 0.75, y))
            if index:
                arrow(axes, (outer, rows[index - 1] - 0.3), (outer, y + 0.3))
                arrow(axes, (inner, y + 0.3), (inner, rows[index - 1] - 0.3))
        box(axes, middle, y - 0.2, 1.1, 0.3, 'one map', BOTH, 9)
        box(axes, middle, y + 0.2, 1.1, 0.3, 'TFM, logit', BOTH, 9)
        for x, sign in ((inner_left, 1), (inner_right, -1)):
            arrow(axes, (x + sign * 0.75, y - 0.2), (middle - sign * 0.55, y - 0.2), '<|-|>')
            arrow(axes, (x + sign * 0.75, y + 0.2), (middle - sign * 0.55, y + 0.2))
    box(axes, middle, 5.95, 1.9, 0.42, '1 × 1 convolution', OUT)
    box(axes, middle, 6.75, 1.9, 0.5, 'probability of change', OUT, 10)
    arrow(axes, (middle, 6.16), (middle, 6.5))
    arrow(axes, (middle, rows[0] + 0.35), (middle, 5.74))
    axes.text(middle + 0.12, 5.56, 'five logits', ha='left', va='center', fontsize=8.5, color=EDGE)
    for x, side in ((inner_left - 0.08, 'right'), (inner_right + 0.08, 'left')):
        axes.text(x, (rows[-1] + rows[-2]) / 2, '× 2', ha=side, va='center', fontsize=8.5, color=EDGE)
    for x, text in ((left, 'encoder SCN'), (inner_left, 'decoder'), (middle, 'shared'), (inner_right, 'decoder'),
                    (right, 'encoder SCN')):
        axes.text(x, 0.3, text, ha='center', va='center', fontsize=10, style='italic', color=EDGE)
    return axes


def scam() -> Axes:
    """Draw SCAM: how one attention map is computed from both dates and gates both."""
    axes = canvas(10, 4.3)
    for y, name, colour in ((3.55, 'before', BEFORE), (0.75, 'after', AFTER)):
        box(axes, 0.75, y, 1.1, 0.5, name, colour)
        box(axes, 2.5, y, 1.7, 0.6, 'batch norm, 1 × 1\nGELU', colour, 9)
        box(axes, 6.75, y, 0.5, 0.5, '×', BOTH, 14)
        box(axes, 7.95, y, 1.1, 0.5, '1 × 1,\nadd input', colour, 9)
        box(axes, 9.3, y, 1.1, 0.5, 'ConvMLP,\nadd input', colour, 9)
        arrow(axes, (1.3, y), (1.65, y))
        arrow(axes, (3.35, y), (6.5, y))
        arrow(axes, (7.0, y), (7.4, y))
        arrow(axes, (8.5, y), (8.75, y))
    axes.text(4.9, 3.72, 'features', ha='center', va='center', fontsize=8.5, color=EDGE)
    axes.text(4.9, 0.58, 'features', ha='center', va='center', fontsize=8.5, color=EDGE)
    box(axes, 3.9, 2.15, 0.9, 0.6, 'TFM', BOTH)
    box(axes, 5.3, 2.15, 1.5, 1.0, '5 × 5\n7 × 7, dilation 3\n1 × 1', BOTH, 9)
    box(axes, 6.75, 2.15, 0.9, 0.6, 'one\nmap', OUT, 9)
    arrow(axes, (3.9, 3.55), (3.9, 2.45))
    arrow(axes, (3.9, 0.75), (3.9, 1.85))
    arrow(axes, (4.35, 2.15), (4.55, 2.15))
    arrow(axes, (6.05, 2.15), (6.3, 2.15))
    arrow(axes, (6.75, 2.45), (6.75, 3.3))
    arrow(axes, (6.75, 1.85), (6.75, 1.0))
    return axes


def tfm() -> Axes:
    """Draw TFM: two maps of C channels become one."""
    axes = canvas(10, 1.9)
    box(axes, 0.95, 1.4, 1.5, 0.5, 'before, C', BEFORE)
    box(axes, 0.95, 0.5, 1.5, 0.5, 'after, C', AFTER)
    box(axes, 2.9, 0.95, 1.4, 0.6, 'concatenate\n2 C', PLAIN, 9)
    box(axes, 4.75, 0.95, 1.5, 0.6, '1 × 1\n2 C to C', BOTH, 9)
    box(axes, 6.65, 0.95, 1.5, 0.6, 'layer norm\nover channels', BOTH, 9)
    box(axes, 8.2, 0.95, 0.8, 0.6, 'GELU', BOTH, 9)
    box(axes, 9.4, 0.95, 0.8, 0.5, 'one, C', OUT, 9)
    arrow(axes, (1.7, 1.4), (2.2, 1.08))
    arrow(axes, (1.7, 0.5), (2.2, 0.82))
    for start, end in ((3.6, 4.0), (5.5, 5.9), (7.4, 7.8), (8.6, 9.0)):
        arrow(axes, (start, 0.95), (end, 0.95))
    return axes


def main(folder: Path = HERE, names: Sequence[str] = ('network', 'scam', 'tfm')) -> None:
    """Write figures into a folder; one version of matplotlib always writes the same bytes."""
    settings = {'svg.hashsalt': 'schanger-mm', 'svg.fonttype': 'path', 'font.family': 'DejaVu Sans'}
    for name in names:
        with plt.rc_context(settings):
            figure = globals()[name]().figure
            figure.savefig(folder / f'{name}.svg', metadata={'Date': None}, facecolor='white')
        plt.close(figure)


if __name__ == '__main__':
    main()
