"""Everything that configs name; three of the four packages below end without a newline, as Open-CD's do."""

from .backbones import *
from .change_detectors import *
from .data_preprocessor import *
from .decode_heads import *
from .losses import *
from .necks import *
