# Fine-tuning validates and saves the averaged weights; pre-training uses the current weights without averaging.
_base_ = './schanger.py'

default_hooks = dict(checkpoint=dict(save_best='changed/F1', rule='greater'))
custom_hooks = [
    # decay 0.9998 every 8 iterations, batch-norm statistics included
    dict(type='EMAHook', ema_type='ForeachEMA', momentum=2e-4, interval=8, update_buffers=True),
    dict(type='LoadReportHook', expected_new=['decode_head.attention_fusion', 'decode_head.side_fusion']),
]
