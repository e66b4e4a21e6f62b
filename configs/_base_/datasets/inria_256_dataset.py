# Inria Aerial Image Labeling cut to 256 px tiles with at least 10 % building; some images are held out to monitor the
# training.
data_root = 'data/inria_256'

data_preprocessor = dict(
    type='mmseg.SegDataPreProcessor', mean=[0.0] * 3, std=[255.0] * 3, bgr_to_rgb=True, size_divisor=32)

train_pipeline = [
    dict(type='LoadImage'),
    dict(type='LoadChangeLabel'),
    dict(type='mmseg.RandomCrop', crop_size=(256, 256)),  # for images larger than the tiles
    dict(type='mmseg.PackSegInputs'),
]
train_dataloader = dict(
    batch_size=64,
    num_workers=4,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type='SeededSampler', shuffle=True),
    dataset=dict(
        type='InriaDataset',
        data_root=data_root,
        data_prefix=dict(img_path='train/images', seg_map_path='train/gt'),
        ann_file='splits/train.txt',
        pipeline=train_pipeline))
