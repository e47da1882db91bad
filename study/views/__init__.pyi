from .exported_student import chosen_trial as chosen_trial
from .exported_student import model_card as model_card
from .optuna_mirror import Mirror as Mirror
from .optuna_mirror import mirrored as mirrored
from .optuna_mirror import open_storage as open_storage
from .study_status import read_left as read_left
from .study_status import read_status as read_status
