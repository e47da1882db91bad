"""The comparison of several studies: what their searches find on the same triples, with how many trials."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
