"""Objectives: the rows, targets and loss that a trial's student is trained with."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
