# WHU-CD cut to 256 px in SemiCD's RANDOM split of 5947 / 743 / 744 pairs, not SChanger's of 4536 / 504 / 2760.
_base_ = './levir256_semi_dataset.py'

data_root = 'data/WHU-CD-256'
lists = '{{ fileDirname }}/../../semi/lists/whu256'

# Statistics of SChanger's training split, R, G, B in [0, 1] (date A, then date B).
mean = [0.490689, 0.449112, 0.393020, 0.491401, 0.490355, 0.469809]
std = [0.143358, 0.138292, 0.137560, 0.181708, 0.171959, 0.178498]
data_preprocessor = dict(mean=[255 * value for value in mean], std=[255 * value for value in std])

train_dataloader = dict(
    dataset=dict(
        labelled=dict(data_root=data_root, ann_file=lists + '_labeled_{percent}.txt'),
        unlabelled=dict(data_root=data_root, ann_file=lists + '_train.txt')))
val_dataloader = dict(dataset=dict(data_root=data_root, ann_file=lists + '_val.txt'))
test_dataloader = dict(dataset=dict(data_root=data_root, ann_file=lists + '_test.txt'))
