# UniMatch V1 (arXiv 2208.09910): (L_x + 0.25 L_s1 + 0.25 L_s2 + 0.5 L_fp) / 2. CutMix from a second half of unlabelled
# pairs, so the data loader needs sampler=dict(ratio=2); the weak view once more, with half of its fused features
# dropped.
semi = dict(
    type='UniMatch',
    threshold=0.95,
    partner='second',
    strong_weight=0.25,
    feature_weight=0.5,
    feature_rate=0.5,
    complementary=False,
    teacher='self')
