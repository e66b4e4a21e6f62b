# SChanger-small on your own pairs; docs/own_pairs.md shows the config to write for them.
#   python tools/train.py configs/schanger/custom.py --cfg-options train_dataloader.dataset.data_root=DIR \
#       val_dataloader.dataset.data_root=DIR test_dataloader.dataset.data_root=DIR
# Expects DIR/{train,val,test}/{A,B,label}; set other names with before=, after=, label=; lists: ann_file=, list_split=.
# To start from pre-trained weights: load_from=FILE. Needs about 7 GiB of memory in float32; more or larger crops need
# 2.6 GiB per 256 px pair. For a longer run: --max-iters N.
# On a CPU, with objects of 20 px and more: model.backbone.stride=2 works at half resolution, with a quarter of the time
# and a third of the memory; on LEVIR-CD pairs, F1 74 instead of 64 after 45 minutes of a core (docs/few_labels.md).
_base_ = './levir_small.py'

load_from = None

# The same statistics for both dates (ImageNet's): a reasonable default for any data set.
# tools/dataset_tools/stats.py prints those of your images.
data_preprocessor = dict(
    mean=[123.675, 116.28, 103.53] * 2,
    std=[58.395, 57.12, 57.375] * 2)

train_pipeline = _base_.train_pipeline
# Many small crops: docs/few_labels.md compares sizes. They are drawn again, up to 10 times, while more than 92 % of
# their pixels are unchanged.
train_pipeline[2]['transforms'][0].update(crop_size=(96, 96), cat_max_ratio=0.92)
train_dataloader = dict(
    batch_size=16,
    dataset=dict(
        _delete_=True, type='FolderCDDataset', data_root='data/custom', before='train/A', after='train/B',
        label='train/label', pipeline=train_pipeline))
val_dataloader = dict(
    dataset=dict(
        _delete_=True, type='FolderCDDataset', data_root='data/custom', before='val/A', after='val/B',
        label='val/label', pipeline=_base_.test_pipeline, test_mode=True))
test_dataloader = dict(
    dataset=dict(
        _delete_=True, type='FolderCDDataset', data_root='data/custom', before='test/A', after='test/B',
        label='test/label', pipeline=_base_.test_pipeline, test_mode=True))

# Short trainings end before dropout pays, and before the authors' initial logits, of 2 to 12 with random signs, are
# forgotten: here all maps start at a probability of 0.12, and the final one is the mean of the side logits.
model = dict(
    backbone=dict(drop_rate=0.0),
    decode_head=dict(
        drop_rate=0.0,
        init_cfg=[
            dict(type='Normal', std=0.01, bias=-2.0, override=dict(name='side_convs')),
            dict(type='Constant', val=0.2, override=dict(name='conv_seg')),
        ]))

# Thousands of iterations instead of hundreds of thousands need a larger learning rate, even larger for the
# fusion of the side logits, which the authors initialise from N(0, sqrt 2).
optim_wrapper = dict(
    optimizer=dict(lr=4e-3),
    paramwise_cfg=dict(custom_keys={'decode_head.conv_seg': dict(lr_mult=5.0)}))
train_cfg = dict(max_iters=3000, val_interval=300)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0, end=150),
    dict(type='CosineAnnealingLR', eta_min_ratio=1e-6, by_epoch=False, begin=150, end=3000),
]
default_hooks = dict(checkpoint=dict(interval=300), logger=dict(interval=20))
custom_hooks = [
    # The average remembers a fiftieth of the iterations so far, 200 at most: right for a run of any length.
    dict(type='EMAHook', ema_type='ForeachEMA', memory=0.02, momentum=5e-3, interval=1, update_buffers=True),
    dict(type='LiveWeightsHook'),
    dict(type='LoadReportHook', expected_new=['decode_head.attention_fusion', 'decode_head.side_fusion']),
]
