"""``python -m picosip_server``: the same as ``picosip``."""

from picosip_server.cli import main

if __name__ == "__main__":
    main()
