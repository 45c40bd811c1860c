"""``python -m smtpcreds``, and the program itself."""

import os
import signal
from typing import NoReturn


def main() -> NoReturn:
    """Run the program; Ctrl-C while it is still being loaded ends it without a traceback."""
    previous = signal.getsignal(signal.SIGINT)
    if previous is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from .cli import main as run
    from .cli.session import COMPLETE

    signal.signal(signal.SIGINT, previous)
    try:
        run()
    except SystemExit as end:
        if COMPLETE in os.environ:  # whoever pressed Tab waits for no destructors
            os._exit(int(end.code or 0))
        raise


if __name__ == "__main__":
    main()
