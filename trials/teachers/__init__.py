"""Teachers: their preparation for a data set, their cached outputs and attention maps."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
