"""The result of each triple of a study, and whether differences are beyond chance."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
