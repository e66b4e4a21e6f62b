# SaDL pre-training of SChanger-small on single images with masks; a part of schanger compare, which sets data and
# length:
#   python tools/compare.py --train DIR --val DIR --images DIR --masks DIR --arms sadl
#   python tools/train.py configs/few_labels/sadl_schanger.py      (alone, on data/custom)
_base_ = [
    '../_base_/models/sadl_r18-fpn.py',
    '../_base_/datasets/inria_256_dataset.py',
    '../_base_/schedules/sadl.py',
    '../_base_/default_runtime.py',
]

model = dict(
    backbone=dict(_delete_=True, type='SCN', arch='small', drop_rate=0.0),
    # points are looked up at full resolution, so that every layer of the decoder learns
    neck=dict(_delete_=True, type='DecoderFeatures', arch='small', drop_rate=0.0),
    projector=dict(in_channels=8),
    # nearly the values that the detector sees: averages over the channels of ImageNet's statistics
    views=dict(size=(128, 128), mean=0.449, std=0.226))
train_pipeline = _base_.train_pipeline
train_pipeline[0].update(cache_dir='work_dirs/decoded', max_gib=32)
train_pipeline[1].update(cache_dir='work_dirs/decoded', max_gib=32)
train_dataloader = dict(
    batch_size=4,  # three passes at full resolution
    sampler=dict(type='SeededInfiniteSampler', shuffle=True),
    dataset=dict(
        _delete_=True, type='BuildingDataset', data_root='data/custom',
        data_prefix=dict(img_path='pretrain/train/images', seg_map_path='pretrain/train/masks'),
        pipeline=train_pipeline))
optim_wrapper = dict(optimizer=dict(lr=0.05))
train_cfg = dict(_delete_=True, type='IterBasedTrainLoop', max_iters=1000)
param_scheduler = [dict(type='PolyLR', power=0.9, eta_min=1e-5, begin=0, end=1000, by_epoch=False)]
default_hooks = dict(
    checkpoint=dict(by_epoch=False, interval=50), logger=dict(interval=20, log_metric_by_epoch=False))
custom_hooks = [dict(type='TrainingTimeHook')]
