# Pre-train SChanger-small on Inria, the paper's settings:
#   python tools/train.py configs/schanger/pretrain_inria_small.py
_base_ = './pretrain_inria.py'

model = dict(backbone=dict(arch='small'), decode_head=dict(arch='small'))
