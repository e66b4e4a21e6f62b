# One weak view of an unlabelled pair, then colours of its own for each date of each of two strong views; UniMatch's
# magnitudes. Labelled pairs get the usual augmentation of their config.
unlabelled_pipeline = [
    dict(type='LoadBiTemporalImages', cache_dir='work_dirs/decoded', max_gib=32),
    dict(type='LoadTruth'),  # does nothing unless unlabelled.labelled=True
    dict(type='AddIgnoreMask'),
    dict(
        type='ForBothDates',
        transforms=[
            dict(type='RandomScale', scale=(0.8, 1.2)),
            dict(type='PadToSize', size=(256, 256)),
            dict(type='mmseg.RandomCrop', crop_size=(256, 256)),
            dict(type='mmseg.RandomFlip', prob=0.5, direction='horizontal'),
        ]),
    dict(
        type='StrongViews',
        views=2,
        transforms=[
            dict(
                type='RandomApply',
                prob=0.8,
                transforms=[dict(type='ColourJitter', brightness=0.5, contrast=0.5, saturation=0.5, hue=0.25)]),
            dict(type='RandomApply', prob=0.5, transforms=[dict(type='GaussianBlur', sigma=(0.1, 2.0))]),
        ]),
    dict(type='PackViews'),
]
