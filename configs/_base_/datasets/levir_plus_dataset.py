# LEVIR-CD+: 637 / 348 pairs of 1024 px; 64 of the 637 are held out for validation by splits/{train,val}.txt.
_base_ = './levir_dataset.py'

data_root = 'data/LEVIR-CD+'

# Statistics of the 10192 tiles of 256 px of train, R, G, B in [0, 1] (date A, then date B).
mean = [0.446480, 0.442535, 0.377722, 0.341493, 0.334707, 0.285607]
std = [0.173938, 0.164157, 0.152074, 0.128414, 0.124891, 0.117564]
data_preprocessor = dict(mean=[255 * value for value in mean], std=[255 * value for value in std])

train_dataloader = dict(dataset=dict(type='LEVIRCDPlusDataset', data_root=data_root))
val_dataloader = dict(dataset=dict(type='LEVIRCDPlusDataset', data_root=data_root))
test_dataloader = dict(dataset=dict(type='LEVIRCDPlusDataset', data_root=data_root))
