# LEVIR-CD: 445 / 64 / 128 pairs of 1024 px; one random 256 px crop of each pair per epoch.
data_root = 'data/LEVIR-CD'

# Per-date statistics of the training split, R, G, B in [0, 1] (date A, then date B).
mean = [0.450260, 0.446668, 0.381347, 0.345523, 0.338196, 0.288815]
std = [0.192589, 0.181647, 0.169087, 0.144336, 0.140168, 0.132767]
data_preprocessor = dict(
    type='BiTemporalPreProcessor',
    mean=[255 * value for value in mean],
    std=[255 * value for value in std],
    bgr_to_rgb=True,
    swap_prob=0.5)

# Decoded pixels are cached in work_dirs/decoded, so that a crop does not decode three whole files every time: LEVIR-CD
# needs 3 GiB there, S2Looking 24; at most 32 (max_gib). Safe to delete at any time; cache_dir=None turns it off.
train_pipeline = [
    dict(type='LoadBiTemporalImages', cache_dir='work_dirs/decoded', max_gib=32),
    dict(type='LoadChangeLabel', cache_dir='work_dirs/decoded', max_gib=32),
    dict(
        type='ForBothDates',
        transforms=[
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
                            [dict(type='HueSaturationValue')],
                            [dict(type='BrightnessContrast')],
                            [dict(type='RandomGamma')],
                            [dict(type='Emboss')],
                            [dict(type='MotionBlur')],
                        ])
                ]),
        ]),
    dict(type='PackBiTemporalInputs'),
]
test_pipeline = [
    dict(type='LoadBiTemporalImages'),
    dict(type='LoadChangeLabel'),
    dict(type='PackBiTemporalInputs'),
]

train_dataloader = dict(
    batch_size=8,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='SeededInfiniteSampler', shuffle=True),
    dataset=dict(
        type='LEVIRCDDataset',
        data_root=data_root,
        split='train',
        pipeline=train_pipeline))
# Workers that stay alive after a validation would keep a copy of the training process's memory.
val_dataloader = dict(
    batch_size=1,
    num_workers=2,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='LEVIRCDDataset',
        data_root=data_root,
        split='val',
        pipeline=test_pipeline,
        test_mode=True))
test_dataloader = dict(
    batch_size=1,
    num_workers=2,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='LEVIRCDDataset',
        data_root=data_root,
        split='test',
        pipeline=test_pipeline,
        test_mode=True))

val_evaluator = dict(type='ChangeMetric')
test_evaluator = dict(type='ChangeMetric')
