# Part of `make study`: the same encoder learns to segment the drawn buildings.
#   python tools/train.py configs/sadl/study/supervised_r18.py
_base_ = './sadl_r18.py'

model = dict(
    _delete_=True,
    type='SiameseEncoderDecoder',
    num_dates=1,
    size_divisor=32,
    backbone=dict(type='mmseg.ResNet', depth=18, stem_channels=16, base_channels=16),
    neck=dict(type='TopDownFPN', in_channels=[16, 32, 64, 128], out_channels=64),
    decode_head=dict(
        type='mmseg.FCNHead', in_channels=64, in_index=0, channels=32, num_convs=2, concat_input=False, num_classes=2,
        norm_cfg=dict(type='BN'), align_corners=False, loss_decode=dict(type='mmseg.CrossEntropyLoss')),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'))
data_preprocessor = dict(mean=[127.5] * 3, std=[127.5] * 3)
custom_hooks = []
