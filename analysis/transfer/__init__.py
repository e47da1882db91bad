"""The report's sections about students that learn from few labels and a transfer set: paper D's questions."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
