"""Has one server call another, as fast as it is told to, and shows how that goes.

picosip serve --auto-answer --sip udp:127.0.0.1:5070 --grpc 127.0.0.1:50052
python load.py sip:target@127.0.0.1:5070 --rate 100 --count 1000 --hold 2
"""

from __future__ import annotations

import argparse
import sys

import picosip


def milliseconds(histogram: object, quantile: float) -> str:
    """One of the quantiles of a LoadHistogram; a dash where nothing was measured."""
    for each in getattr(histogram, "quantiles", ()):
        if each.quantile == quantile:
            return f"{each.value.ToMicroseconds() / 1000:.1f} ms"
    return "-"


def show(report: picosip.LoadReport) -> None:
    """One line for what happened since the last one."""
    last = report.interval
    print(
        f"{report.elapsed.ToMilliseconds() / 1000:6.1f} s  {last.start_rate:7.1f} calls/s  "
        f"{report.active:6} up  {report.failed:6} failed  "
        f"setup p50 {milliseconds(last.setup, 0.5)}, p99 {milliseconds(last.setup, 0.99)}"
    )


def main() -> int:
    """Runs the program; its status says whether all calls went well."""
    parser = argparse.ArgumentParser(description="Place many calls from within a server.")
    parser.add_argument("callee", help="whom to call, such as sip:user{n%100}@127.0.0.1:5070")
    parser.add_argument("--caller", default="sip:caller{n}@example.com")
    parser.add_argument("--rate", type=float, default=10.0, help="calls that begin in a second")
    parser.add_argument("--count", type=int, default=100, help="how many in all")
    parser.add_argument("--hold", type=float, default=1.0, help="mean seconds until BYE")
    parser.add_argument("--csv", help="values for {column} in the URIs, a line for each call")
    parser.add_argument("--server", default="127.0.0.1:50051", help="picoSIP's gRPC address")
    options = parser.parse_args()

    offer = picosip.sdp(
        [picosip.media("audio", 4000, formats=[0], attributes={"rtpmap": "0 PCMU/8000"})],
        connection="127.0.0.1",
    )
    script = picosip.call_script(
        options.caller, options.callee, offer, hold=picosip.exponential(options.hold)
    )
    table = picosip.load_table_from_csv(options.csv) if options.csv else None
    with (
        picosip.Client(options.server) as client,
        client.run_load(
            script, rate=options.rate, count=options.count, poisson=True, table=table
        ) as load,
    ):
        for report in load:
            show(report)
        last = load.report
    print(f"{last.succeeded} of {last.started} calls went well")
    for cause, count in sorted(last.failures.items()):
        print(f"{count} failed: {cause}")
    return 1 if last.failed else 0


if __name__ == "__main__":
    sys.exit(main())
