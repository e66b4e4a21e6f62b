"""The style of the report: page template and curve drawing."""

from __future__ import annotations

import html
import io
import math
import re
from collections.abc import Mapping, Sequence

import matplotlib
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark;
  --ground: #fbfbfa; --card: #fff; --ink: #1d2127; --faint: #667080; --line: #e2e5e9; }}
@media (prefers-color-scheme: dark) {{
  :root {{ --ground: #14171c; --card: #1e2229; --ink: #e8eaed; --faint: #9aa4b1; --line: #333a44; }}
}}
* {{ box-sizing: border-box; }}
body {{ margin: 0; background: var(--ground); color: var(--ink); font: 16px/1.55 system-ui, sans-serif; }}
main {{ max-width: 1120px; margin: 0 auto; padding: 2.5rem 1.25rem 4rem; }}
h1 {{ font-size: 1.9rem; line-height: 1.2; margin: 0 0 .75rem; overflow-wrap: anywhere; }}
h2 {{ font-size: 1.15rem; margin: 2.5rem 0 .8rem; }}
p {{ max-width: 70ch; margin: 0 0 .7rem; overflow-wrap: anywhere; }}
.wide {{ overflow-x: auto; background: var(--card); border: 1px solid var(--line); border-radius: 10px; }}
table {{ border-collapse: collapse; width: 100%; }}
th, td {{ padding: .55rem 1rem; text-align: left; white-space: nowrap; border-top: 1px solid var(--line); }}
th {{ color: var(--faint); font-weight: 600; font-size: .85rem; border-top: 0; }}
.number {{ text-align: right; font-variant-numeric: tabular-nums; }}
figure {{ margin: 0 0 1rem; padding: .75rem; background: var(--card); border: 1px solid var(--line);
  border-radius: 10px; }}
.curves {{ display: grid; gap: 1rem;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 420px), 1fr)); }}
.curves figure {{ margin: 0; }}
img, svg {{ display: block; width: 100%; height: auto; }}
img {{ border-radius: 5px; }}
figcaption {{ color: var(--faint); font-size: .9rem; margin-top: .5rem; overflow-wrap: anywhere; }}
.missing {{ color: var(--faint); font-style: italic; margin: 1rem; }}
@media print {{ figure {{ break-inside: avoid; }} }}
</style>
</head>
<body>
<main>
<header>
<h1>{title}</h1>
{notes}
</header>
{table}
{curves}
{pictures}
</main>
</body>
</html>
"""

# based on Okabe and Ito's palette, with a lighter blue that is legible on white and on near-black
LINES = ['#2E8BC0', '#D55E00', '#009E73', '#CC79A7', '#E69F00', '#56B4E9']
INK = '#010203'  # stands for the page's text colour
STYLE = {
    'font.family': 'sans-serif', 'font.size': 11, 'text.parse_math': False, 'svg.fonttype': 'none',
    'text.color': INK, 'axes.labelcolor': INK, 'axes.edgecolor': INK, 'xtick.color': INK, 'ytick.color': INK,
    'grid.color': INK, 'grid.alpha': 0.15, 'axes.grid': True, 'axes.spines.top': False,
    'axes.spines.right': False, 'legend.frameon': False,
}


def draw_curves(title: str,
                lines: Mapping[str, Sequence[tuple[float, float]]],
                runs: Sequence[str] = (),
                unit: str = 'iteration') -> str:
    """Draw curves of ``(iteration, value)`` as an SVG element in the page's text colour.

    Args:
        title: heading of the plot.
        lines: a curve per run; an empty name gets no legend.
        runs: all runs of the page in order, so that each keeps its colour.
        unit: label of the horizontal axis.
    """
    lines = {run: [(x, y) for x, y in curve if y is not None] for run, curve in lines.items()}
    if not any(math.isfinite(y) for curve in lines.values() for _, y in curve):
        return f'<p class="missing">{html.escape(title)}: nothing logged</p>'
    order = list(runs) or list(lines)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(5.6, 3.5), layout='constrained')
        figure.patch.set_alpha(0)
        axes = figure.add_subplot()
        axes.patch.set_alpha(0)
        for run, curve in lines.items():
            axes.plot([x for x, _ in curve], [y for _, y in curve], linewidth=1.8, label=run or '_',
                      color=LINES[order.index(run) % len(LINES)],
                      marker='o' if len(curve) < 25 else None, markersize=3.5)
        axes.set_title(title, loc='left', fontsize=12, fontweight='bold')
        axes.set_xlabel(unit)
        if any(lines):
            axes.legend(loc='best')
        buffer = io.StringIO()
        FigureCanvasSVG(figure).print_svg(buffer, metadata={'Date': None})
    svg = buffer.getvalue()
    svg = re.sub(r'<metadata>.*?</metadata>', '', svg[svg.index('<svg'):], flags=re.DOTALL)
    return svg.replace(INK, 'currentColor').strip()
