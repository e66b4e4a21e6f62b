# SChanger-base on SECOND: change, and the classes of both dates.
#   python tools/train.py configs/semantic/second.py
#   python tools/test.py configs/semantic/second.py work_dirs/second/best_Sek_iter_*.pth
# Needs data/SECOND and pre-trained weights (configs/schanger/pretrain_inria.py, or published ones
# by tools/model_converters/fetch_published.py); from scratch: --cfg-options load_from=None
# The length is ours: 200 epochs of 297 iterations, 10 of them warm-up. Nothing was trained to the end here.
_base_ = [
    '../_base_/models/schanger_base.py',
    '../_base_/datasets/second_dataset.py',
    '../_base_/schedules/finetune.py',
    '../_base_/default_runtime.py',
]

model = dict(
    num_dates=2,
    decode_head=dict(
        temporal_fusion=dict(type='TFM'),
        semantic=dict(num_classes=6, loss=dict(consistency_weight=0.5))))
load_from = 'work_dirs/pretrain_inria/iter_1124000.pth'

train_cfg = dict(type='IterBasedTrainLoop', max_iters=59_400, val_interval=2_970)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0, end=2_970),
    dict(type='CosineAnnealingLR', eta_min_ratio=1e-6, by_epoch=False, begin=2_970, end=59_400),
]
default_hooks = dict(checkpoint=dict(interval=2_970, save_best='Sek'))
custom_hooks = [
    dict(type='EMAHook', ema_type='ForeachEMA', momentum=2e-4, interval=8, update_buffers=True),
    dict(type='SingleDateHeadHook', class_index=4),  # building, which the pre-training has learnt
    dict(type='LoadReportHook', expected_new=['decode_head.attention_fusion', 'decode_head.side_fusion',
                                              'decode_head.semantic']),
]
