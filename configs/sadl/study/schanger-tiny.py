# Part of `make study`: fine-tune the tiny SChanger.
#   python tools/train.py configs/sadl/study/schanger-tiny.py
_base_ = '../../schanger/demo.py'

load_from = None
model = dict(decode_head=dict(init_cfg=None))  # the authors' start, with which the protocol was fixed
# The length is fixed and no checkpoint is selected, so the single evaluation at the end may use the test pairs.
val_dataloader = dict(dataset=dict(split='test'))
train_cfg = dict(max_iters=160, val_interval=160)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0, end=16),
    dict(type='CosineAnnealingLR', eta_min_ratio=1e-6, by_epoch=False, begin=16, end=160),
]
default_hooks = dict(
    checkpoint=dict(interval=160, save_best=None, rule=None), logger=dict(interval=40))
# SaDL trains no side convolutions and no fusions
custom_hooks = [
    dict(type='EMAHook', ema_type='ForeachEMA', momentum=0.05, interval=1, update_buffers=True),
    dict(type='LoadReportHook', expected_new=['decode_head']),
]
