"""picoSIP from Python: SIP sessions over gRPC.

    import picosip

    with picosip.Client("127.0.0.1:50051") as client, client.events() as events:
        call = client.invite("sip:alice@example.com", "sip:bob@example.com")
        for event in events:
            print(event.resource, event.WhichOneof("kind"))

``Client`` is for threads, ``picosip.aio.Client`` for asyncio; both have the same methods, and so
have ``Control`` and ``picosip.aio.Control``, which do all over one stream, for very many calls.
They return the messages of the API (``picosip.v1``), the most used of which have their names here.
"""

from picosip import aio
from picosip._ladder import ladder
from picosip._loads import (
    answer_script,
    call_script,
    exponential,
    load_table,
    load_table_from_csv,
    message_script,
    normal,
    ramp,
    register_script,
    steps,
    uniform,
)
from picosip._sdp import attribute_map, media, raw_sdp, sdp
from picosip._values import (
    address,
    call_policy,
    credentials,
    message_options,
    tls_from_files,
)
from picosip.client import Client, Events, Load, Trace
from picosip.control import Control
from picosip.errors import (
    CursorExpired,
    FieldViolation,
    InvalidArgument,
    NotFound,
    PicosipError,
    Refused,
    TimedOut,
    Unavailable,
    WrongState,
)
from picosip.v1.admin_service_pb2 import TraceRecord
from picosip.v1.call_service_pb2 import Call, CallPolicy, Termination
from picosip.v1.event_service_pb2 import Cursor, Event, IncomingRequest
from picosip.v1.load_service_pb2 import LoadReport
from picosip.v1.registration_service_pb2 import Registration
from picosip.v1.sdp_pb2 import Media, Sdp, SessionDescription
from picosip.v1.sip_pb2 import (
    Address,
    Body,
    Credentials,
    Endpoint,
    Header,
    MessageOptions,
    SipMessage,
    SipStatus,
)
from picosip.v1.subscription_service_pb2 import Subscription

__all__ = [
    "Address",
    "Body",
    "Call",
    "CallPolicy",
    "Client",
    "Control",
    "Credentials",
    "Cursor",
    "CursorExpired",
    "Endpoint",
    "Event",
    "Events",
    "FieldViolation",
    "Header",
    "IncomingRequest",
    "InvalidArgument",
    "Load",
    "LoadReport",
    "Media",
    "MessageOptions",
    "NotFound",
    "PicosipError",
    "Refused",
    "Registration",
    "Sdp",
    "SessionDescription",
    "SipMessage",
    "SipStatus",
    "Subscription",
    "Termination",
    "TimedOut",
    "Trace",
    "TraceRecord",
    "Unavailable",
    "WrongState",
    "address",
    "aio",
    "answer_script",
    "attribute_map",
    "call_policy",
    "call_script",
    "credentials",
    "exponential",
    "ladder",
    "load_table",
    "load_table_from_csv",
    "media",
    "message_options",
    "message_script",
    "normal",
    "ramp",
    "raw_sdp",
    "register_script",
    "sdp",
    "steps",
    "tls_from_files",
    "uniform",
]
