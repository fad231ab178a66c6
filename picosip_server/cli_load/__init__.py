"""``picosip load``: makes load through a server's LoadService, watches it, judges it."""
