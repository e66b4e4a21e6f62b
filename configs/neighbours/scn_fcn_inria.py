# SCN as a backbone for plain segmentation: mmseg's FCNHead finds buildings in single images, on Inria.
#   python tools/train.py configs/neighbours/scn_fcn_inria.py
# Needs data/inria_256 (configs/sadl/sadl_r18-fpn_inria.py shows how to cut it). The head combines strides 4, 8
# and 16. Labels of Inria's own test images are not public: validation and test score the tiles that
# splits/val.txt holds out from the training images.
_base_ = '../sadl/supervised_r18-fpn_inria.py'

model = dict(
    size_divisor=16,
    backbone=dict(_delete_=True, type='SCN', arch='small'),
    neck=None,
    decode_head=dict(in_channels=[40, 48, 48], in_index=[2, 3, 4], input_transform='resize_concat'))

test_pipeline = [
    dict(type='LoadImage'),
    dict(type='LoadChangeLabel'),
    dict(type='mmseg.PackSegInputs'),
]
val_dataloader = dict(
    batch_size=1,
    num_workers=2,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='InriaDataset',
        data_root=_base_.data_root,
        data_prefix=dict(img_path='train/images', seg_map_path='train/gt'),
        ann_file='splits/val.txt',
        pipeline=test_pipeline,
        test_mode=True))
val_evaluator = dict(type='ChangeMetric', prefix='building')
val_cfg = dict(_delete_=True, type='ValLoop')
train_cfg = dict(val_interval=10)
test_dataloader = val_dataloader
test_evaluator = val_evaluator
test_cfg = dict(_delete_=True, type='TestLoop')
