# Single images of the drawn demo set: 320 / 32 of 128 px with masks of all buildings.
_base_ = './inria_dataset.py'

data_root = 'demo_out/data'
data_preprocessor = dict(mean=[115.0] * 3, std=[50.0] * 3)

train_pipeline = _base_.train_pipeline
train_pipeline[0]['cache_dir'] = train_pipeline[1]['cache_dir'] = None  # small images decode fast
train_pipeline[2]['crop_size'] = (64, 64)
test_pipeline = [
    dict(type='LoadImage'),
    dict(type='LoadChangeLabel'),
    dict(type='mmseg.PackSegInputs'),
]
train_dataloader = dict(
    batch_size=8,
    num_workers=1,
    dataset=dict(
        type='BuildingDataset',
        data_root=data_root,
        data_prefix=dict(img_path='pretrain/train/images', seg_map_path='pretrain/train/masks'),
        pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=1,
    num_workers=1,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='BuildingDataset',
        data_root=data_root,
        data_prefix=dict(img_path='pretrain/val/images', seg_map_path='pretrain/val/masks'),
        pipeline=test_pipeline,
        test_mode=True))
val_evaluator = dict(type='ChangeMetric', prefix='building')
