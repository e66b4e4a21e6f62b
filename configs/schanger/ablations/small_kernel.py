# Without large kernels: the attention sees 5 x 5 pixels of a level instead of 23 x 23.
#   python tools/train.py configs/schanger/ablations/small_kernel.py
_base_ = '../levir_small.py'

model = dict(decode_head=dict(attention=dict(type='SCLKA', large=False)))
