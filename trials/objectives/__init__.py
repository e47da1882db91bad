"""What a trial learns from: rows, the teacher's outputs, and the loss that they make."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
