# What every run shares; the rest is mmsegmentation's.
_base_ = 'mmseg::_base_/default_runtime.py'

default_scope = 'schanger_mm'
custom_imports = dict(imports=['schanger_mm'], allow_failed_imports=False)
randomness = dict(seed=36)
visualizer = dict(
    _delete_=True, type='ChangeVisualizer', name='visualizer', vis_backends=[dict(type='LocalVisBackend')])
tta_model = dict(_delete_=True, type='ChangeTTAModel')  # mmseg's applies the sigmoid twice to one output channel
