from .comparison import open_studies as open_studies
from .comparison import write_comparison as write_comparison
