# Without spatial consistency: each date is gated by an attention map of its own.
#   python tools/train.py configs/schanger/ablations/own_attention.py
_base_ = '../levir_small.py'

model = dict(decode_head=dict(share_attention=False))
