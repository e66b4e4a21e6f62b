# TFM as a plain difference, date A minus date B, instead of a convolution.
#   python tools/train.py configs/schanger/ablations/difference.py
_base_ = '../levir_small.py'

model = dict(decode_head=dict(temporal_fusion=dict(mode='diff')))
