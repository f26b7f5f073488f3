"""What can go wrong in a node, each with a message of one line for a person."""


class NodeDocumentError(ValueError):
    """The node document, or what it refers to, cannot be read or is not valid."""


class NodeFailed(RuntimeError):
    """The node cannot do its work."""


class WrongVersions(NodeFailed):
    """The machine has other versions than its fleet; trying again does not mend it."""


class NodeStopped(BaseException):
    """The node was told to stop while it started; no `Exception`, so that no library takes it for a failure."""


class NotYet(Exception):
    """What may well succeed when it is tried again: the reason, and what a person can do if it goes on."""

    def __init__(self, reason: str, remedy: str, kind: str | None = None) -> None:
        super().__init__(reason)
        self.reason = one_line(reason)
        self.remedy = one_line(remedy)
        self.kind = kind or self.reason
        """Failures of one kind are told once."""


def one_line(text: str) -> str:
    """The text without line breaks and control characters."""
    return "".join(each if each.isprintable() else " " for each in text)
