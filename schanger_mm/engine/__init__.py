"""Hooks."""

from schanger_mm.engine.load_report_hook import LoadReportHook
from schanger_mm.engine.visualization_hook import ChangeVisualizationHook

__all__ = ['ChangeVisualizationHook', 'LoadReportHook']
