"""What can go wrong, as exceptions. Every one has a stable code, and a message that says what to do."""


class TenonError(Exception):
    """Base of all errors. `code` is stable ("TN0904"), `message` is for people."""

    def __init__(self, code: str, message: str):
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message

    def __reduce__(self):
        return type(self), (self.code, self.message)


class CompileError(TenonError):
    """The model is bad or unsupported, an option is malformed, or the compiler is missing.

    `node` names the node of the model, or is "". `diagnostics` holds all of them as (code, message, node), this one
    first."""

    def __init__(self, code: str, message: str, node: str = "", diagnostics: list[tuple[str, str, str]] | None = None):
        super().__init__(code, message if not node or node in message else f"{message} (node '{node}')")
        self.message = message
        self.node = node
        self.diagnostics = diagnostics or [(code, message, node)]

    def __reduce__(self):
        return type(self), (self.code, self.message, self.node, self.diagnostics)


class PackageError(TenonError):
    """A package that is damaged, made by another version, or without code for this CPU."""


class RunError(TenonError):
    """Wrong inputs or outputs, or a failure while running."""


class CompileWarning(UserWarning):
    """What the compiler had to say about a model that it compiled."""
