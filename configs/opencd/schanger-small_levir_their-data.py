# For our tools: SChanger-small on the data set and pipelines of an installed Open-CD, or a checkout in PYTHONPATH.
#   python tools/train.py configs/opencd/schanger-small_levir_their-data.py
# Needs Open-CD and data/LEVIR-CD. Its samplers and data sets do not resume bit for bit (docs/training.md).
_base_ = [
    'opencd::_base_/datasets/levir_cd.py',
    '../_base_/models/schanger_base.py',
    '../_base_/schedules/finetune.py',
    '../_base_/default_runtime.py',
]

model = dict(
    num_dates=2,
    backbone=dict(arch='small'),
    decode_head=dict(arch='small', temporal_fusion=dict(type='TFM')))
data_preprocessor = dict(
    type='BiTemporalPreProcessor',
    mean=[114.8163, 113.9003, 97.2434, 88.1084, 86.2405, 73.6478],
    std=[49.1110, 46.3187, 43.1172, 36.8077, 35.7434, 33.8556])
val_evaluator = dict(_delete_=True, type='ChangeMetric')
test_evaluator = dict(_delete_=True, type='ChangeMetric')

train_cfg = dict(type='IterBasedTrainLoop', max_iters=40_000, val_interval=2_000)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0, end=2_000),
    dict(type='CosineAnnealingLR', eta_min_ratio=1e-6, by_epoch=False, begin=2_000, end=40_000),
]
default_hooks = dict(checkpoint=dict(interval=2_000))
