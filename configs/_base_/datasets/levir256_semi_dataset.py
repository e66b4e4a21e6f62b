# LEVIR-CD cut to 256 px: 7120 / 1024 / 2048 pairs, of the training ones 5, 10, 20 or 40 % with labels (`percent`).
# The archive is that of SemiCD (github.com/wgcban/SemiCD), DIR/{A,B,label}/train_1_1.png; ../../semi/lists names its
# files.
_base_ = ['./levir_dataset.py', './unlabelled_views.py']

data_root = 'data/LEVIR-CD-256'
lists = '{{ fileDirname }}/../../semi/lists/levir256'

# 8 labelled and 8 unlabelled pairs in every batch
train_dataloader = dict(
    batch_size=16,
    sampler=dict(_delete_=True, type='SemiSampler', ratio=1),
    dataset=dict(
        _delete_=True,
        type='SemiDataset',
        percent=5,
        without_labelled=True,
        labelled=dict(
            type='FolderCDDataset',
            data_root=data_root,
            ann_file=lists + '_labeled_{percent}.txt',
            pipeline=_base_.train_pipeline),
        unlabelled=dict(
            type='FolderCDDataset',
            data_root=data_root,
            ann_file=lists + '_train.txt',
            pipeline=_base_.unlabelled_pipeline)))
val_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='FolderCDDataset',
        data_root=data_root,
        ann_file=lists + '_val.txt',
        pipeline=_base_.test_pipeline,
        test_mode=True))
test_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='FolderCDDataset',
        data_root=data_root,
        ann_file=lists + '_test.txt',
        pipeline=_base_.test_pipeline,
        test_mode=True))
