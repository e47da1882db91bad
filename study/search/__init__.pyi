from .fingerprints import Fingerprints as Fingerprints
from .first_trials import kind_of as kind_of
from .pieces_of_work import work_name as work_name
from .speculation import Speculation as Speculation
from .stages import stage as stage
from .study_search import StudySearch as StudySearch
from .study_search import TripleSearch as TripleSearch
from .study_search import load_search as load_search
