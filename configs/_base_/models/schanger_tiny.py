# A SChanger small enough to learn the drawn demo scenes on two CPU cores in minutes; not in the paper.
_base_ = './schanger_base.py'

arch = (8, 8, 12, 16, 20, 24)
model = dict(
    backbone=dict(arch=arch, drop_rate=0.0),
    decode_head=dict(arch=arch, drop_rate=0.0))
