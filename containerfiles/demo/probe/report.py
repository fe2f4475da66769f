"""The scoreboard, as text or as JSON."""

import json
import os
import sys

from checks import Check, Result

Rows = list[tuple[Check, Result]]


def as_text(rows: Rows, seconds: float) -> str:
    """A line a check, attacks first, and the sum."""
    colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    lines = [""]
    for group, title in (("attack", "What an attacker would try"), ("work", "What work needs")):
        lines.append(title)
        lines += [_line(check, result, colour) for check, result in rows if check.group == group]
        lines.append("")
    good = sum(result.ok for _, result in rows)
    verdict = "the bottle is sealed" if good == len(rows) else "the bottle is NOT as promised"
    lines.append(f"{good} of {len(rows)} as promised in {seconds:.1f} s: {verdict}")
    return "\n".join(lines)


def _line(check: Check, result: Result, colour: bool) -> str:
    mark = "ok  " if result.ok else "FAIL"
    if colour:
        mark = f"\033[{32 if result.ok else 31}m{mark}\033[0m"
    return f"  {mark} {check.requirement:<10} {check.title}: {result.detail}"


def as_json(rows: Rows, seconds: float) -> str:
    """One object: schema_version, ok, seconds, checks[group, requirement, title, ok, detail]."""
    checks = [
        {"group": c.group, "requirement": c.requirement, "title": c.title, "ok": r.ok, "detail": r.detail}
        for c, r in rows
    ]
    whole = {"schema_version": 1, "ok": all(r.ok for _, r in rows), "seconds": round(seconds, 2), "checks": checks}
    return json.dumps(whole, indent=2)
