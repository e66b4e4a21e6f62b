# Pre-train SChanger-small on single images with masks; a part of schanger compare, which sets data and length:
#   python tools/compare.py --train DIR --val DIR --images DIR --masks DIR --arms supervised
#   python tools/train.py configs/few_labels/supervised_schanger.py      (alone, on data/custom)
_base_ = '../schanger/pretrain_inria_small.py'

# What custom.py says about short trainings holds here, too; both normalise alike.
model = dict(
    backbone=dict(drop_rate=0.0),
    decode_head=dict(
        drop_rate=0.0,
        init_cfg=[
            dict(type='Normal', std=0.01, bias=-2.0, override=dict(name='side_convs')),
            dict(type='Constant', val=0.2, override=dict(name='conv_seg')),
        ]))
train_pipeline = _base_.train_pipeline
train_pipeline[2].update(crop_size=(96, 96))
train_dataloader = dict(
    batch_size=24,
    dataset=dict(
        _delete_=True, type='BuildingDataset', data_root='data/custom',
        data_prefix=dict(img_path='pretrain/train/images', seg_map_path='pretrain/train/masks'),
        pipeline=train_pipeline))
optim_wrapper = dict(
    optimizer=dict(lr=4e-3),
    paramwise_cfg=dict(custom_keys={'decode_head.conv_seg': dict(lr_mult=5.0)}))
train_cfg = dict(max_iters=1000)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0, end=50),
    dict(type='CosineAnnealingLR', eta_min_ratio=1e-6, by_epoch=False, begin=50, end=1000),
]
default_hooks = dict(checkpoint=dict(interval=50), logger=dict(interval=20))
custom_hooks = [dict(type='TrainingTimeHook'), dict(type='LoadReportHook', expected_new=['decode_head'])]
