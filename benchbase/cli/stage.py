"""`bench run --stage KEY`: one stage of a plan, and what is measured of it."""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchbase.cli.output import count, err, out, print_json, seconds_text
from benchbase.cli.progress import progress

if TYPE_CHECKING:
    from benchbase.flow.named import Came
    from benchbase.flow.settings import Settings
    from benchbase.flow.team import Alone, Team
    from benchbase.plugin.manager import Plugins
    from benchbase.values.spec import Suite


def run_stage(suite: Suite, settings: Settings, plugins: Plugins, key: str, quiet: bool, as_json: bool, team: Team | Alone) -> int:
    """Run it and tell what came of it; the exit code."""
    with progress(quiet) as seen:
        from benchbase.flow.named import run_named

        came = run_named(suite, settings, key, plugins, seen.done, seen.running, team)
    if as_json:
        print_json(document(came))
    elif came.error is None:
        out(told(came))
    else:
        err(f"failed ({came.error.kind}): {came.named.place.kind} {came.named.place.label}: {came.error.what}")
        err(came.error.todo or "mend what is wrong and give the same command again, with --rerun failed")
    return came.exit_code


def told(came: Came) -> str:
    """What came of a stage that has not failed, in one line."""
    place = came.named.place
    if not came.reached:
        return f"not {'reached' if came.before else 'needed'}: {place.kind} {place.label}{': ' * bool(came.before)}{came.before}"
    ran = [event for event in came.events if not event.cached]
    spent = f"{count(len(ran), 'stage')} run, {seconds_text(sum(event.seconds for event in ran))}" if ran else "all of it was in the store"
    return f"{place.kind} {place.label}: {spent}"


def document(came: Came) -> dict[str, Any]:
    """The document of `bench run --stage KEY --json`."""
    place, error = came.named.place, came.error
    return {"stage": came.named.now, "kind": place.kind, "label": place.label, "reached": came.reached, "before": came.before or None,
            "events": [{"kind": e.kind, "key": e.key, "label": e.label, "cached": e.cached, "seconds": round(e.seconds, 3), "numbers": dict(e.numbers)}
                       for e in came.events],
            "failure": error and {"kind": error.kind, "what": error.what}, "exit": came.exit_code}
