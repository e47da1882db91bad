from .exported_student import model_card as model_card
from .exported_student import trial_to_export as trial_to_export
from .optuna_mirror import OptunaMirror as OptunaMirror
from .optuna_mirror import mirror_while_running as mirror_while_running
from .optuna_mirror import open_optuna_storage as open_optuna_storage
from .study_status import read_status as read_status
from .study_status import read_work_left as read_work_left
