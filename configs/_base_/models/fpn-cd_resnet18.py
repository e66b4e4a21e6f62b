# Siamese ResNet-18-FPN: absolute difference of both P2 maps, a small head, upsampling by 4, cross-entropy.
model = dict(
    type='SiameseEncoderDecoder',
    size_divisor=32,
    backbone=dict(type='mmseg.ResNet', depth=18),
    neck=dict(type='FPNDifference', in_channels=[64, 128, 256, 512]),
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
        loss_decode=dict(type='mmseg.CrossEntropyLoss', avg_non_ignore=True)),
    train_cfg=dict(),
    test_cfg=dict(mode='slide', crop_size=(256, 256), stride=(256, 256)))
