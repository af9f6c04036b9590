#!/usr/bin/env python3
"""Counts the multiply-adds that the processor really executes in a forward pass, and sets them beside the MACs.

    CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_PROFILE_RELEASE_STRIP=none \\
        cargo build --release --features exec --example forward
    python3 benches/fma_lanes.py [NETWORK ...]

valgrind's callgrind tells how often each instruction ran, objdump which ones are fused multiply-adds and how many
lanes each has: a count by no formula of this project. What a pass adds to a run without one is the pass's own. Lanes
beyond the MACs are those of vectors that an output's edge does not fill. Ends with 1 where fewer lanes ran than there are
MACs. Needs valgrind, which runs AVX2's vectors of 8 numbers at most, objdump and nm, and a program with its symbols.
"""

import collections
import re
import subprocess
import sys
import tempfile

from valgrind import arguments, forward, head, row

NETWORKS = ["mobilenet_v2", "peleenet", "csp_peleenet", "resnet18"]
FMA = re.compile(r"vfn?m(?:add|sub|addsub|subadd)(?:132|213|231)([ps])([sd])\s+([xyz])mm")
REGISTER_BYTES = {"x": 16, "y": 32, "z": 64}


def output(*command):
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


def disassembly(program):
    """By address, the lanes of each instruction: 0 of one that is no multiply-add."""
    found = {}
    for line in output("objdump", "-d", "--no-show-raw-insn", "-M", "intel", program).splitlines():
        if line_of := re.match(r"\s*([0-9a-f]+):\s+(.*)", line):
            lanes = 0
            if fma := FMA.match(line_of[2]):
                packed, kind, register = fma.groups()
                lanes = REGISTER_BYTES[register] // {"s": 4, "d": 8}[kind] if packed == "p" else 1
            found[int(line_of[1], 16)] = lanes
    return found


def entry(program):
    """The address of `main`."""
    symbols = (line.split() for line in output("nm", program).splitlines())
    found = [int(symbol[0], 16) for symbol in symbols if symbol[1:] == ["T", "main"]]
    if not found:
        sys.exit(f"{program} has no symbols: build it with CARGO_PROFILE_RELEASE_STRIP=none")
    return found[0]


def executed(path, program):
    """How often each instruction of the program ran, by its address in memory, and where `main` begins there."""
    counts, mains = collections.Counter(), []
    own, function, called = False, "", False
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            if line.startswith("ob="):
                own = line[3:].strip() == str(program)
            elif line.startswith("fn="):
                function = line[3:].strip()
            elif line.startswith("calls="):
                called = True
            elif line.startswith("0x"):
                address, _, count = line.split()
                # The line behind `calls=` is the cost of what was called.
                if own and not called:
                    counts[int(address, 16)] += int(count)
                    if function == "main":
                        mains.append(int(address, 16))
                called = False
    return counts, min(mains)


def lanes(args, network, passes, lanes_at, main_at):
    with tempfile.NamedTemporaryFile() as out:
        options = ["--tool=callgrind", "--dump-instr=yes", "--compress-pos=no", "--compress-strings=no",
                   f"--callgrind-out-file={out.name}"]
        predicted = forward(options, args, network, passes)
        counts, main_in_memory = executed(out.name, args.program)
    offset = main_in_memory - main_at
    unknown = [address for address in counts if address - offset not in lanes_at]
    if unknown:
        sys.exit(f"{network}: {len(unknown)} executed addresses are not in the disassembly")
    return sum(count * lanes_at[address - offset] for address, count in counts.items()), predicted["macs"]


def main():
    args = arguments(__doc__, NETWORKS, "1x3x128x128").parse_args()
    args.program = args.program.resolve()
    lanes_at, main_at = disassembly(args.program), entry(args.program)
    fewer = []
    print(f"{args.input}, one pass")
    head(["network", "MACs", "FMA lanes executed", "lanes / MACs"])
    for network in args.networks:
        (before, _), (behind, macs) = (lanes(args, network, passes, lanes_at, main_at) for passes in (0, 1))
        found = behind - before
        row([f"`{network}`", f"{macs:,}", f"{found:,}", f"{found / macs:.4f}"])
        if found < macs:
            fewer.append(network)
    if fewer:
        sys.exit("fewer multiply-adds ran than are predicted: " + ", ".join(fewer))


if __name__ == "__main__":
    main()
