from .label_matching import match_labels as match_labels
from .label_matching import set_label_names as set_label_names
from .loading import load_dataset_splits as load_dataset_splits
from .tokenized_data import InputsChanged as InputsChanged
from .tokenized_data import TokenizedData as TokenizedData
from .tokenized_data import load_tokenized as load_tokenized
from .transfer_sets import rows_per_class as rows_per_class
