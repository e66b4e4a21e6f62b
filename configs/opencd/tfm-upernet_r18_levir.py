# For a checkout of Open-CD (see schanger-small_levir.py): TFM in place of FeatureFusionNeck.
#   python tools/train.py configs/opencd/tfm-upernet_r18_levir.py
_base_ = './schanger-small_levir.py'

channels = [64, 128, 256, 512]
model = dict(
    data_preprocessor=dict(size_divisor=32, test_cfg=dict(size_divisor=32)),
    backbone=dict(_delete_=True, type='mmseg.ResNet', depth=18),
    neck=dict(_delete_=True, type='schanger_mm.TFM', in_channels=channels),
    decode_head=dict(
        _delete_=True,
        type='mmseg.UPerHead',
        in_channels=channels,
        in_index=[0, 1, 2, 3],
        channels=128,
        num_classes=2,
        norm_cfg=dict(type='BN'),
        align_corners=False,
        loss_decode=dict(type='mmseg.CrossEntropyLoss', avg_non_ignore=True)))
