# SChanger-base on LEVIR-CD, the paper's settings:
#   python tools/train.py configs/schanger/levir.py
#   python tools/test.py configs/schanger/levir.py work_dirs/levir/best_changed_F1_iter_*.pth
# Needs data/LEVIR-CD and pre-trained weights (configs/schanger/pretrain_inria.py, or published ones
# by tools/model_converters/fetch_published.py); from scratch: --cfg-options load_from=None
# 12000 epochs of 55 iterations, 600 of them warm-up; validation every 50. An epoch is one crop of each pair.
_base_ = [
    '../_base_/models/schanger_base.py',
    '../_base_/datasets/levir_dataset.py',
    '../_base_/schedules/finetune.py',
    '../_base_/default_runtime.py',
]

model = dict(
    num_dates=2,
    # The paper fuses inside the attention and after the decoder, so fusion is part of the head, not of a neck.
    decode_head=dict(temporal_fusion=dict(type='TFM')))
load_from = 'work_dirs/pretrain_inria/iter_1124000.pth'

train_cfg = dict(type='IterBasedTrainLoop', max_iters=660_000, val_interval=2_750)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0, end=33_000),
    dict(type='CosineAnnealingLR', eta_min_ratio=1e-6, by_epoch=False, begin=33_000, end=660_000),
]
default_hooks = dict(checkpoint=dict(interval=2_750))
