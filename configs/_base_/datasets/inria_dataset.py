# Inria Aerial Image Labeling: 180 training images cut to 4500 tiles of 1000 px.
data_root = 'data/inria_1000'

# ImageNet's statistics: replace them with those of the tiles (printed by tools/dataset_tools/stats.py).
data_preprocessor = dict(
    type='mmseg.SegDataPreProcessor',
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
    bgr_to_rgb=True,
    size_divisor=16)

# Decoded images are cached in memory-mapped files, 17 GiB for all 4500 tiles.
train_pipeline = [
    dict(type='LoadImage', cache_dir='work_dirs/decoded', max_gib=32),
    dict(type='LoadChangeLabel', cache_dir='work_dirs/decoded', max_gib=32),
    dict(type='mmseg.RandomCrop', crop_size=(256, 256)),
    dict(type='mmseg.RandomFlip', prob=0.5, direction=['horizontal', 'vertical', 'diagonal']),
    dict(type='RandomTranspose', prob=0.5),
    dict(type='RandomAffine', rotate_limit=45, prob=0.3),
    dict(type='RandomAffine', shift_limit=0.0625, scale_limit=0.1, rotate_limit=45, prob=0.3),
    dict(
        type='RandomApply',
        prob=0.5,
        transforms=[
            dict(
                type='RandomChoice',
                transforms=[
                    [dict(type='GaussianNoise')],
                    [dict(type='RandomGamma')],
                    [dict(type='Emboss')],
                    [dict(type='MotionBlur')],
                ])
        ]),
    dict(type='RandomApply', prob=0.4, transforms=[dict(type='ColourJitter')]),
    dict(type='mmseg.PackSegInputs'),
]
train_dataloader = dict(
    batch_size=16,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='SeededInfiniteSampler', shuffle=True),
    dataset=dict(
        type='InriaDataset',
        data_root=data_root,
        data_prefix=dict(img_path='train/images', seg_map_path='train/gt'),
        pipeline=train_pipeline))
