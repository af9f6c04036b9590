#!/usr/bin/env python3
"""Counts the bytes that a forward pass moves, by a simulated cache, and sets them beside the models of traffic.

    CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_PROFILE_RELEASE_STRIP=none \\
        cargo build --release --features exec --example forward
    python3 benches/traffic.py [NETWORK ...]

valgrind's cachegrind runs the executor's own loops on one thread and simulates two levels of cache, both written back
and filled on a write. Measured are the misses of the last level by reads and writes of data, times its line: in passes
2 and 3, so that neither loading nor a cold cache is in it. Bytes that are written count once, as in the models: as
the line that is fetched to be written to, not again as it is written back. Instructions do not count. Ends with 1 where
less is measured than is compulsory. Needs valgrind.
"""

import sys
import tempfile

from valgrind import arguments, forward, head, row

NETWORKS = ["mobilenet_v2", "efficientnet_b0", "peleenet", "csp_peleenet", "resnet18"]
FIRST, LAST = 1, 3


def misses(path):
    """Of the last level, by data."""
    with open(path, encoding="utf-8") as lines:
        found = dict(line.split(":", 1) for line in lines if line.startswith(("events:", "summary:")))
    counts = dict(zip(found["events"].split(), map(int, found["summary"].split())))
    return counts["DLmr"] + counts["DLmw"]


def measured(args, network):
    line = int(args.LL.split(",")[2])
    counts = []
    for passes in (FIRST, LAST):
        with tempfile.NamedTemporaryFile() as out:
            options = ["--tool=cachegrind", "--cache-sim=yes", f"--I1={args.D1}", f"--D1={args.D1}",
                       f"--LL={args.LL}", f"--cachegrind-out-file={out.name}"]
            predicted = forward(options, args, network, passes)
            counts.append(misses(out.name))
    return (counts[1] - counts[0]) * line // (LAST - FIRST), predicted


def main():
    parser = arguments(__doc__, NETWORKS, "1x3x96x96")
    parser.add_argument("--LL", default="262144,16,64", help="the last level: bytes, ways, line (262144,16,64)")
    parser.add_argument("--D1", default="32768,8,64", help="the first level, likewise (32768,8,64)")
    args = parser.parse_args()
    below = []
    print(f"{args.input}, MB in a pass, last level {args.LL}, first level {args.D1}")
    head(["network", "stored", "compulsory", "fused", "unfused", "measured", "/ compulsory", "/ fused", "/ unfused"])
    for network in args.networks:
        found, predicted = measured(args, network)
        models = [predicted["traffic_bytes"][model] for model in ("compulsory", "fused", "unfused")]
        row([f"`{network}`"] + [f"{bytes / 1e6:.2f}" for bytes in [predicted["stored_bytes"], *models, found]]
            + [f"{found / model:.2f}" for model in models])
        if found < models[0]:
            below.append(network)
    if below:
        sys.exit("less is measured than is compulsory: " + ", ".join(below))


if __name__ == "__main__":
    main()
