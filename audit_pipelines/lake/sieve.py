"""Validation: each record is an event with an id and a time, or a reject with its reason.

Strict where it costs nothing to be: one UTF-8 check a block, one msgspec decode a record (RFC 8259 syntax,
id and time typed, the dialect's objects and arrays really objects and arrays). Only a block with a fault
takes the slow path, record by record. What does not belong here: duplicates (``intake``) and the other
columns (the dialect's SQL).
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from audit_pipelines.lake.times import TimeError, parse_number, parse_text, parse_texts
from audit_pipelines.record import Dialect

Micros = npt.NDArray[np.int64]
_TIME = "time"
_ID = "id"


class _Opaque(msgspec.Struct, gc=False):
    """Any JSON object; its members are checked for syntax and skipped."""


@dataclass(frozen=True, slots=True)
class Sifted:
    """The events of one block, column by column, and what fell through."""

    records: list[bytes]
    ids: list[str | None]
    """None where the source gives no usable id."""
    micros: Micros
    """Microseconds since 1970-01-01 UTC."""
    faults: list[tuple[int, str]]
    """(index in the block's records, reason) of each reject."""
    mistyped: int
    """Events in which a member has another type than the dialect says."""


class Sieve:
    """Sorts the records of one dialect into events and rejects."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        strict = [
            *((f"{_ID}{n}", str | None, key) for n, key in enumerate(dialect.id_keys)),
            *((f"{_TIME}{n}", str | int | float | None, key) for n, key in enumerate(dialect.time_keys)),
            *((f"object{n}", _Opaque | None, key) for n, key in enumerate(dialect.objects)),
            *((f"array{n}", list[_Opaque] | None, key) for n, key in enumerate(dialect.arrays)),
        ]
        loose = [(name, Any, key) for name, _, key in strict if name.startswith((_ID, _TIME))]
        self._strict = _decoder("Probe", strict)
        self._loose = _decoder("LooseProbe", loose)

    def sift(self, data: bytes, records: list[bytes]) -> Sifted:
        """Sort ``records``, all of which lie in ``data``."""
        try:
            str(data, "utf-8")
            probes = list(map(self._strict, records))
            ids, micros = self._columns(probes)
        except (UnicodeDecodeError, msgspec.MsgspecError, TimeError, RecursionError):
            return self._slowly(records)
        return Sifted(records, ids, micros, [], 0)

    def _columns(self, probes: list[Any]) -> tuple[list[str | None], Micros]:
        """Ids and times of a block without faults; raises TimeError where one is not plain."""
        ids = [probe.id0 for probe in probes] if self._dialect.id_keys else [None] * len(probes)
        if not all(ids):
            ids = [_first(probe, _ID, len(self._dialect.id_keys)) or None for probe in probes]
        times = [probe.time0 for probe in probes]
        kinds = set(map(type, times))
        if kinds == {str}:
            return ids, parse_texts(times)
        if kinds == {int}:
            unit = self._dialect.time_unit
            return ids, np.fromiter((parse_number(time, unit) for time in times), np.int64, len(times))
        raise TimeError("mixed kinds of time")

    def _slowly(self, records: list[bytes]) -> Sifted:
        """One record at a time: finds which ones are at fault, and why."""
        kept: list[bytes] = []
        ids: list[str | None] = []
        micros: list[int] = []
        faults: list[tuple[int, str]] = []
        mistyped = 0
        for index, record in enumerate(records):
            try:
                event_id, time, plain = self.examine(record)
            except Fault as fault:
                faults.append((index, str(fault)))
                continue
            kept.append(record)
            ids.append(event_id)
            micros.append(time)
            mistyped += not plain
        return Sifted(kept, ids, np.array(micros, np.int64), faults, mistyped)

    def examine(self, record: bytes) -> tuple[str | None, int, bool]:
        """Id, time in microseconds, and whether every member has the type the dialect says.

        Raises:
            Fault: the record is no event; the text is the reason.
        """
        try:
            str(record, "utf-8")
        except UnicodeDecodeError as error:
            raise Fault(f"no valid UTF-8: byte 0x{record[error.start]:02x} at offset {error.start}") from None
        try:
            probe, plain = self._decode(record)
        except RecursionError:
            probe, plain = _on_a_stack_of_its_own(self._decode, record)
        event_id = _first(probe, _ID, len(self._dialect.id_keys))
        time = _first(probe, _TIME, len(self._dialect.time_keys))
        return _text_id(event_id), self._micros(time), plain

    def _decode(self, record: bytes) -> tuple[Any, bool]:
        probe = _attempt(self._strict, record)
        if probe is not None:
            return probe, True
        probe = _attempt(self._loose, record)
        if probe is None:
            raise Fault(_syntax(self._loose, record))
        return probe, False

    def _micros(self, time: object) -> int:
        if time is None:
            raise Fault(f"no time: none of {', '.join(self._dialect.time_keys)} is there")
        try:
            if isinstance(time, str):
                return parse_text(time)
            if isinstance(time, int | float) and not isinstance(time, bool):
                return parse_number(time, self._dialect.time_unit)
        except TimeError as error:
            raise Fault(str(error)) from None
        raise Fault(f"time is neither text nor a number but {type(time).__name__}")


class Fault(Exception):  # noqa: N818 - not an error of the program
    """Why a record is no event. Stays inside the lake: it becomes the reason of a reject."""


def _decoder(name: str, members: list[tuple[str, Any, str]]) -> Callable[[bytes], Any]:
    fields = [(field, kind, msgspec.field(name=key, default=None)) for field, kind, key in members]
    return msgspec.json.Decoder(msgspec.defstruct(name, fields, gc=False)).decode


def _attempt(decode: Callable[[bytes], Any], record: bytes) -> Any | None:
    try:
        return decode(record)
    except (msgspec.MsgspecError, UnicodeDecodeError, ValueError):
        return None


def _on_a_stack_of_its_own(decode: Callable[[bytes], tuple[Any, bool]], record: bytes) -> tuple[Any, bool]:
    """How deep a record may nest must not depend on how deep the caller's own stack is."""
    with ThreadPoolExecutor(1, thread_name_prefix="nested") as fresh:
        try:
            return fresh.submit(decode, record).result()
        except RecursionError:
            raise Fault("nested too deeply") from None


def _syntax(decode: Callable[[bytes], Any], record: bytes) -> str:
    try:
        decode(record)
    except msgspec.ValidationError as error:
        return "a number as id or time is out of range" if "out of range" in str(error) else "no JSON object"
    except (msgspec.MsgspecError, ValueError) as error:
        return f"no valid JSON: {error}"
    raise AssertionError("called for a record that decodes")


def _first(probe: Any, name: str, count: int) -> Any:
    """The first of the dialect's members that is there."""
    for number in range(count):
        value = getattr(probe, f"{name}{number}")
        if value is not None:
            return value
    return None


def _text_id(event_id: object) -> str | None:
    """The id as text; None (then the content digest is used) where it is missing or of no plain type."""
    if isinstance(event_id, str):
        return event_id or None
    if isinstance(event_id, int) and not isinstance(event_id, bool):
        return str(event_id)
    return None
