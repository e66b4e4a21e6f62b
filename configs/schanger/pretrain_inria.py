# Pre-train SChanger-base on single images with building masks (Inria), the paper's settings:
#   python tools/train.py configs/schanger/pretrain_inria.py
# Needs data/inria_1000/train/{images,gt}, the 5000 px images cut to 1000 px:
#   python tools/dataset_tools/tile.py AerialImageDataset/train data/inria_1000/train --size 1000
# 4000 epochs of 281 iterations, 400 of them warm-up. The current weights are used, so there is no EMA.
_base_ = [
    '../_base_/models/schanger_base.py',
    '../_base_/datasets/inria_dataset.py',
    '../_base_/schedules/schanger.py',
    '../_base_/default_runtime.py',
]

train_cfg = dict(type='IterBasedTrainLoop', max_iters=1_124_000)
val_cfg = None
test_cfg = None
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0, end=112_400),
    dict(type='CosineAnnealingLR', eta_min_ratio=1e-6, by_epoch=False, begin=112_400, end=1_124_000),
]
custom_hooks = [dict(type='LoadReportHook')]  # for a start from SaDL (configs/sadl)
