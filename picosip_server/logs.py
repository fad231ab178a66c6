"""Logging: structlog on stderr, one line for each fact; the standard library's logs join in."""

from __future__ import annotations

import json
import logging
import sys
from typing import Literal, TextIO

import structlog

from picosip_server.log_secrets import mask_secrets


def configure(
    log_format: Literal["json", "console"], level: str, stream: TextIO | None = None
) -> None:
    """Sets logging up for the whole process; called once, at the start.

    ``level``: debug, info, warning or error. ``stream``: stderr if not given.
    """
    output = sys.stderr if stream is None else stream
    threshold = logging.getLevelNamesMapping()[level.upper()]
    shared: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.StackInfoRenderer(),
        # Before the masking: a traceback's text may hold a secret.
        structlog.processors.format_exc_info,
    ]
    final: list[structlog.typing.Processor] = [
        mask_secrets,
        # Behind the masking, which need not look at it.
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _renderer(log_format, output),
    ]
    structlog.configure(
        processors=[*shared, *final],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.WriteLoggerFactory(file=output),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(output)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[
                structlog.stdlib.PositionalArgumentsFormatter(),
                structlog.stdlib.add_logger_name,
                *shared,
            ],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *final],
        )
    )
    logging.basicConfig(level=threshold, handlers=[handler], force=True)
    logging.captureWarnings(True)


def _renderer(log_format: str, output: TextIO) -> structlog.typing.Processor:
    if log_format == "json":
        # What has been masked holds nothing but what JSON has.
        encode = json.JSONEncoder(ensure_ascii=False, check_circular=False).encode
        return lambda logger, name, event: encode(event)
    return structlog.dev.ConsoleRenderer(
        colors=output.isatty(), exception_formatter=structlog.dev.plain_traceback
    )
