dataset_type = 'LEVIR_CD_Dataset'
data_root = 'data/LEVIR-CD'
crop_size = (256, 256)
train_pipeline = [
    dict(type='MultiImgLoadImageFromFile'),
    dict(type='MultiImgLoadAnnotations'),
    dict(type='MultiImgRandomCrop', crop_size=crop_size, cat_max_ratio=0.75),
    dict(type='MultiImgRandomFlip', prob=0.5, direction='horizontal'),
    dict(type='MultiImgPackSegInputs'),
]
test_pipeline = [
    dict(type='MultiImgLoadImageFromFile'),
    dict(type='MultiImgLoadAnnotations'),
    dict(type='MultiImgPackSegInputs'),
]
tta_pipeline = [
    dict(type='MultiImgLoadImageFromFile'),
    dict(type='TestTimeAug', transforms=[
        [dict(type='MultiImgRandomFlip', prob=0., direction='horizontal'),
         dict(type='MultiImgRandomFlip', prob=1., direction='horizontal')],
        [dict(type='MultiImgLoadAnnotations')],
        [dict(type='MultiImgPackSegInputs')]]),
]


def _set(split, pipeline):
    return dict(
        type=dataset_type, data_root=data_root, pipeline=pipeline,
        data_prefix=dict(seg_map_path=f'{split}/label', img_path_from=f'{split}/A', img_path_to=f'{split}/B'))


train_dataloader = dict(
    batch_size=8, num_workers=4, persistent_workers=True, sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=_set('train', train_pipeline))
val_dataloader = dict(
    batch_size=1, num_workers=4, persistent_workers=True, sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=_set('val', test_pipeline))
test_dataloader = dict(
    batch_size=1, num_workers=4, persistent_workers=True, sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=_set('test', test_pipeline))
val_evaluator = dict(type='mmseg.IoUMetric', iou_metrics=['mFscore', 'mIoU'])
test_evaluator = dict(type='mmseg.IoUMetric', iou_metrics=['mFscore', 'mIoU'])
