"""Servers of the tests' own, each in a thread."""

import socketserver
import threading


class Server(socketserver.ThreadingTCPServer):
    """Serves until it is closed; make it inside the network it shall serve."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], handler: type[socketserver.BaseRequestHandler]) -> None:
        super().__init__(address, handler)
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True)

    def start(self) -> None:
        """Begin to serve; what the handler needs is there by now."""
        self._thread.start()

    def close(self) -> None:
        """Stop serving."""
        self.shutdown()
        self._thread.join()
        self.server_close()
