"""The report's sections about every triple, teacher and failure, whatever the study asks."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
