# mmseg's ResNet-18 and UPerHead around a TFM neck, from random weights; a part of schanger compare:
#   python tools/compare.py --train DIR --val DIR --arms upernet
#   python tools/train.py configs/few_labels/upernet.py      (alone, on data/custom)
# Network and optimiser are those of configs/neighbours; data, crops, averaging, schedule, no dropout and the start of
# the last map at a probability of 0.12 are finetune_schanger.py's.
_base_ = './finetune_schanger.py'

model = dict(
    _delete_=True,
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
        dropout_ratio=0.0,
        init_cfg=dict(type='Normal', std=0.01, bias=-2.0, override=dict(name='conv_seg')),
        loss_decode=dict(type='schanger_mm.BCEDiceLoss')),
    train_cfg=dict(),
    test_cfg=dict(mode='slide', crop_size=(256, 256), stride=(256, 256)))
optim_wrapper = dict(
    optimizer=dict(lr=1e-3, weight_decay=1e-2),
    paramwise_cfg=dict(_delete_=True, flat_decay_mult=0.0))
