from .registry import initial_student as initial_student
from .registry import source_fingerprint as source_fingerprint
from .registry import tokenizer_folder as tokenizer_folder
