# UniMatch V2 around SChanger-small on your own pairs, few of them with labels:
#   python tools/train.py configs/semi/unimatch-v2_custom.py
# Expects data/custom/{A,B}, data/custom/label with the labels that exist, and the lists that this writes:
#   python tools/dataset_tools/split.py data/custom/A --labels data/custom/label --val 5 --test 5 \
#       --out data/custom/splits
# Other folders: docs/own_pairs.md. To start from pre-trained weights: load_from=FILE.
_base_ = [
    '../_base_/datasets/unlabelled_views.py',
    '../_base_/semi/unimatch_v2.py',
    '../schanger/custom.py',
]

data_root = 'data/custom'
train_pipeline = _base_.train_pipeline
train_pipeline[2]['transforms'].insert(1, dict(type='PadToSize', size=(96, 96)))  # after the crop, for small images
unlabelled_pipeline = _base_.unlabelled_pipeline
unlabelled_pipeline[3]['transforms'][1]['size'] = (96, 96)
unlabelled_pipeline[3]['transforms'][2]['crop_size'] = (96, 96)
unlabelled_pipeline[3]['transforms'][3]['direction'] = ['horizontal', 'vertical', 'diagonal']
train_dataloader = dict(
    batch_size=32,
    sampler=dict(_delete_=True, type='SemiSampler', ratio=1),
    dataset=dict(
        _delete_=True,
        type='SemiDataset',
        labelled=dict(
            type='FolderCDDataset', data_root=data_root, ann_file='splits/labelled.txt',
            pipeline=train_pipeline),
        unlabelled=dict(
            type='FolderCDDataset', data_root=data_root, ann_file='splits/unlabelled.txt',
            pipeline=unlabelled_pipeline)))
val_dataloader = dict(
    dataset=dict(
        _delete_=True, type='FolderCDDataset', data_root=data_root, ann_file='splits/val.txt',
        pipeline=_base_.test_pipeline, test_mode=True))
test_dataloader = dict(
    dataset=dict(
        _delete_=True, type='FolderCDDataset', data_root=data_root, ann_file='splits/test.txt',
        pipeline=_base_.test_pipeline, test_mode=True))
