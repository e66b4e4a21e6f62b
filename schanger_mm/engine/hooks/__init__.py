"""Hooks."""

from schanger_mm import registry  # noqa: F401  (first: without a stack, its error says how to install one)
from schanger_mm.engine.hooks.bad_loss_hook import BadLossHook
from schanger_mm.engine.hooks.checkpoint_hook import AtomicCheckpointHook
from schanger_mm.engine.hooks.exact_resume_hook import ExactResumeHook
from schanger_mm.engine.hooks.feature_monitor_hook import FeatureMonitorHook
from schanger_mm.engine.hooks.inference_form_hook import InferenceFormHook
from schanger_mm.engine.hooks.inflate_bands_hook import InflateBandsHook
from schanger_mm.engine.hooks.lineage_hook import LineageHook, OverlapHook
from schanger_mm.engine.hooks.live_weights_hook import LiveWeightsHook
from schanger_mm.engine.hooks.load_report_hook import LoadReportHook
from schanger_mm.engine.hooks.position_hook import PositionHook
from schanger_mm.engine.hooks.runtime_info_hook import LazyRuntimeInfoHook
from schanger_mm.engine.hooks.semi_hook import SemiHook
from schanger_mm.engine.hooks.shared_buffers_hook import SharedBuffersHook
from schanger_mm.engine.hooks.single_date_head_hook import SingleDateHeadHook
from schanger_mm.engine.hooks.start_report_hook import StartReportHook
from schanger_mm.engine.hooks.stop_signal_hook import StopSignalHook
from schanger_mm.engine.hooks.training_time_hook import TrainingTimeHook
from schanger_mm.engine.hooks.visualization_hook import ChangeVisualizationHook

__all__ = ['AtomicCheckpointHook', 'BadLossHook', 'ChangeVisualizationHook', 'ExactResumeHook', 'FeatureMonitorHook',
           'InferenceFormHook', 'InflateBandsHook', 'LazyRuntimeInfoHook', 'LineageHook', 'LiveWeightsHook',
           'LoadReportHook', 'OverlapHook', 'PositionHook', 'SemiHook', 'SharedBuffersHook', 'SingleDateHeadHook',
           'StartReportHook', 'StopSignalHook', 'TrainingTimeHook']
