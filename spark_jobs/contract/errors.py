"""The errors that users see: one line that says what to do. Every command ends with exit code 1 on them."""

from __future__ import annotations


class ChurnError(Exception):
    """A problem that the person who runs the command can solve."""


#: The end of every TransientError's message; an orchestrator retries a task whose last line ends so.
TRY_AGAIN = "; a later try may succeed"


class TransientError(ChurnError):
    """The request is valid, but a server was unavailable or another run was faster."""

    def __init__(self, message: str):
        super().__init__(message.removesuffix(TRY_AGAIN) + TRY_AGAIN)


class ShopFileError(ChurnError):
    """An invalid shop.toml; the message lists all faults, one per line."""


class AuditError(ChurnError):
    """The output of a job violates its table's contract; nothing was published."""

    def __init__(self, table: str, as_of: object, findings: list[str]):
        self.table, self.as_of, self.findings = table, as_of, findings
        super().__init__(f"{table} as of {as_of} not published: " + "; ".join(findings))


class MissingInputError(ChurnError):
    """An input of the job does not exist yet; the message names the command that creates it."""
