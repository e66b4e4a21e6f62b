# mmseg's ResNet-18 and UPerHead around a TFM neck, on LEVIR-CD, from random weights.
#   python tools/train.py configs/neighbours/r18_tfm_upernet_levir.py
# Needs data/LEVIR-CD. The head is Open-CD's usual one at a quarter of its width; the schedule is ours.
_base_ = [
    '../_base_/datasets/levir_dataset.py',
    '../_base_/schedules/fpn-cd.py',
    '../_base_/default_runtime.py',
]

model = dict(
    type='SiameseEncoderDecoder',
    size_divisor=32,
    backbone=dict(type='mmseg.ResNet', depth=18),
    neck=dict(type='TFM', in_channels=[64, 128, 256, 512]),
    decode_head=dict(
        type='mmseg.UPerHead',
        in_channels=[64, 128, 256, 512],
        in_index=[0, 1, 2, 3],
        pool_scales=(1, 2, 3, 6),
        channels=128,
        num_classes=2,
        out_channels=1,
        threshold=0.5,
        norm_cfg=dict(type='BN'),
        align_corners=False,
        loss_decode=dict(type='schanger_mm.BCEDiceLoss')),
    train_cfg=dict(),
    test_cfg=dict(mode='slide', crop_size=(256, 256), stride=(256, 256)))
