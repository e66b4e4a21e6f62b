# Fine-tune the tiny SChanger on 24 drawn pairs (`make demo` does so from pre-trained weights and from scratch):
#   python tools/train.py configs/schanger/demo.py
#   python tools/train.py configs/schanger/demo.py --cfg-options load_from=None
_base_ = [
    '../_base_/models/schanger_tiny.py',
    '../_base_/datasets/demo_dataset.py',
    '../_base_/schedules/finetune.py',
    '../_base_/default_runtime.py',
]

model = dict(
    num_dates=2,
    decode_head=dict(temporal_fusion=dict(type='TFM')),
    test_cfg=dict(_delete_=True, mode='whole'))
load_from = 'demo_out/pretrain/iter_400.pth'

optim_wrapper = dict(
    optimizer=dict(lr=1.6e-2),
    paramwise_cfg=dict(custom_keys={'decode_head.conv_seg': dict(lr_mult=5.0)}))
train_cfg = dict(type='IterBasedTrainLoop', max_iters=300, val_interval=50)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0, end=30),
    dict(type='CosineAnnealingLR', eta_min_ratio=1e-6, by_epoch=False, begin=30, end=300),
]
default_hooks = dict(checkpoint=dict(interval=50), logger=dict(interval=20))
custom_hooks = [
    dict(type='EMAHook', ema_type='ForeachEMA', memory=0.02, momentum=5e-3, interval=1, update_buffers=True),
    dict(type='LoadReportHook', expected_new=['decode_head.attention_fusion', 'decode_head.side_fusion']),
]
