from .objective import StudentObjective as StudentObjective
from .registry import make_objective as make_objective
