"""Files that a load is made of: scenarios, tables of values, descriptions, bodies."""

from __future__ import annotations

import csv
import json
import tomllib
from pathlib import Path
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import Message

from picosip.v1 import load_service_pb2 as load_pb, sip_pb2
from picosip_server.settings_file import SettingsError

_SECRET_HEADERS = ("authorization", "proxy-authorization")


def read_scenario(path: Path) -> load_pb.LoadServiceRunRequest:
    """A request from TOML, or from JSON where the name ends in .json.

    Raises SettingsError if it cannot be read or is no such request.
    """
    text = read_text("--scenario", path)
    is_json = path.suffix.lower() == ".json"
    try:
        content = json.loads(text) if is_json else tomllib.loads(text)
    except ValueError as error:
        kind = "JSON" if is_json else "TOML"
        raise SettingsError(f"--scenario {path}: is not {kind}: {error}") from error
    request = load_pb.LoadServiceRunRequest()
    try:
        json_format.ParseDict(content, request)
    except json_format.ParseError as error:
        raise SettingsError(f"--scenario {path}: {error}") from error
    return request


def read_table(path: Path) -> load_pb.LoadTable:
    """Values from CSV whose first line names the columns.

    Raises SettingsError if it cannot be read or its lines are not all of one length.
    """
    where = f"--csv {path}"
    # A byte order mark, as spreadsheets write it, belongs to no name.
    text = read_text("--csv", path).removeprefix("\ufeff")
    reader = csv.reader(text.splitlines(keepends=True), strict=True)
    try:
        lines = [(reader.line_num, row) for row in reader if row]
    except csv.Error as error:
        raise SettingsError(f"{where}: line {reader.line_num}: {error}") from error
    if len(lines) < 2:
        raise SettingsError(f"{where}: wants a line with names and at least one with values")
    columns = [name.strip() for name in lines[0][1]]
    if not all(columns) or len(set(columns)) < len(columns):
        raise SettingsError(f"{where}: each column needs a name of its own, in the first line")
    for number, row in lines[1:]:
        if len(row) != len(columns):
            raise SettingsError(
                f"{where}: line {number} has {len(row)} values for {len(columns)} columns"
            )
    return load_pb.LoadTable(
        columns=columns, rows=[load_pb.LoadRow(values=row) for _, row in lines[1:]]
    )


def read_text(option: str, path: Path) -> str:
    """A file of text. Raises SettingsError naming the option."""
    try:
        return read_octets(option, path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise SettingsError(f"{option} {path}: is not UTF-8 (octet {error.start})") from error


def read_octets(option: str, path: Path) -> bytes:
    """A file as it is. Raises SettingsError naming the option."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise SettingsError(f"{option} {path}: cannot be read: {error.strerror}") from error


def shown(request: load_pb.LoadServiceRunRequest) -> dict[str, Any]:
    """The request as JSON has it, without secrets and without the rows of its table.

    What is left can be given as a scenario again.
    """
    clean = load_pb.LoadServiceRunRequest()
    clean.CopyFrom(request)
    clean.request_id = ""
    # Any column may be a password.
    clean.ClearField("table")
    _drop_secrets(clean)
    found: dict[str, Any] = json_format.MessageToDict(clean)
    return found


def _drop_secrets(message: Message) -> None:
    match message:
        case sip_pb2.Credentials():
            message.ClearField("password")
            message.ClearField("ha1")
        case sip_pb2.Header():
            if message.name.lower() in _SECRET_HEADERS:
                message.value = ""
    for field, value in message.ListFields():
        if field.message_type is None or field.message_type.GetOptions().map_entry:
            continue
        for one in value if field.is_repeated else [value]:
            _drop_secrets(one)
