"""Metrics."""

from schanger_mm import registry  # noqa: F401  (first: without a stack, its error says how to install one)
from schanger_mm.evaluation.change_metric import ChangeMetric
from schanger_mm.evaluation.semantic_metric import SemanticChangeMetric
from schanger_mm.evaluation.threshold_sweep import ThresholdSweep

__all__ = ['ChangeMetric', 'SemanticChangeMetric', 'ThresholdSweep']
