"""Files of a simulated node: plain ones, and trees that a subsystem answers for (sysfs, proc)."""

from __future__ import annotations

import errno
import os
import posixpath
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Protocol

from hastore.hosts.operations import Entry
from hastore.model.errors import NotSimulated

_KERNEL_PREFIXES = ("/sys/", "/proc/", "/dev/")


def refuse(code: int, path: str = "") -> OSError:
    """Return the OSError for an errno, ready to be raised."""
    return OSError(code, os.strerror(code), path)


class Mounted(Protocol):
    """What answers for every path below a prefix; paths are relative to it, `""` is the prefix itself.

    Each method raises OSError with the errno that the kernel would give.
    """

    def read(self, path: str, /) -> bytes:
        """Return a file's content."""
        ...

    def write(self, path: str, content: bytes, /) -> None:
        """Take what one system call writes to a file."""
        ...

    def tree(self, path: str, /) -> Mapping[str, Entry]:
        """Return all entries below a directory: path below it -> entry, parents before children."""
        ...


class FileSystem:
    """Plain files (path -> bytes) that survive a reboot, and mounted handlers.

    Directories of plain files exist where a file lies below them or `directories` names them. A path below
    /sys, /proc or /dev that nobody answers for raises NotSimulated, unless `absent` names it or a parent.
    """

    def __init__(self, owner: str) -> None:
        self.owner = owner
        self.files: dict[str, bytes] = {}
        self.modes: dict[str, int] = {}
        self.directories: set[str] = set()
        self.absent: set[str] = set()
        self.mounts: dict[str, Mounted] = {}

    def mount(self, prefix: str, handler: Mounted) -> None:
        """Let a handler answer for a prefix."""
        self.mounts[prefix] = handler

    def unmount(self, prefix: str) -> None:
        """Take a handler away; what it answered for is absent from now on."""
        self.mounts.pop(prefix, None)
        self.absent.add(prefix)

    def exists(self, path: str) -> bool:
        """Tell whether a plain file, directory or mounted path is there."""
        found = self._mounted(path)
        if found is None:
            return path in self.files or self._is_directory(path)
        handler, below = found
        try:
            handler.read(below)
        except OSError as error:
            return error.errno != errno.ENOENT
        return True

    def read(self, path: str) -> bytes:
        """Return a file's content; OSError with ENOENT, EISDIR or what the handler says."""
        found = self._mounted(path)
        if found is not None:
            handler, below = found
            return handler.read(below)
        if path in self.files:
            return self.files[path]
        if self._is_directory(path):
            raise refuse(errno.EISDIR, path)
        self._check_known(path)
        raise refuse(errno.ENOENT, path)

    def write(self, path: str, content: bytes, mode: int = 0o644) -> None:
        """Write a plain file whole, or a mounted one in one system call."""
        found = self._mounted(path)
        if found is not None:
            handler, below = found
            handler.write(below, content)
            return
        self._check_known(path)
        if self._is_directory(path):
            raise refuse(errno.EISDIR, path)
        if not self._is_directory(posixpath.dirname(path)):
            raise refuse(errno.ENOENT, path)
        self.files[path] = content
        self.modes[path] = mode

    def write_in_place(self, path: str, content: bytes) -> None:
        """Write to a file that is there, as to an attribute; OSError ENOENT where it is not."""
        if self._mounted(path) is None and path not in self.files:
            self.read(path)
        self.write(path, content, self.modes.get(path, 0o644))

    def add(self, path: str, content: bytes | str, mode: int = 0o644) -> None:
        """Put a plain file there with the directories above it; for setting up a world."""
        self.files[path] = content.encode() if isinstance(content, str) else content
        self.modes[path] = mode

    def remove(self, path: str) -> None:
        """Remove a plain file; OSError ENOENT where there is none."""
        if path not in self.files:
            raise refuse(errno.ENOENT, path)
        del self.files[path]

    def tree(self, path: str, skip: tuple[str, ...] = ()) -> dict[str, Entry]:
        """Return all entries below a directory, without those whose path below it matches `skip` (fnmatch)."""
        root = path.rstrip("/")
        found = self._mounted(root)
        if found is not None:
            handler, below = found
            entries = handler.tree(below)
        else:
            entries = self._plain_tree(root)
        return {name: entry for name, entry in entries.items() if not _skipped(name, skip)}

    def _plain_tree(self, root: str) -> dict[str, Entry]:
        if not self._is_directory(root):
            if root in self.files:
                raise refuse(errno.ENOTDIR, root)
            self._check_known(root)
            raise refuse(errno.ENOENT, root)
        entries: dict[str, Entry] = {}
        names = [*self.files, *self.directories]
        for full in sorted(name for name in names if name.startswith(root + "/")):
            parts = full[len(root) + 1 :].split("/")
            for depth in range(1, len(parts)):
                entries.setdefault("/".join(parts[:depth]), Entry("dir", mode=0o755))
            below = "/".join(parts)
            if full in self.files:
                entries[below] = Entry("file", self.files[full], mode=self.modes.get(full, 0o644))
            else:
                entries.setdefault(below, Entry("dir", mode=0o755))
        return entries

    def _mounted(self, path: str) -> tuple[Mounted, str] | None:
        for prefix in sorted(self.mounts, key=len, reverse=True):
            if path == prefix or path.startswith(prefix + "/"):
                return self.mounts[prefix], path[len(prefix) + 1 :]
        return None

    def _is_directory(self, path: str) -> bool:
        below = path.rstrip("/") + "/"
        return path in self.directories or path in {"", "/"} or any(name.startswith(below) for name in self.files)

    def _check_known(self, path: str) -> None:
        if not path.startswith(_KERNEL_PREFIXES):
            return
        if any(path == gone or path.startswith(gone + "/") for gone in self.absent):
            return
        msg = f"the simulator does not know the file {path}"
        raise NotSimulated(msg, host=self.owner)


def _skipped(name: str, skip: tuple[str, ...]) -> bool:
    parts = name.split("/")
    heads = ["/".join(parts[: depth + 1]) for depth in range(len(parts))]
    return any(fnmatchcase(head, pattern) for head in heads for pattern in skip)
