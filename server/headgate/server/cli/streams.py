"""stdin, stdout and stderr, which are there also where whoever started the program has closed them."""

import os
import sys

_STREAMS = (("stdin", "r"), ("stdout", "w"), ("stderr", "w"))


def open_closed_streams() -> None:
    """Let the null device stand in for each that is closed: the next file or socket would get its number.

    What is meant for the stream would then be written into that file, and libuv ends the process when it has to close
    one of these numbers.
    """
    for number, (name, mode) in enumerate(_STREAMS):
        if _is_closed(number):
            null = os.open(os.devnull, os.O_RDWR)
            os.dup2(null, number)
            if null != number:
                os.close(null)
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8", closefd=False))


def _is_closed(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return True
    return False
