# Pre-train a tiny SChanger on the drawn single images (`make demo` runs it):
#   python tools/train.py configs/schanger/pretrain_demo.py
# Needs demo_out/data, which tools/demo.py draws.
_base_ = [
    '../_base_/models/schanger_tiny.py',
    '../_base_/datasets/demo_buildings_dataset.py',
    '../_base_/schedules/schanger.py',
    '../_base_/default_runtime.py',
]

model = dict(test_cfg=dict(_delete_=True, mode='whole'))

# Hundreds of iterations instead of hundreds of thousands need a larger learning rate, even larger for the fusion of the
# side logits.
optim_wrapper = dict(
    optimizer=dict(lr=1.6e-2),
    paramwise_cfg=dict(custom_keys={'decode_head.conv_seg': dict(lr_mult=5.0)}))
train_cfg = dict(type='IterBasedTrainLoop', max_iters=400, val_interval=100)
test_cfg = None
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0, end=40),
    dict(type='CosineAnnealingLR', eta_min_ratio=1e-6, by_epoch=False, begin=40, end=400),
]
default_hooks = dict(checkpoint=dict(interval=400), logger=dict(interval=20))
