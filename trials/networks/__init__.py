"""Networks: how a model is computed, packed or by Transformers' own forward."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
