"""Pictures: predictions next to their images, and the report of a run."""

from schanger_mm import registry  # noqa: F401  (first: without a stack, its error says how to install one)
from schanger_mm.visualization.change_visualizer import ChangeVisualizer
from schanger_mm.visualization.panel import draw_change_panel
from schanger_mm.visualization.report import format_table, read_scalars, write_report

__all__ = ['ChangeVisualizer', 'draw_change_panel', 'format_table', 'read_scalars', 'write_report']
