"""The search of a whole study: the trials to run next, given the records so far."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
