# SChanger-small on few labelled pairs and many without labels (UniMatch V2); one of the trainings of schanger compare,
# which sets data, length and start:
#   python tools/compare.py --train DIR --val DIR --arms scratch-semi:6
#   python tools/train.py configs/few_labels/semi_schanger.py      (alone, on data/custom)
# An iteration sees 8 labelled and 8 unlabelled pairs of 96 px, the latter in three views. The rest is that of
# finetune_schanger.py.
_base_ = '../semi/unimatch-v2_custom.py'

train_dataloader = dict(batch_size=16)
train_cfg = dict(val_interval=200)
default_hooks = dict(checkpoint=dict(interval=50, save_best=None, rule=None))
custom_hooks = [
    dict(type='EMAHook', ema_type='ForeachEMA', memory=0.02, momentum=5e-3, interval=1, update_buffers=True),
    dict(type='TrainingTimeHook'),
    dict(type='LoadReportHook', expected_new=['decode_head']),
]
