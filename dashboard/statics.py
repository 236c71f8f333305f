"""Static files, which may change under a running server: an update in place, an editor."""

from __future__ import annotations

import os
from typing import Any

from whitenoise.middleware import WhiteNoiseMiddleware
from whitenoise.responders import MissingFileError


class StaticFiles(WhiteNoiseMiddleware):  # type: ignore[misc]
    """WhiteNoise looks at files once, at start, and would go on to announce the length that one had then.

    A browser waits for ever for the end of a file that has become shorter. So each is looked at again when asked for.
    """

    def __call__(self, request: Any) -> Any:
        file = self.files.get(request.path_info)
        if file is not None and file.stamp != _stamp(file.source):
            try:
                self.files[request.path_info] = self.get_static_file(file.source, request.path_info)
            except MissingFileError:
                del self.files[request.path_info]
        return super().__call__(request)

    def get_static_file(self, path: str, url: str, stat_cache: Any = None) -> Any:
        stamp = _stamp(path)  # before it is read: what changes in between is seen the next time
        file = super().get_static_file(path, url, stat_cache)
        file.source, file.stamp = path, stamp
        return file

    def add_cache_headers(self, headers: Any, path: str, url: str) -> None:
        """What is vendored has its version in its name: it is not asked for again for a day."""
        super().add_cache_headers(headers, path, url)
        if url.startswith(f"{self.static_prefix}vendor/"):
            headers["Cache-Control"] = "max-age=86400, public"


def _stamp(path: str) -> tuple[int, int] | None:
    """When the file was changed, and how long it is; None when it is gone."""
    try:
        seen = os.stat(path)  # noqa: PTH116 - as WhiteNoise does, for every request
    except OSError:
        return None
    return seen.st_mtime_ns, seen.st_size
