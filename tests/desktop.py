"""A desktop's session: D-Bus and GNOME's keyring, unlocked. Debian: gnome-keyring, dbus."""

_START = """
printf master | gnome-keyring-daemon --foreground --unlock --components=secrets >/dev/null 2>&1 &
daemon=$!
i=0
owned() {
    dbus-send --session --print-reply --dest=org.freedesktop.DBus / org.freedesktop.DBus.NameHasOwner \\
        string:org.freedesktop.secrets | grep -q true
}
until owned || [ $i -ge 1200 ]; do
    i=$((i + 1)); sleep 0.1
done
"""
_END = """
status=$?
kill $daemon
wait $daemon
exit $status
"""


def session(script: str = '"$@"') -> tuple[str, ...]:
    """Return what goes before a command so that it has a keyring; HOME and XDG_RUNTIME_DIR must be its own.

    Args:
        script: for sh; the command is ``$@``.
    """
    return ("dbus-run-session", "--", "sh", "-c", _START + script + _END, "sh")
