# CDD (SVCD): 10000 / 3000 / 3000 pairs of 256 px.
_base_ = './levir_dataset.py'

data_root = 'data/CDD'

# Statistics of the training images, R, G, B in [0, 1] (date A, then date B).
mean = [0.353894, 0.391042, 0.343066, 0.473244, 0.498616, 0.468731]
std = [0.153336, 0.154792, 0.142906, 0.160683, 0.163959, 0.157589]
data_preprocessor = dict(mean=[255 * value for value in mean], std=[255 * value for value in std])

train_dataloader = dict(dataset=dict(type='CDDDataset', data_root=data_root))
val_dataloader = dict(dataset=dict(type='CDDDataset', data_root=data_root))
test_dataloader = dict(dataset=dict(type='CDDDataset', data_root=data_root))
