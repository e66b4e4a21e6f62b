# SECOND: 2375 / 593 / 1694 pairs of 512 px with the classes of both dates; one random 256 px crop per pair and epoch.
_base_ = './levir_dataset.py'

data_root = 'data/SECOND'

# Statistics of the training images as SCanNet's code has them, R, G, B in 0..255 (date A, then date B).
data_preprocessor = dict(
    mean=[113.40, 114.08, 116.45, 111.07, 114.04, 118.18],
    std=[48.30, 46.27, 48.14, 49.41, 47.01, 47.94])

train_pipeline = _base_.train_pipeline
train_pipeline[1]['type'] = 'LoadSemanticLabels'
test_pipeline = [
    dict(type='LoadBiTemporalImages'),
    dict(type='LoadSemanticLabels'),
    dict(type='PackBiTemporalInputs'),
]
train_dataloader = dict(dataset=dict(type='SECONDDataset', data_root=data_root, pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(type='SECONDDataset', data_root=data_root, pipeline=test_pipeline))
test_dataloader = dict(dataset=dict(type='SECONDDataset', data_root=data_root, pipeline=test_pipeline))

val_evaluator = dict(type='SemanticChangeMetric')
test_evaluator = dict(type='SemanticChangeMetric')
