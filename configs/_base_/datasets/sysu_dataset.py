# SYSU-CD: 12000 / 4000 / 4000 pairs of 256 px.
_base_ = './levir_dataset.py'

data_root = 'data/SYSU-CD'

# Statistics of the training images, R, G, B in [0, 1] (date A, then date B).
mean = [0.396596, 0.528462, 0.465400, 0.402024, 0.487661, 0.398957]
std = [0.202135, 0.158112, 0.152967, 0.182353, 0.156828, 0.154372]
data_preprocessor = dict(mean=[255 * value for value in mean], std=[255 * value for value in std])

train_dataloader = dict(dataset=dict(type='SYSUCDDataset', data_root=data_root))
val_dataloader = dict(dataset=dict(type='SYSUCDDataset', data_root=data_root))
test_dataloader = dict(dataset=dict(type='SYSUCDDataset', data_root=data_root))
