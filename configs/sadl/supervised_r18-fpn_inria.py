# The supervised control: the same encoder learns to segment buildings, on the same images and schedule.
#   python tools/train.py configs/sadl/supervised_r18-fpn_inria.py
_base_ = './sadl_r18-fpn_inria.py'

model = dict(
    _delete_=True,
    type='SiameseEncoderDecoder',
    num_dates=1,
    size_divisor=32,
    backbone=dict(
        type='mmseg.ResNet',
        depth=18,
        init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet18')),
    neck=dict(type='TopDownFPN', in_channels=[64, 128, 256, 512]),
    decode_head=dict(
        type='mmseg.FCNHead',
        in_channels=256,
        in_index=0,
        channels=64,
        num_convs=2,
        concat_input=False,
        num_classes=2,
        norm_cfg=dict(type='BN'),
        align_corners=False,
        loss_decode=dict(type='mmseg.CrossEntropyLoss')),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'))
# The encoder must see the same values as under SaDL: mean and std 0.5 of values in [0, 1].
data_preprocessor = dict(mean=[127.5] * 3, std=[127.5] * 3)
# SaDL draws its views on the batch; this one gets flips and colours of the same strength here.
train_pipeline = [
    *_base_.train_pipeline[:3],
    dict(type='mmseg.RandomFlip', prob=0.5, direction=['horizontal', 'vertical', 'diagonal']),
    dict(
        type='RandomApply',
        prob=0.8,
        transforms=[dict(type='ColourJitter', brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1)]),
    dict(type='mmseg.PackSegInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
custom_hooks = []
