from .registry import lesson_of as lesson_of
from .shared_rows import Learner as Learner
