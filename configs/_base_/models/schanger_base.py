# SChanger-base on one image; two dates add num_dates=2 and temporal_fusion.
model = dict(
    type='SiameseEncoderDecoder',
    num_dates=1,
    backbone=dict(type='SCN', arch='base'),
    decode_head=dict(type='SpatialConsistencyHead', arch='base'),
    train_cfg=dict(),
    # The authors score non-overlapping 256 px tiles.
    test_cfg=dict(mode='slide', crop_size=(256, 256), stride=(256, 256)))
# Several processes: batch norm over their joint batch, as the authors' one process has it; None: each its own.
sync_bn = 'torch'
