# The supervised control: the same encoder learns to segment buildings, on the same images and schedule.
#   python tools/train.py configs/sadl/supervised_r18-fpn_inria.py
_base_ = [
    '../_base_/models/fpn-cd_resnet18.py',
    '../_base_/datasets/inria_256_dataset.py',
    '../_base_/schedules/sadl.py',
    '../_base_/default_runtime.py',
]

model = dict(
    num_dates=1,
    backbone=dict(init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet18')),
    neck=dict(type='TopDownFPN'),
    test_cfg=dict(_delete_=True, mode='whole'))
# The encoder must see the same values as in SaDL: values in [0, 1], normalised with mean and std 0.5.
data_preprocessor = dict(mean=[127.5] * 3, std=[127.5] * 3)
# SaDL augments whole batches in the model; this control applies flips and colours of the same strength here.
train_pipeline = [
    *_base_.train_pipeline[:3],
    dict(type='mmseg.RandomFlip', prob=0.5, direction=['horizontal', 'vertical', 'diagonal']),
    dict(
        type='RandomApply',
        prob=0.8,
        transforms=[dict(type='ColourJitter', brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1)]),
    dict(type='mmseg.PackSegInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
