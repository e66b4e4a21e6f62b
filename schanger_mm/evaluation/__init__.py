"""Metrics."""

from schanger_mm.evaluation.change_metric import ChangeMetric
from schanger_mm.evaluation.threshold_sweep import ThresholdSweep

__all__ = ['ChangeMetric', 'ThresholdSweep']
