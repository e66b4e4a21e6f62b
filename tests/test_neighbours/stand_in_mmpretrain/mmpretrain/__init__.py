"""Stand-in for mmpretrain, which needs torchvision: a registry and one backbone by its arguments."""
