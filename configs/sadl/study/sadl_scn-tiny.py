# Part of `make study`: SaDL pre-training of the tiny SChanger on drawn single images.
#   python tools/train.py configs/sadl/study/sadl_scn-tiny.py
# Needs demo_out/data (`make demo` draws it); tools/study.py passes its own data.
_base_ = [
    '../../_base_/models/sadl_r18-fpn.py',
    '../../_base_/datasets/demo_buildings_dataset.py',
    '../../_base_/schedules/sadl.py',
    '../../_base_/default_runtime.py',
]

arch = (8, 8, 12, 16, 20, 24)
model = dict(
    backbone=dict(_delete_=True, type='SCN', arch=arch, drop_rate=0.0),
    neck=dict(_delete_=True, type='DecoderFeatures', arch=arch, drop_rate=0.0),
    projector=dict(in_channels=8, hidden_channels=128, out_channels=64),
    predictor=dict(in_channels=64, hidden_channels=16, out_channels=64),
    views=dict(size=(64, 64)))
data_preprocessor = dict(
    _delete_=True, type='mmseg.SegDataPreProcessor', mean=[0.0] * 3, std=[255.0] * 3,
    bgr_to_rgb=True,
    size_divisor=32)

train_pipeline = [
    dict(type='LoadImage'),
    dict(type='LoadChangeLabel'),
    dict(type='mmseg.RandomCrop', crop_size=(64, 64)),
    dict(type='mmseg.PackSegInputs'),
]
train_dataloader = dict(batch_size=8, drop_last=True, dataset=dict(pipeline=train_pipeline))
val_dataloader = None
val_evaluator = None

optim_wrapper = dict(optimizer=dict(lr=0.05))
train_cfg = dict(_delete_=True, type='IterBasedTrainLoop', max_iters=300)
param_scheduler = [dict(type='PolyLR', power=0.9, eta_min=1e-5, begin=0, end=300, by_epoch=False)]
default_hooks = dict(checkpoint=dict(by_epoch=False, interval=300), logger=dict(interval=20, log_metric_by_epoch=False))
custom_hooks = [
    dict(
        type='FeatureMonitorHook',
        interval=100,
        dataset=dict(
            type='BuildingDataset',
            data_root=_base_.data_root,
            data_prefix=dict(img_path='pretrain/val/images', seg_map_path='pretrain/val/masks'),
            pipeline=train_pipeline)),
]
