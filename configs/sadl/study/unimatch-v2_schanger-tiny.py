# Part of `make study`: fine-tune the tiny SChanger on few labelled pairs and the others without their labels.
#   python tools/train.py configs/sadl/study/unimatch-v2_schanger-tiny.py
# As many iterations as schanger-tiny.py, each with as many labelled pairs, and as many unlabelled ones in three views.
_base_ = [
    '../../_base_/datasets/unlabelled_views.py',
    '../../_base_/semi/unimatch_v2.py',
    './schanger-tiny.py',
]

data_root = 'demo_out/data'
unlabelled_pipeline = _base_.unlabelled_pipeline
unlabelled_pipeline[0]['cache_dir'] = None
unlabelled_pipeline[3]['transforms'][1]['size'] = (64, 64)
unlabelled_pipeline[3]['transforms'][2]['crop_size'] = (64, 64)
train_dataloader = dict(
    batch_size=16,
    sampler=dict(_delete_=True, type='SemiSampler', ratio=1),
    dataset=dict(
        _delete_=True,
        type='SemiDataset',
        labelled=dict(
            type='DemoDataset', data_root=data_root, split='train', ann_file='splits/train_20.txt',
            pipeline=_base_.train_pipeline),
        unlabelled=dict(
            type='DemoDataset', data_root=data_root, split='train', ann_file='splits/unlabelled_20.txt',
            pipeline=unlabelled_pipeline)))
