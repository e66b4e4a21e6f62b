"""Decode heads."""

from schanger_mm.models.decode_heads.map_dpt_head import MapDPTHead
from schanger_mm.models.decode_heads.semantic_change_head import SemanticChangeHead
from schanger_mm.models.decode_heads.spatial_consistency_head import SpatialConsistencyHead

__all__ = ['MapDPTHead', 'SemanticChangeHead', 'SpatialConsistencyHead']
