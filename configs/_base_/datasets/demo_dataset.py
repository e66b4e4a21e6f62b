# The drawn demo set (`make demo` writes it): 24 / 16 / 48 pairs of 128 px in LEVIR's layout.
_base_ = './levir_dataset.py'

data_root = 'demo_out/data'
data_preprocessor = dict(
    mean=[115.0] * 6,
    std=[50.0] * 6)

train_pipeline = _base_.train_pipeline
train_pipeline[0]['cache_dir'] = train_pipeline[1]['cache_dir'] = None  # small images decode fast
train_pipeline[2]['transforms'][0]['crop_size'] = (64, 64)
train_dataloader = dict(num_workers=1, dataset=dict(type='DemoDataset', data_root=data_root, pipeline=train_pipeline))
val_dataloader = dict(num_workers=1, dataset=dict(type='DemoDataset', data_root=data_root))
test_dataloader = dict(num_workers=1, dataset=dict(type='DemoDataset', data_root=data_root))
