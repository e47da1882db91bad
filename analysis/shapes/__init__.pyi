from .findings import ShapeFindings as ShapeFindings
from .findings import shape_findings as shape_findings
from .sections import SECTIONS as SECTIONS
