# SChanger-base on CDD, the paper's settings:
#   python tools/train.py configs/schanger/cdd.py
#   python tools/test.py configs/schanger/cdd.py work_dirs/cdd/best_changed_F1_iter_*.pth
# Needs data/CDD and pre-trained weights (configs/schanger/pretrain_inria.py, or published ones
# by tools/model_converters/fetch_published.py); from scratch: --cfg-options load_from=None
# 500 epochs of 1250 iterations, 50 of them warm-up; validation every 10.
_base_ = [
    '../_base_/models/schanger_base.py',
    '../_base_/datasets/cdd_dataset.py',
    '../_base_/schedules/finetune.py',
    '../_base_/default_runtime.py',
]

model = dict(num_dates=2, decode_head=dict(temporal_fusion=dict(type='TFM')))
load_from = 'work_dirs/pretrain_inria/iter_1124000.pth'

train_cfg = dict(type='IterBasedTrainLoop', max_iters=625_000, val_interval=12_500)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0, end=62_500),
    dict(type='CosineAnnealingLR', eta_min_ratio=1e-6, by_epoch=False, begin=62_500, end=625_000),
]
default_hooks = dict(checkpoint=dict(interval=12_500))
