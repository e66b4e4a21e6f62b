# Part of `make study`: pre-train the tiny SChanger on the drawn building masks.
#   python tools/train.py configs/sadl/study/supervised_scn-tiny.py
_base_ = '../../schanger/pretrain_demo.py'

model = dict(decode_head=dict(init_cfg=None))  # the authors' start, with which the protocol was fixed
train_cfg = dict(max_iters=300, val_interval=300)  # one evaluation at the end, for the log
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0, end=30),
    dict(type='CosineAnnealingLR', eta_min_ratio=1e-6, by_epoch=False, begin=30, end=300),
]
default_hooks = dict(checkpoint=dict(interval=300))
