"""Text that others wrote, for a terminal, which obeys what its control characters say."""


def printable(text: str) -> str:
    r"""Return the text with control characters escaped, such as `\x1b`; line feeds and tabs stay."""
    return "".join(char if char.isprintable() or char in "\n\t" else repr(char)[1:-1] for char in text)


def in_line(text: str) -> str:
    r"""Return the text with all control characters escaped, line feeds (`\n`) and tabs among them."""
    return printable(text).replace("\n", r"\n").replace("\t", r"\t")
