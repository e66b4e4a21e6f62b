# SChanger-base for one image; for two dates, add num_dates=2 and temporal_fusion.
model = dict(
    type='SiameseEncoderDecoder',
    num_dates=1,
    backbone=dict(type='SCN', arch='base'),
    decode_head=dict(type='SpatialConsistencyHead', arch='base'),
    train_cfg=dict(),
    # The authors score non-overlapping 256 px tiles.
    test_cfg=dict(mode='slide', crop_size=(256, 256), stride=(256, 256)))
# With several processes: batch norm over the joint batch, as in the authors' single process; None: one per process.
sync_bn = 'torch'
