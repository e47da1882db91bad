"""Data sets read from files, the hub or packages as tables; tokenizers, token ids and word vectors."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
