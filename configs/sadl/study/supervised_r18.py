# Part of `make study`: the same encoder learns to segment the drawn buildings, with SChanger's augmentation.
#   python tools/train.py configs/sadl/study/supervised_r18.py
# Needs demo_out/data (`make demo` draws it); tools/study.py passes its own data.
_base_ = [
    '../../_base_/datasets/demo_buildings_dataset.py',
    '../../_base_/schedules/sadl.py',
    '../../_base_/default_runtime.py',
]

model = dict(
    type='SiameseEncoderDecoder',
    num_dates=1,
    size_divisor=32,
    backbone=dict(type='mmseg.ResNet', depth=18, stem_channels=16, base_channels=16),
    neck=dict(type='TopDownFPN', in_channels=[16, 32, 64, 128], out_channels=64),
    decode_head=dict(
        type='mmseg.FCNHead', in_channels=64, in_index=0, channels=32, num_convs=2, concat_input=False, num_classes=2,
        norm_cfg=dict(type='BN'), align_corners=False,
        loss_decode=dict(type='mmseg.CrossEntropyLoss', class_weight=[1.0, 4.0])),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'))
# The encoder must see the same values as in SaDL: values in [0, 1], normalised with mean and std 0.5.
data_preprocessor = dict(mean=[127.5] * 3, std=[127.5] * 3)
train_dataloader = dict(batch_size=16)
val_dataloader = None
val_evaluator = None

optim_wrapper = dict(optimizer=dict(lr=0.05))
train_cfg = dict(_delete_=True, type='IterBasedTrainLoop', max_iters=600)
param_scheduler = [dict(type='PolyLR', power=0.9, eta_min=1e-5, begin=0, end=600, by_epoch=False)]
default_hooks = dict(checkpoint=dict(by_epoch=False, interval=600), logger=dict(interval=20, log_metric_by_epoch=False))
