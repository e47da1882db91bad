"""The report's sections about named configurations, such as learning a teacher's layers: paper C's questions."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
