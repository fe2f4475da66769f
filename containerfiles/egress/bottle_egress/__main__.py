"""Reads the configuration from stdin, to its end, and serves."""

import sys

from bottle_egress import config, lines


def main() -> int:
    # The import takes most of the start; meanwhile the configuration is on its way.
    from bottle_egress import proxy

    try:
        wanted = config.parse(sys.stdin.buffer.read())
    except (ValueError, KeyError, TypeError) as error:
        # The message could quote the configuration; its kind is enough.
        lines.say("log", level="error", message=f"the configuration can't be read: {type(error).__name__}")
        return 2
    try:
        proxy.run(wanted)
    except OSError as error:
        lines.say("log", level="error", message=f"can't serve: {error.strerror}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
