"""Cutting a JSON document (a list, an object that holds a list, a lone record) into records.

Only the envelope is decoded: each record keeps its exact bytes, but for CR and LF inside it, which JSON
allows only as white space and which become spaces, so that a record is a line. What does not belong here:
telling documents from NDJSON (``files``) and deciding what is an event (``lake``).
"""

from collections.abc import Iterator, Sequence

import msgspec

from audit_pipelines.record import BLOCK_BYTES, Block, Refusal

_BREAKS = bytes.maketrans(b"\r\n", b"  ")
Envelope = list[msgspec.Raw] | dict[str, msgspec.Raw]


class MalformedError(ValueError):
    """Bytes that are no JSON document; the text says what is wrong and at which byte."""


def decode(data: bytes) -> Envelope:
    """The outermost list or object with its members still as bytes.

    Raises:
        MalformedError: it is neither, no valid JSON, or names a member twice (one would be lost).
    """
    found: Envelope
    try:
        if data.lstrip()[:1] == b"{":
            found = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
        else:
            found = msgspec.json.decode(data, type=list[msgspec.Raw])
    except msgspec.ValidationError:
        raise MalformedError("neither a JSON list nor a JSON object") from None
    except msgspec.MsgspecError as error:
        raise MalformedError(_place(str(error), len(data))) from None
    except UnicodeDecodeError:
        raise MalformedError("a key of the outermost object is no valid UTF-8") from None
    except RecursionError:
        raise MalformedError("nested too deeply") from None
    if isinstance(found, dict) and _repeats(data, found):
        raise MalformedError("a key of the outermost object stands twice")
    return found


def _place(message: str, size: int) -> str:
    message = message.removeprefix("JSON is malformed: ")
    return f"cut short after {size} bytes" if "truncated" in message else f"malformed JSON: {message}"


def _repeats(data: bytes, found: dict[str, msgspec.Raw]) -> bool:
    """Whether a key stands twice: then the document has more quotation marks than its members."""
    marks = sum(bytes(value).count(b'"') + 2 + key.count('"') for key, value in found.items())
    return data.count(b'"') > marks


def records_of(members: Sequence[msgspec.Raw]) -> list[bytes]:
    """The members as records: one line each, byte for byte but for line ends."""
    records = [bytes(member) for member in members]
    if any(b"\n" in record or b"\r" in record for record in records):
        records = [record.translate(_BREAKS) for record in records]
    return records


def blocks(records: list[bytes], origin: str) -> Iterator[Block]:
    """``records`` in blocks of about ``BLOCK_BYTES``; positions are ordinals from 1."""
    first, size = 0, 0
    for end, record in enumerate(records, start=1):
        size += len(record) + 1
        if size >= BLOCK_BYTES or end == len(records):
            part = records[first:end]
            yield Block(data=b"\n".join(part), records=part, positions=range(first + 1, end + 1), origin=origin)
            first, size = end, 0


def cut(data: bytes, origin: str, *, time_keys: Sequence[str], records_key: str | None) -> Iterator[Block | Refusal]:
    """The records of one document, or one refusal with all its bytes.

    Args:
        data: the document, without byte order mark.
        origin: the file's name in blocks and refusals.
        time_keys: an object that has one of them is itself a record.
        records_key: the member that holds the list; by default the only member that is one.
    """
    try:
        found = decode(data)
        members = found if isinstance(found, list) else _held(data, found, time_keys, records_key)
    except MalformedError as error:
        yield Refusal(raw=data, origin=origin, position=1, reason=str(error))
        return
    yield from blocks(records_of(members), origin)


def _held(data: bytes, found: dict[str, msgspec.Raw], time_keys: Sequence[str], records_key: str | None) -> list[msgspec.Raw]:
    """The records that an object holds: a list of its members, or itself."""
    lists = [key for key, value in found.items() if bytes(value)[:1] == b"["]
    if records_key is not None and records_key in lists:
        return _list(found[records_key])
    if any(key in found for key in time_keys):
        return [msgspec.Raw(data.strip())]
    if records_key is not None:
        raise MalformedError(f"the object has no list {records_key!r} (records_key of the source), but: {_named(found)}")
    if len(lists) > 1:
        raise MalformedError(f"the object holds several lists: {_named(lists)}; set records_key of the source to the one to read")
    return _list(found[lists[0]]) if lists else [msgspec.Raw(data.strip())]


def _list(value: msgspec.Raw) -> list[msgspec.Raw]:
    return msgspec.json.decode(value, type=list[msgspec.Raw])


def _named(keys: Sequence[str] | dict[str, msgspec.Raw]) -> str:
    """At most eight keys, each cut and quoted."""
    shown = [repr(key[:40]) for key in list(keys)[:8]]
    return ", ".join(shown) + (", ..." if len(keys) > len(shown) else "")
