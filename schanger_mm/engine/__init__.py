"""Hooks."""

from schanger_mm.engine.bad_loss_hook import BadLossHook
from schanger_mm.engine.checkpoint_hook import AtomicCheckpointHook
from schanger_mm.engine.exact_resume_hook import ExactResumeHook
from schanger_mm.engine.feature_monitor_hook import FeatureMonitorHook
from schanger_mm.engine.inference_form_hook import InferenceFormHook
from schanger_mm.engine.load_report_hook import LoadReportHook
from schanger_mm.engine.position_hook import PositionHook
from schanger_mm.engine.shared_buffers_hook import SharedBuffersHook
from schanger_mm.engine.stop_signal_hook import StopSignalHook
from schanger_mm.engine.visualization_hook import ChangeVisualizationHook

__all__ = ['AtomicCheckpointHook', 'BadLossHook', 'ChangeVisualizationHook', 'ExactResumeHook', 'FeatureMonitorHook',
           'InferenceFormHook', 'LoadReportHook', 'PositionHook', 'SharedBuffersHook', 'StopSignalHook']
