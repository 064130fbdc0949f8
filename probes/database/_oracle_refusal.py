"""What Oracle's numbers mean, in the words of all databases: pure.

Sources: Oracle Database Error Messages (ORA-), python-oracledb's own (DPY-). ORA-00942 is given for a table
that is not there and for one that the account may not see: it is taken for the right, which is the rule for
the views of a monitor.
"""

from __future__ import annotations

import re

from probes.database._sql_refusal import Refusal

CODE = re.compile(r"\b(ORA|DPY)-(\d{1,5})\b")
_WORDS = {
    "wrong_password": "ORA-1017 ORA-1005",
    "account_locked": "ORA-28000",
    "password_expired": "ORA-28001",
    "login_refused": "ORA-1035 ORA-28030 ORA-12154 ORA-24542 ORA-28040",
    "missing_right": "ORA-942 ORA-1031 ORA-1045 ORA-41900 ORA-1720",
    "no_such_database": "ORA-12514 ORA-12505 ORA-12521 DPY-6001 DPY-6003",
    "no_such_table": "ORA-904 ORA-4043",
    "too_many_connections": "ORA-12516 ORA-12518 ORA-12519 ORA-12520 ORA-12523 ORA-18 ORA-20 ORA-2391",
    "disk_full": "ORA-1652 ORA-1653 ORA-1654 ORA-1650 ORA-1658 ORA-1659 ORA-1688 ORA-1691 ORA-1692 ORA-257 "
    "ORA-30036 ORA-19809 ORA-16038 ORA-1536 ORA-27072",
    "read_only": "ORA-16000 ORA-1456 ORA-372",
    "not_ready": "ORA-1034 ORA-1033 ORA-1089 ORA-1090 ORA-1109 ORA-12526 ORA-12527 ORA-12528 ORA-27101",
    "slow_query": "ORA-1013 ORA-30006 ORA-40 DPY-4024",
    "version_too_old": "DPY-3010",
    "unknown_login": "DPY-3001 DPY-3015 DPY-3016",
    "tls_refused": "ORA-28860 ORA-29024 DPY-6006 DPY-6009",
}
WORDS = {code: word for word, codes in _WORDS.items() for code in codes.split()}
GONE = {
    "ORA-28", "ORA-3113", "ORA-3114", "ORA-3135", "ORA-12537", "ORA-12547", "ORA-12570", "ORA-1092",
    "DPY-4011", "DPY-1001",
}  # fmt: skip
"""The connection broke off, or was ended by the server."""
SYNTAX = range(900, 1000)


def codes(text: str) -> list[str]:
    """Return the numbers of a text, in its order, without leading zeros: what is first matters most."""
    return [f"{kind}-{int(number)}" for kind, number in CODE.findall(text)]


def gone(text: str) -> bool:
    """Whether the connection broke off."""
    return any(code in GONE for code in codes(text))


def refusal(text: str, said: str) -> Refusal | None:
    """Return what the server (or its listener) refused; None where it said nothing of the kind."""
    found = codes(text)
    known = next((WORDS[code] for code in found if code in WORDS), "")
    if known:
        return Refusal(known, said)
    if any(code.startswith("ORA-") and int(code[4:]) in SYNTAX for code in found):
        return Refusal("bad_query", said)
    return None
