"""libgsasl as the server of a SASL exchange: a second hand for every mechanism, with channel bindings."""

import ctypes
from base64 import b64decode, b64encode

OK, NEEDS_MORE = 0, 1
AUTHID, PASSWORD, SERVICE, HOSTNAME, REALM, ITERATIONS, TLS_UNIQUE = 1, 3, 5, 6, 11, 15, 18


class Server:
    """One exchange; `step` takes what the client said, as octets."""

    def __init__(self, mechanism: str, password: str, binding: bytes | None = None) -> None:
        self._library = ctypes.CDLL("libgsasl.so.18")
        self._context, self._session = ctypes.c_void_p(), ctypes.c_void_p()
        self._check(self._library.gsasl_init(ctypes.byref(self._context)))
        start = self._library.gsasl_server_start
        self._check(start(self._context, mechanism.encode(), ctypes.byref(self._session)))
        properties = {PASSWORD: password, SERVICE: "smtp", HOSTNAME: "localhost", REALM: "localhost"}
        if binding is not None:
            properties[TLS_UNIQUE] = b64encode(binding).decode()
        for number, value in properties.items():
            self._library.gsasl_property_set(self._session, number, value.encode())

    def step(self, octets: bytes) -> tuple[int, bytes]:
        """Return libgsasl's code, and what the server says."""
        out = ctypes.c_char_p()
        code = self._library.gsasl_step64(self._session, b64encode(octets), ctypes.byref(out))
        return code, b64decode(out.value or b"")

    def close(self) -> None:
        self._library.gsasl_finish(self._session)
        self._library.gsasl_done(self._context)

    @staticmethod
    def _check(code: int) -> None:
        assert code == OK, code
