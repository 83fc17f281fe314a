"""Verifies and reads the notifications that Rollcall sends when a call-centre agent logs in or out. Needs nothing but Python."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Mapping
from urllib.parse import parse_qs

__all__ = ["Notification", "NotificationError", "verify_notification"]

TOLERANCE_SECONDS = 300


class NotificationError(Exception):
    """A request that is no notification of Rollcall's, or was altered on its way. Answer ``http_status``."""

    def __init__(self, message: str, http_status: int) -> None:
        super().__init__(message)
        self.http_status = http_status


@dataclass(frozen=True)
class Notification:
    """What happened, and which sending of it this is. ``id`` is the same over every attempt."""

    id: str
    attempt: int
    sequence: int
    occurred_at: datetime
    is_test: bool
    agent_id: int
    agent_type: str
    agent_status: str
    event_source: str
    name: str


def verify_notification(method: str, query: bytes | str, headers: Mapping[str, str], body: bytes, secret: str) -> Notification:
    """Verifies a request and reads the notification that it is.

    ``query`` and ``body`` are the bytes as they came: re-encoding them breaks the signature. ``headers`` may have names in any letter
    case. ``secret`` is ``whsec_…``.

    Raises NotificationError where it is none, or more than 5 minutes old.
    """
    given = {name.lower(): value for name, value in headers.items()}
    payload = _pairs_of(query.encode() if isinstance(query, str) else query) if method == "GET" else body
    _verify(payload, given, secret)
    pairs = {name: values[0] for name, values in parse_qs(payload.decode()).items()}
    agent_type = pairs["agent_type"]
    return Notification(
        id=given["webhook-id"],
        attempt=int(_header(given, "webhook-attempt")),
        sequence=int(_header(given, "webhook-sequence")),
        occurred_at=datetime.fromisoformat(_header(given, "webhook-event-time").replace("Z", "+00:00")),
        is_test=given.get("webhook-test") == "1",
        agent_id=int(pairs["agent_id"]),
        agent_type=agent_type,
        agent_status=pairs["agent_status"],
        event_source=pairs["event_source"],
        name=pairs["extension_name" if agent_type == "local" else "agent_number"],
    )


def _verify(payload: bytes, headers: Mapping[str, str], secret: str) -> None:
    identity, timestamp = _header(headers, "webhook-id"), _header(headers, "webhook-timestamp")
    given = _header(headers, "webhook-signature").encode().split(b" ")
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signature = hmac.digest(key, f"{identity}.{timestamp}.".encode() + payload, hashlib.sha256)
    expected = b"v1," + base64.b64encode(signature)
    if not any([hmac.compare_digest(expected, one) for one in given]):
        raise NotificationError("no signature is right", 401)
    if not timestamp.isdecimal() or abs(time.time() - int(timestamp)) > TOLERANCE_SECONDS:
        raise NotificationError("the timestamp is more than 5 minutes away", 401)


def _pairs_of(query: bytes) -> bytes:
    """The end of the query, from its last ``agent_status=`` on."""
    start = query.rfind(b"agent_status=")
    if start < 0:
        raise NotificationError("the query has no agent_status", 400)
    return query[start:]


def _header(headers: Mapping[str, str], name: str) -> str:
    if not headers.get(name):
        raise NotificationError(f"the header {name} is missing", 401)
    return headers[name]
