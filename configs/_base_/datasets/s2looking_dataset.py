# S2Looking: 3500 / 500 / 1000 pairs of 1024 px.
_base_ = './levir_dataset.py'

data_root = 'data/S2Looking'

# Statistics of the 56000 tiles of 256 px of train, R, G, B in [0, 1] (date A, then date B).
mean = [0.175656, 0.207904, 0.203985, 0.205953, 0.220245, 0.212459]
std = [0.049154, 0.044471, 0.038774, 0.045972, 0.037465, 0.029996]
data_preprocessor = dict(mean=[255 * value for value in mean], std=[255 * value for value in std])

train_dataloader = dict(dataset=dict(type='S2LookingDataset', data_root=data_root))
val_dataloader = dict(dataset=dict(type='S2LookingDataset', data_root=data_root))
test_dataloader = dict(dataset=dict(type='S2LookingDataset', data_root=data_root))
