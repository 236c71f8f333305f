"""Where samples are kept. `open_store` is the door; `base.py` says what every engine does."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

from .base import Aggregate, Retention, Series, Store, StoreError
from .embedded import EmbeddedStore

__all__ = ["Aggregate", "Retention", "Series", "Store", "StoreError", "open_store"]

FILE_NAME = "samples.sqlite3"


def open_store(folder: str | PathLike[str]) -> Store:
    """The store in a data folder, made when it is not there yet.

    Raises StoreError when the folder cannot be written, the file is no store of Weir's,
    or a newer version has written it.
    """
    return EmbeddedStore(Path(folder) / FILE_NAME)
