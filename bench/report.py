"""A comparison as a table with its conditions, and as JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from bench.clock import Offset
from bench.compare import Comparison, Plan, Run, Span
from bench.figures import Ages, Spread
from bench.history import Transcript
from bench.table import Row, heading, kilobytes, plain, table, whole

SIDES: Final = ("live", "polling")
_ROLES: Final[Mapping[str, tuple[str, ...]]] = {
    "live": ("api", "worker", "redis", "postgresql"),
    "polling": ("api", "worker"),
}

Measure = Callable[[Run, str], float | None]
"""Of one run, for one side."""


def text(comparison: Comparison, machine: Mapping[str, Any]) -> str:
    """Everything for people: the table, then what it depends on."""
    columns = (f"median of {len(comparison.runs)} (least to most)", "event-driven", _polling(comparison.plan), "ratio")
    return "\n".join([table(columns, _rows(comparison)), "", *_conditions(comparison, machine)])


def raw(comparison: Comparison, machine: Mapping[str, Any], faults: Sequence[str]) -> dict[str, Any]:
    """Everything, for programs."""
    runs = [
        {
            "clients": {side: [_client(one) for one in accounts] for side, accounts in run.clients.items()},
            "ages": {side: asdict(_ages(run, side)) for side in SIDES},
            "span": asdict(run.span),
            "done_s": dict(run.done_s),
            "stats": run.stats,
        }
        for run in comparison.runs
    ]
    return {
        "plan": asdict(comparison.plan),
        "machine": dict(machine),
        "offsets": {side: asdict(offset) for side, offset in comparison.offsets.items()},
        "idle": None if comparison.idle is None else asdict(comparison.idle),
        "notes": comparison.notes,
        "faults": list(faults),
        "runs": runs,
    }


def _client(transcript: Transcript) -> dict[str, Any]:
    return {**asdict(transcript), "ages": list(transcript.ages)}


def _polling(plan: Plan) -> str:
    return "polling: long" if plan.strategy == "long" else f"polling: {plan.strategy}, {plan.interval_ms} ms"


def _ages(run: Run, side: str) -> Ages:
    return Ages.of([age for client in run.clients[side] for age in client.ages])


def _rows(comparison: Comparison) -> list[Row]:
    runs = comparison.runs

    def row(label: str, measure: Measure, form: Callable[[float], str] = plain) -> Row:
        left, right = (Spread.of([measure(run, side) for run in runs]) for side in SIDES)
        return Row(label, left, right, form)

    rows = [heading("age of an update, ms"), *(row(f"  {name}", _age(name)) for name in ("p50", "p95", "p99", "max"))]
    rows += [
        row("updates received", lambda run, side: float(_ages(run, side).count), whole),
        row("frames | answers", _traffic("messages"), whole),
        row("  with nothing new", _traffic("empty"), whole),
        row("received", _traffic("bytes"), kilobytes),
        row("  as the kernel counts", _traffic("socket_bytes"), kilobytes),
        row("the last client was done after, s", lambda run, side: run.done_s[side]),
        heading("CPU of the servers, ms, by the operating system"),
        *(row(f"  {role}", _cpu("seen", role), whole) for role in _ROLES["live"]),
        row("  all", _total("seen", without=()), whole),
        heading("… by their own count (/stats)"),
        *(row(f"  {role}", _cpu("told", role), whole) for role in ("api", "worker", "redis")),
        row("  all but PostgreSQL", _total("told", without=("postgresql",)), whole),
    ]
    if comparison.idle is not None:
        rows += [heading("… of an idle second, by the operating system"), _idle_row(comparison.idle)]
    return rows


def _age(name: str) -> Measure:
    return lambda run, side: float(getattr(_ages(run, side), name))


def _traffic(name: str) -> Measure:
    """Of all clients of the side together."""

    def measure(run: Run, side: str) -> float | None:
        values = [getattr(client.traffic, name) for client in run.clients[side]]
        return None if None in values else float(sum(values))

    return measure


def _cpu(source: str, role: str) -> Measure:
    """In ms; nothing for a part that the side does not have."""

    def measure(run: Run, side: str) -> float | None:
        if role not in _ROLES[side]:
            return 0.0
        used = getattr(run.span, source).get(f"{side}.{role}")
        return None if used is None else used * 1000

    return measure


def _total(source: str, without: Sequence[str]) -> Measure:
    """Of all roles of the side; not known when one of them is not."""
    return lambda run, side: _all_roles(getattr(run.span, source), side, without)


def _all_roles(used: Mapping[str, float], side: str, without: Sequence[str] = ()) -> float | None:
    keys = [f"{side}.{role}" for role in _ROLES[side] if role not in without]
    return sum(used[key] for key in keys) * 1000 if all(key in used for key in keys) else None


def _idle_row(idle: Span) -> Row:
    def per_second(side: str) -> Spread | None:
        used = _all_roles(idle.seen, side)
        return Spread.of([None if used is None else used / idle.seconds])

    return Row("  all, ms a second", per_second("live"), per_second("polling"))


def _conditions(comparison: Comparison, machine: Mapping[str, Any]) -> list[str]:
    plan = comparison.plan
    packages = ", ".join(f"{name} {found}" for name, found in machine["packages"].items())
    hardware = f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_bytes'] / 2**30:.0f} GiB"
    load = " ".join(f"{value:.2f}" for value in machine["load"])
    pace = f"{plan.pace_ms[0]} to {plan.pace_ms[1]} ms"
    return [
        f"task        compute_pi, {plan.digits} digits, pace {pace}, seed {plan.seed}; on both sides at the same time",
        f"clients     {plan.clients} on each side, a connection each, in a process for each side; {_polling(plan)}",
        "ratio       polling by event-driven",
        f"machine     {hardware}, {machine['system']}; load before {load}",
        f"versions    Python {machine['python']}, {packages}",
        *(_clock(side, offset) for side, offset in comparison.offsets.items()),
        *_cpu_lines([run.span for run in comparison.runs], machine["cores"]),
        *(f"note        {note}" for note in comparison.notes),
    ]


def _cpu_lines(spans: Sequence[Span], cores: int) -> list[str]:
    seconds = _mean(spans, lambda span: span.seconds)
    busy = _mean(spans, lambda span: span.busy_s / (span.seconds * cores))
    ours = _mean(spans, lambda span: span.seen["bench.bench"] / span.seconds)
    lines = [
        f"CPU         over {seconds:.1f} s a run, with what is used when idle; in ticks of 10 ms a process",
        f"            all of the machine was busy to {busy:.0%}; this bench used {ours:.0%} of a core",
    ]
    if all("hub.hub" in span.seen for span in spans):
        used_ms = _mean(spans, lambda span: span.seen["hub.hub"]) * 1000
        lines.append(
            f"            the hub (nginx), which both sides go through, used {used_ms:.0f} ms a run: in no column"
        )
    return lines


def _clock(side: str, offset: Offset) -> str:
    treated = "the same machine: not corrected" if offset.same_machine else "corrected"
    return (
        f"clock       of the {'api' if side == 'live' else 'baseline'}: {offset.offset_ms:+.2f} ms "
        f"± {offset.uncertainty_ms:.2f} ms from ours; {treated}"
    )


def _mean(spans: Sequence[Span], of: Callable[[Span], float]) -> float:
    return sum(map(of, spans)) / len(spans)
