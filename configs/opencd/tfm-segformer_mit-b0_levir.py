# For a checkout of Open-CD (see schanger-small_levir.py): TFM between MiT-B0 and SegformerHead, with our loss.
#   python tools/train.py configs/opencd/tfm-segformer_mit-b0_levir.py
_base_ = './schanger-small_levir.py'

channels = [32, 64, 160, 256]
model = dict(
    data_preprocessor=dict(size_divisor=32, test_cfg=dict(size_divisor=32)),
    backbone=dict(_delete_=True, type='mmseg.MixVisionTransformer', embed_dims=32, num_heads=[1, 2, 5, 8],
                  num_layers=[2, 2, 2, 2], sr_ratios=[8, 4, 2, 1]),
    neck=dict(_delete_=True, type='schanger_mm.TFM', in_channels=channels),
    decode_head=dict(
        _delete_=True,
        type='mmseg.SegformerHead',
        in_channels=channels,
        in_index=[0, 1, 2, 3],
        channels=256,
        num_classes=2,
        out_channels=1,
        threshold=0.5,
        norm_cfg=dict(type='BN'),
        align_corners=False,
        loss_decode=dict(type='schanger_mm.BCEDiceLoss')))
