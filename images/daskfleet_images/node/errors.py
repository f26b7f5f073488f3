"""What can go wrong in a node, each with a message of one line for a person."""


class NodeDocumentError(ValueError):
    """The node document, or what it refers to, cannot be read or is not valid."""


class NodeFailed(RuntimeError):
    """The node cannot do its work."""
