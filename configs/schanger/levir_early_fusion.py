# SCN -> TFM neck -> head: the dates are fused right after the encoder and decoded once, at about half
# of the decoder's cost. Not the paper's network, but its pre-trained weights fit.
#   python tools/train.py configs/schanger/levir_early_fusion.py
_base_ = './levir.py'

model = dict(
    neck=dict(type='TFM', in_channels=[32, 48, 64, 104, 120]),
    decode_head=dict(temporal_fusion=None))
custom_hooks = [
    dict(type='EMAHook', ema_type='ForeachEMA', momentum=2e-4, interval=8, update_buffers=True),
    dict(type='LoadReportHook', expected_new=['neck']),
]
