# Part of `make study`: fine-tune the narrow Siamese ResNet-18-FPN.
#   python tools/train.py configs/sadl/study/fpn-cd_r18.py
_base_ = [
    '../../_base_/models/fpn-cd_resnet18.py',
    '../../_base_/datasets/demo_dataset.py',
    '../../_base_/schedules/fpn-cd.py',
    '../../_base_/default_runtime.py',
]

model = dict(
    backbone=dict(stem_channels=16, base_channels=16),
    neck=dict(in_channels=[16, 32, 64, 128], out_channels=64),
    decode_head=dict(
        in_channels=64,
        channels=32,
        # 7 % of the pixels are changed: plain cross-entropy takes thousands of iterations to predict any
        # (mmseg already averages a weighted loss over labelled pixels, and fails if avg_non_ignore is set)
        loss_decode=dict(class_weight=[1.0, 4.0], avg_non_ignore=False)),
    test_cfg=dict(_delete_=True, mode='whole'))
data_preprocessor = dict(mean=[127.5] * 6, std=[127.5] * 6)

# The length is fixed and no checkpoint is selected, so the single evaluation at the end may use the test pairs.
val_dataloader = dict(dataset=dict(split='test'))
optim_wrapper = dict(optimizer=dict(lr=5e-3))
train_cfg = dict(max_iters=400, val_interval=400)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0, end=20),
    dict(type='PolyLR', power=0.9, eta_min=1e-6, by_epoch=False, begin=20, end=400),
]
default_hooks = dict(
    checkpoint=dict(interval=400, save_best=None, rule=None), logger=dict(interval=50))
custom_hooks = [dict(type='LoadReportHook', expected_new=['decode_head'])]
