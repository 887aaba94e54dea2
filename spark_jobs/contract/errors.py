"""The errors that people see. Each is one line that says what to do; every command turns it into exit code 1."""

from __future__ import annotations


class ChurnError(Exception):
    """Anything that the person who runs the command can mend."""


#: Ends the line of an error that is not the data's fault: an orchestrator tries again where it reads this.
TRY_AGAIN = "; a later try may succeed"


class TransientError(ChurnError):
    """Nothing is wrong with what was asked for: a server was away, or another run was faster."""

    def __init__(self, message: str):
        super().__init__(message.removesuffix(TRY_AGAIN) + TRY_AGAIN)


class ShopFileError(ChurnError):
    """A shop.toml with faults; the message lists all of them, a line each."""


class AuditError(ChurnError):
    """The output of a job breaks its contract; nothing was published."""

    def __init__(self, table: str, as_of: object, findings: list[str]):
        self.table, self.as_of, self.findings = table, as_of, findings
        super().__init__(f"{table} as of {as_of} not published: " + "; ".join(findings))


class MissingInputError(ChurnError):
    """What a job needs is not there yet; the message names the command that makes it."""
