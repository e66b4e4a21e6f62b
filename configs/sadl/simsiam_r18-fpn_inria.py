# The control without points and classes: SimSiam on whole images, everything else as in SaDL.
#   python tools/train.py configs/sadl/simsiam_r18-fpn_inria.py
_base_ = './sadl_r18-fpn_inria.py'

model = dict(type='SimSiam')
