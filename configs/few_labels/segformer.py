# mmseg's MiT-B0 and SegformerHead on the difference of the dates, from random weights; a part of schanger compare:
#   python tools/compare.py --train DIR --val DIR --arms segformer
#   python tools/train.py configs/few_labels/segformer.py      (alone, on data/custom)
_base_ = './upernet.py'

model = dict(
    backbone=dict(
        _delete_=True,
        type='mmseg.MixVisionTransformer',
        embed_dims=32,
        num_heads=[1, 2, 5, 8],
        num_layers=[2, 2, 2, 2],
        sr_ratios=[8, 4, 2, 1]),
    neck=dict(in_channels=[32, 64, 160, 256], mode='diff'),
    decode_head=dict(
        _delete_=True,
        type='mmseg.SegformerHead',
        in_channels=[32, 64, 160, 256],
        in_index=[0, 1, 2, 3],
        channels=256,
        num_classes=2,
        out_channels=1,
        threshold=0.5,
        norm_cfg=dict(type='BN'),
        align_corners=False,
        dropout_ratio=0.0,
        init_cfg=dict(type='Normal', std=0.01, bias=-2.0, override=dict(name='conv_seg')),
        loss_decode=dict(type='schanger_mm.BCEDiceLoss')))
