"""What a load must have reached, and whether it has."""

from __future__ import annotations

from picosip_server.cli_load.notation import Amount
from picosip_server.cli_load.report import Report, Spread, Threshold
from picosip_server.cli_load.report_options import ReportOptions
from picosip_server.cli_load.words import rate_text, time_text


def check(report: Report, options: ReportOptions) -> list[Threshold]:
    """Each limit that was given, with what was reached.

    What was never measured reaches no limit: a load without a single answer is not a quick one.
    """
    found = []
    if options.max_fail is not None:
        found.append(_at_most("max-fail", options.max_fail, report.failed, report.started))
    if options.min_rate is not None:
        found.append(
            Threshold(
                name="min-rate",
                limit=rate_text(options.min_rate),
                value=rate_text(report.rate),
                ok=report.rate >= options.min_rate,
            )
        )
    if options.max_retransmissions is not None:
        sent_again = report.retransmissions_sent + report.retransmissions_received
        found.append(
            _at_most("max-retransmissions", options.max_retransmissions, sent_again, report.started)
        )
    times: list[tuple[str, float | None, float | None]] = [
        ("p50-setup", options.p50_setup, report.setup.at("50")),
        ("p95-setup", options.p95_setup, report.setup.at("95")),
        ("p99-setup", options.p99_setup, report.setup.at("99")),
        ("max-setup", options.max_setup, _longest(report.setup)),
        ("p50-pdd", options.p50_pdd, report.post_dial_delay.at("50")),
        ("p99-pdd", options.p99_pdd, report.post_dial_delay.at("99")),
        ("p99-teardown", options.p99_teardown, report.teardown.at("99")),
    ]
    found += [
        Threshold(
            name=name,
            limit=time_text(limit),
            value="not measured" if value is None else time_text(value),
            ok=value is not None and value <= limit,
        )
        for name, limit, value in times
        if limit is not None
    ]
    return found


def _at_most(name: str, limit: Amount, value: int, whole: int) -> Threshold:
    if not limit.share:
        return Threshold(name=name, limit=str(limit), value=str(value), ok=value <= limit.value)
    part = value / whole if whole else 0.0
    return Threshold(
        name=name,
        limit=str(limit),
        value=f"{part * 100:.4g} % ({value} of {whole})",
        # None of none is no share.
        ok=whole > 0 and value <= limit.value * whole,
    )


def _longest(spread: Spread) -> float | None:
    return spread.max if spread.count else None
