"""The placeholders in a request of a load script."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from picosip_server.engine.load.templates import TemplateError, Templates
from picosip_server.service.validate import Check

Kind = TypeVar("Kind", bound=Message)


def marked(check: Check, field: str, request: Kind, templates: Templates) -> Kind:
    """A copy of the request with a mark for each placeholder in each of its texts."""
    copy: Any = type(request)()
    copy.CopyFrom(request)
    _mark(check, field, copy, templates.mark)
    return copy  # type: ignore[no-any-return]


def _mark(check: Check, path: str, message: Message, mark: Callable[[str], str]) -> None:
    for field, value in message.ListFields():
        inner = f"{path}.{field.name}"
        kind = field.type
        if _is_map(field):
            # Labels, and the attributes of descriptions, whose values are messages.
            for key in value:
                if isinstance(value[key], Message):
                    _mark(check, f'{inner}["{key}"]', value[key], mark)
        elif kind == FieldDescriptor.TYPE_MESSAGE:
            if field.is_repeated:
                for index, each in enumerate(value):
                    _mark(check, f"{inner}[{index}]", each, mark)
            else:
                _mark(check, inner, value, mark)
        elif kind in (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES):
            if field.is_repeated:
                for index, each in enumerate(value):
                    value[index] = _text(check, f"{inner}[{index}]", each, mark)
            else:
                setattr(message, field.name, _text(check, inner, value, mark))


def _is_map(field: FieldDescriptor) -> bool:
    entry = field.message_type
    return entry is not None and bool(entry.GetOptions().map_entry)


def _text(check: Check, field: str, value: Any, mark: Callable[[str], str]) -> Any:
    try:
        if isinstance(value, bytes):
            text = value.decode("utf-8", "surrogateescape")
            return mark(text).encode("utf-8", "surrogateescape")
        return mark(value)
    except TemplateError as error:
        check.fail(field, str(error))
        return value
