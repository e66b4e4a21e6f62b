# Fine-tuning validates and keeps the averaged weights; pre-training exports the live ones.
_base_ = './schanger.py'

default_hooks = dict(checkpoint=dict(save_best='changed/F1', rule='greater'))
custom_hooks = [
    # decay 0.9998 every 8 iterations, batch-norm statistics included
    dict(type='EMAHook', momentum=2e-4, interval=8, update_buffers=True),
    dict(type='LoadReportHook', expected_new=['decode_head.attention_fusion', 'decode_head.side_fusion']),
]
