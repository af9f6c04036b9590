"""Runs the example `forward` under a tool of valgrind: what `traffic.py` and `fma_lanes.py` share."""

import argparse
import json
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def arguments(description, networks, shape):
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", default=networks, metavar="NETWORK",
                        help="files of architectures/ without .json: " + " ".join(networks))
    parser.add_argument("--input", default=shape, metavar="SHAPE", help=f"of the image, {shape} by default")
    parser.add_argument("--program", type=pathlib.Path, metavar="FILE",
                        default=ROOT / "target" / "release" / "examples" / "forward", help="the built example")
    return parser


def forward(options, args, network, passes):
    """Runs so many passes and returns what was predicted of one."""
    command = ["valgrind", "--quiet", *options, args.program, ROOT / "architectures" / f"{network}.json",
               args.input, str(passes)]
    run = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if run.returncode != 0:
        sys.exit(f"{network}: {' '.join(map(str, command))} ended with {run.returncode}")
    return json.loads(run.stdout)


def row(cells):
    print("| " + " | ".join(cells) + " |", flush=True)


def head(names):
    row(names)
    row(["---"] + ["---:"] * (len(names) - 1))
