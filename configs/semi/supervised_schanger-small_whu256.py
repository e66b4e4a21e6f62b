# The control: SChanger-small on WHU-CD cut to 256 px, SemiCD's random split, with 5 % of the pairs and nothing else.
#   python tools/train.py configs/semi/supervised_schanger-small_whu256.py
#   ... --cfg-options train_dataloader.dataset.percent=10      (or 20, 40)
# Needs data/WHU-CD-256 (the archive of SemiCD) and pre-trained weights, as configs/schanger/levir_small.py does; from
# scratch: load_from=None. Network, start, augmentation of labelled pairs and number of iterations are those of
# unimatch-v2_schanger-small_whu256.py; a batch holds 16 labelled pairs instead of 8 and 8.
_base_ = [
    '../_base_/models/schanger_base.py',
    '../_base_/datasets/whu256_semi_dataset.py',
    '../_base_/schedules/finetune.py',
    '../_base_/default_runtime.py',
]

model = dict(
    num_dates=2,
    backbone=dict(arch='small'),
    decode_head=dict(arch='small', temporal_fusion=dict(type='TFM')))
load_from = 'work_dirs/pretrain_inria_small/iter_1124000.pth'

train_dataloader = dict(sampler=dict(ratio=0))
# 60 passes over the unlabelled pairs, 8 in a batch
train_cfg = dict(type='IterBasedTrainLoop', max_iters=42_000, val_interval=1_400)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0, end=2_100),
    dict(type='CosineAnnealingLR', eta_min_ratio=1e-6, by_epoch=False, begin=2_100, end=42_000),
]
default_hooks = dict(checkpoint=dict(interval=1_400))
custom_hooks = [
    # UniMatch's average: 0.996, less in the first iterations; running statistics included
    dict(type='EMAHook', ema_type='ForeachEMA', memory=1.0, momentum=4e-3, interval=1, update_buffers=True),
    dict(type='LoadReportHook', expected_new=['decode_head.attention_fusion', 'decode_head.side_fusion']),
]
