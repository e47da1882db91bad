from .head import Head as Head
from .metrics import prediction_variance as prediction_variance
from .registry import task_of as task_of
from .task import Task as Task
from .translation import encoded_targets as encoded_targets
from .translation import language_code as language_code
