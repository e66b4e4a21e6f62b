# SChanger-base on WHU-CD, the paper's settings:
#   python tools/train.py configs/schanger/whu.py
#   python tools/test.py configs/schanger/whu.py work_dirs/whu/best_changed_F1_iter_*.pth
# Needs data/WHU-CD and pre-trained weights (configs/schanger/pretrain_inria.py, or published ones
# by tools/model_converters/fetch_published.py); from scratch: --cfg-options load_from=None
# 1000 epochs of 567 iterations, 20 of them warm-up; validation every 25.
_base_ = [
    '../_base_/models/schanger_base.py',
    '../_base_/datasets/whu_dataset.py',
    '../_base_/schedules/finetune.py',
    '../_base_/default_runtime.py',
]

model = dict(num_dates=2, decode_head=dict(temporal_fusion=dict(type='TFM')))
load_from = 'work_dirs/pretrain_inria/iter_1124000.pth'

train_cfg = dict(type='IterBasedTrainLoop', max_iters=567_000, val_interval=14_175)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0, end=11_340),
    dict(type='CosineAnnealingLR', eta_min_ratio=1e-6, by_epoch=False, begin=11_340, end=567_000),
]
default_hooks = dict(checkpoint=dict(interval=14_175))
