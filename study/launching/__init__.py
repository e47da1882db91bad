"""A study on Ray Tune: the launch, its progress, and the causes of stalls."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
