# Settings shared by every run; the rest comes from mmsegmentation.
_base_ = 'mmseg::_base_/default_runtime.py'

default_scope = 'schanger_mm'
custom_imports = dict(imports=['schanger_mm'], allow_failed_imports=False)
randomness = dict(seed=36)
# Trying every algorithm took a minute before the first iteration on an H200; True may pay off in runs of days.
env_cfg = dict(cudnn_benchmark=False)
visualizer = dict(
    _delete_=True, type='ChangeVisualizer', name='visualizer', vis_backends=[dict(type='LocalVisBackend')])
tta_model = dict(_delete_=True, type='ChangeTTAModel')  # mmseg's applies the sigmoid twice to one output channel
