"""Metrics."""

from schanger_mm.evaluation.change_metric import ChangeMetric

__all__ = ['ChangeMetric']
