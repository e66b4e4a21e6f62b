# SChanger-small on CDD, the paper's settings:
#   python tools/train.py configs/schanger/cdd_small.py
# Needs data/CDD and pre-trained weights (configs/schanger/pretrain_inria_small.py).
_base_ = './cdd.py'

model = dict(backbone=dict(arch='small'), decode_head=dict(arch='small'))
load_from = 'work_dirs/pretrain_inria_small/iter_1124000.pth'
