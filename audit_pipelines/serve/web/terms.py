"""Actions in plain words, beside which pages always show the code.

What does not belong here: what an action means; that is the dialect's.
"""

import re
from typing import Final

_WORDS: Final = {
    "authentication.login": "Signed in",
    "authentication.logout": "Signed out",
    "audit_log.searched": "Searched the audit log",
    "audit_log.viewed": "Looked at the audit log",
    "audit_log.exported": "Exported events",
    "audit_log.event_viewed": "Looked at an event",
    "audit_log.record_viewed": "Looked at a record",
    "audit_log.proof_viewed": "Looked at a proof",
    "access.denied": "Access denied",
}
_ABBREVIATIONS: Final = {"api": "API", "sso": "SSO", "mfa": "MFA", "ip": "IP", "url": "URL", "id": "ID", "oauth": "OAuth"}


def plain(action: str) -> str:
    """``api_key.created`` -> ``API key created``; an action of another shape as it is."""
    if action in _WORDS:
        return _WORDS[action]
    if not re.fullmatch(r"[A-Za-z0-9]+(?:[._-][A-Za-z0-9]+)*", action):
        return action
    words = [_ABBREVIATIONS.get(word, word) for word in re.split(r"[._-]", action.lower())]
    text = " ".join(words)
    return text[:1].upper() + text[1:]
