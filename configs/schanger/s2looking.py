# SChanger-base on S2Looking, the paper's settings:
#   python tools/train.py configs/schanger/s2looking.py
#   python tools/test.py configs/schanger/s2looking.py work_dirs/s2looking/best_changed_F1_iter_*.pth
# Needs data/S2Looking and pre-trained weights (configs/schanger/pretrain_inria.py, or published ones
# by tools/model_converters/fetch_published.py); from scratch: --cfg-options load_from=None
# 3000 epochs of 437 iterations, 150 of them warm-up; validation every 30. An epoch is one crop of each pair.
_base_ = [
    '../_base_/models/schanger_base.py',
    '../_base_/datasets/s2looking_dataset.py',
    '../_base_/schedules/finetune.py',
    '../_base_/default_runtime.py',
]

model = dict(num_dates=2, decode_head=dict(temporal_fusion=dict(type='TFM')))
load_from = 'work_dirs/pretrain_inria/iter_1124000.pth'

train_cfg = dict(type='IterBasedTrainLoop', max_iters=1_311_000, val_interval=13_110)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0, end=65_550),
    dict(type='CosineAnnealingLR', eta_min_ratio=1e-6, by_epoch=False, begin=65_550, end=1_311_000),
]
default_hooks = dict(checkpoint=dict(interval=13_110))
