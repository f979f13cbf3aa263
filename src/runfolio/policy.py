"""The policy of a writer: what the return of a write promises, who may read its files, what a refused write does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from runfolio.errors import FormatError

if TYPE_CHECKING:
    from pathlib import Path

Durability = Literal["process", "power"]
Access = Literal["owner", "umask"]
OnWriteError = Literal["raise", "warn"]


class Policy(Struct, frozen=True, kw_only=True):
    """How a writer writes.

    `durability`: what was acknowledged survives the end of the `process`, or the loss of `power`, too. `access`: files
    and folders are for their `owner` alone, or for whom the process's `umask` allows. `on_write_error`: what can't be
    written is raised, or counted with a warning.
    """

    durability: Durability = "process"
    access: Access = "owner"
    on_write_error: OnWriteError = "raise"

    @property
    def syncs(self) -> bool:
        """Whether a write is on the disk when it returns."""
        return self.durability == "power"

    @property
    def file_mode(self) -> int:
        """The mode that files are made with."""
        return 0o600 if self.access == "owner" else 0o666

    @property
    def folder_mode(self) -> int:
        """The mode that folders are made with."""
        return 0o700 if self.access == "owner" else 0o777


def access_of(folder: Path) -> Access:
    """Who may read a folder, as it stands. Raises FormatError if the folder can't be asked."""
    try:
        mode = folder.stat().st_mode
    except OSError as error:
        raise FormatError(
            f"{folder} can't be read: {error.strerror}", remedy="see to the cause and try again", file=str(folder)
        ) from error
    return "umask" if mode & 0o077 else "owner"
