from .passed_checks import Memory as Memory
from .study_checks import preflight as preflight
