"""The report's sections about single test examples: which of them are lost (paper B, section 7)."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
