# SChanger-small on few labelled pairs; one of the trainings of schanger compare, which sets data, length and start:
#   python tools/compare.py --train DIR --val DIR --arms scratch
#   python tools/train.py configs/few_labels/finetune_schanger.py      (alone, on data/custom)
# The recipe is custom.py's. No checkpoint is selected: the last one is scored.
_base_ = '../schanger/custom.py'

train_cfg = dict(val_interval=200)
default_hooks = dict(checkpoint=dict(interval=50, save_best=None, rule=None))  # a kill costs 50 iterations at most
custom_hooks = [
    dict(type='EMAHook', ema_type='ForeachEMA', memory=0.02, momentum=5e-3, interval=1, update_buffers=True),
    dict(type='TrainingTimeHook'),
    dict(type='LoadReportHook', expected_new=['decode_head']),  # SaDL trains no side convolutions and no fusions
]
