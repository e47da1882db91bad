from .check_cache import CheckCache as CheckCache
from .study_checks import check_study as check_study
