# mmseg's MiT-B0 and SegformerHead around a TFM neck, on LEVIR-CD, from random weights.
#   python tools/train.py configs/neighbours/mit-b0_tfm_segformer_levir.py
# Needs data/LEVIR-CD.
_base_ = './r18_tfm_upernet_levir.py'

model = dict(
    backbone=dict(
        _delete_=True,
        type='mmseg.MixVisionTransformer',
        embed_dims=32,
        num_heads=[1, 2, 5, 8],
        num_layers=[2, 2, 2, 2],
        sr_ratios=[8, 4, 2, 1]),
    neck=dict(in_channels=[32, 64, 160, 256]),
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
        loss_decode=dict(type='schanger_mm.BCEDiceLoss')))
