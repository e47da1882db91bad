from .figures import row_name as row_name
from .sections import SECTIONS as SECTIONS
from .tables import CONFIGURATION as CONFIGURATION
from .tables import METRIC as METRIC
from .tables import TASK as TASK
from .tables import outcome_columns as outcome_columns
from .tables import triple_columns as triple_columns
from .words import TEST as TEST
