from .record_files import BadFile as BadFile
from .record_files import Ledger as Ledger
from .study_directory import open_study as open_study
from .study_directory import save_study_file as save_study_file
