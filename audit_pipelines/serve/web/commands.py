"""The commands that check one event offline: those of docs/verify.md, for the two files that the page gives.

What does not belong here: checking anything; that is the reader's part, on another machine.
"""

from dataclasses import dataclass
from typing import Final

_FUNCTIONS: Final = """\
leaf() { { printf '\\0'; cat; } | sha256sum | cut -c 1-64; }
node() { printf '01%s%s' "$1" "$2" | xxd -r -p | sha256sum | cut -c 1-64; }
climb() {       # climb INDEX SIZE LEAF < hashes: prints the root (RFC 9162, 2.1.3.2)
    i=$1; last=$(($2 - 1)); h=$3
    while read -r line; do
        p=$(printf %s "$line" | base64 -d | xxd -p -c 32)
        if [ $((i & 1)) = 1 ] || [ "$i" = "$last" ]; then
            h=$(node "$p" "$h")
            while [ $((i & 1)) = 0 ] && [ "$i" != 0 ]; do i=$((i >> 1)); last=$((last >> 1)); done
        else h=$(node "$h" "$p"); fi
        i=$((i >> 1)); last=$((last >> 1))
    done
    echo "$h"
}
"""
_BY_HAND: Final = """\
index=$(sed -n 's/^index //p' "$proof"); sed '1,/^$/d' "$proof" > head
size=$(sed -n 2p head); root=$(sed -n 3p head | base64 -d | xxd -p -c 32)
hash=$({ sed -n 's/^extra //p' "$proof" | base64 -d; cat "$record"; } | leaf)
test "$(sed '1,/^index /d; /^$/,$d' "$proof" | climb "$index" "$size" "$hash")" = "$root" &&
    echo "leaf $index of $size: proven"
"""
_SIGNATURE: Final = """\
sed '1,/^$/d' "$proof" > head
key=$(cut -d+ -f3- events.vkey | base64 -d | xxd -p -c 33)
printf %s "$key" | xxd -r -p | sha256sum | cut -c 1-64     # must be the fingerprint that you were given
{ echo 302a300506032b6570032100; echo "$key" | cut -c 3-; } | xxd -r -p > key.der
head -n 3 head > text
sed -n 5p head | cut -d' ' -f3 | base64 -d | tail -c 64 > sig
openssl pkeyutl -verify -pubin -keyform DER -inkey key.der -rawin -in text -sigfile sig
"""
_TLOGVERIFY: Final = 'tlogverify inclusion -vkey @events.vkey -proof "$proof" -record "$record" -salted\n'


@dataclass(frozen=True, slots=True)
class Commands:
    """Three ways, each whole in itself; run with ``sh``."""

    by_hand: str
    signature: str
    tlogverify: str


def commands(stem: str) -> Commands:
    """The commands for the files ``<stem>.tlog-proof`` and ``<stem>.record``; ``stem`` is of this program's own making."""
    files = f"proof={stem}.tlog-proof record={stem}.record\n"
    return Commands(files + _FUNCTIONS + _BY_HAND, files + _SIGNATURE, files + _TLOGVERIFY)
