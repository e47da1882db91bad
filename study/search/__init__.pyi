from .fingerprints import Fingerprints as Fingerprints
from .pieces_of_work import work_name as work_name
from .search_progress import describe_progress as describe_progress
from .speculation import Speculation as Speculation
from .study_search import StudySearch as StudySearch
from .study_search import TripleSearch as TripleSearch
from .study_search import load_search as load_search
from .timing_trials import cost_class as cost_class
