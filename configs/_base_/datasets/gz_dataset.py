# GZ-CD: 19 large pairs cut to 256 px tiles, split by source image (the data set's class says how).
_base_ = './levir_dataset.py'

data_root = 'data/GZ-CD'

# ImageNet's statistics for both dates: replace them with those of your training list, printed by
#   python tools/dataset_tools/stats.py data/GZ-CD --list data/GZ-CD/splits/train.txt
data_preprocessor = dict(mean=[123.675, 116.28, 103.53] * 2, std=[58.395, 57.12, 57.375] * 2)

train_dataloader = dict(dataset=dict(type='GZCDDataset', data_root=data_root))
val_dataloader = dict(dataset=dict(type='GZCDDataset', data_root=data_root))
test_dataloader = dict(dataset=dict(type='GZCDDataset', data_root=data_root))
