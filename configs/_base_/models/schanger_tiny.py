# A SChanger small enough to learn the drawn demo scenes on two CPU cores in minutes; not in the paper. Its maps start
# as those of custom.py, which is for short trainings, too.
_base_ = './schanger_base.py'

arch = (8, 8, 12, 16, 20, 24)
model = dict(
    backbone=dict(arch=arch, drop_rate=0.0),
    decode_head=dict(
        arch=arch,
        drop_rate=0.0,
        init_cfg=[
            dict(type='Normal', std=0.01, bias=-2.0, override=dict(name='side_convs')),
            dict(type='Constant', val=0.2, override=dict(name='conv_seg')),
        ]))
