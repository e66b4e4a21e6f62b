# SChanger-small on S2Looking, the paper's settings:
#   python tools/train.py configs/schanger/s2looking_small.py
# Needs data/S2Looking and pre-trained weights (configs/schanger/pretrain_inria_small.py).
_base_ = './s2looking.py'

model = dict(backbone=dict(arch='small'), decode_head=dict(arch='small'))
load_from = 'work_dirs/pretrain_inria_small/iter_1124000.pth'
