# WHU-CD: 4536 / 504 / 2760 pairs of 256 px, the prepared split.
_base_ = './levir_dataset.py'

data_root = 'data/WHU-CD'

# Statistics of the training images, R, G, B in [0, 1] (date A, then date B).
mean = [0.490689, 0.449112, 0.393020, 0.491401, 0.490355, 0.469809]
std = [0.143358, 0.138292, 0.137560, 0.181708, 0.171959, 0.178498]
data_preprocessor = dict(mean=[255 * value for value in mean], std=[255 * value for value in std])

train_dataloader = dict(dataset=dict(type='WHUCDDataset', data_root=data_root))
val_dataloader = dict(dataset=dict(type='WHUCDDataset', data_root=data_root))
test_dataloader = dict(dataset=dict(type='WHUCDDataset', data_root=data_root))
