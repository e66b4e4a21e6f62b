# mmseg's UNet on both dates, the difference of its maps at full resolution, and a small head, from random weights: much
# like FC-Siam-diff (Daudt et al., ICIP 2018, arXiv 1810.08462), which subtracts before its decoder. Part of
# schanger compare:
#   python tools/compare.py --train DIR --val DIR --arms fc-siam
#   python tools/train.py configs/few_labels/fc-siam.py      (alone, on data/custom)
_base_ = './upernet.py'

model = dict(
    size_divisor=16,
    backbone=dict(
        _delete_=True, type='mmseg.UNet', base_channels=16, upsample_cfg=dict(type='mmseg.DeconvModule')),
    neck=dict(in_channels=[256, 128, 64, 32, 16], mode='diff'),
    decode_head=dict(
        _delete_=True,
        type='mmseg.FCNHead',
        in_channels=16,
        in_index=4,
        channels=16,
        num_convs=2,
        concat_input=False,
        num_classes=2,
        out_channels=1,
        threshold=0.5,
        norm_cfg=dict(type='BN'),
        align_corners=False,
        dropout_ratio=0.0,
        init_cfg=dict(type='Normal', std=0.01, bias=-2.0, override=dict(name='conv_seg')),
        loss_decode=dict(type='schanger_mm.BCEDiceLoss')))
