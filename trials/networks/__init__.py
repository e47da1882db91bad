"""Networks: how a model is computed, by the packed encoder, by Transformers, or as an LSTM."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
