import io

from local.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def shown(stream: io.StringIO) -> str:
    progress = Progress(stream=stream)
    for text in ("0 of 2", "0 of 2", "1 of 2"):
        progress.show(text)
    progress.end()
    return stream.getvalue()


def test_elsewhere_than_on_a_terminal_only_news_is_printed():
    assert shown(io.StringIO()) == "0 of 2\n1 of 2\n"


def test_on_a_terminal_one_line_changes():
    assert shown(Terminal()) == "\r\x1b[K0 of 2 (0 s)\r\x1b[K0 of 2 (0 s)\r\x1b[K1 of 2 (0 s)\n"
