#!/usr/bin/env python3
"""Measures csp-profile on a CUDA card: everything that can be told of a card, in one run of under ten minutes.

    python3 benches/cuda.py [--out DIR] [--binary PATH] [--seconds 570] [--batch 8] [NETWORK ...]

Needs a card with its driver, and either a built csp-profile (--binary), or a Rust toolchain and NVIDIA's toolkit; where
there is no `nvcc`, `tests/cuda/toolkit.sh` gets one. With torch and torchvision in this Python, PyTorch is timed on the
same card in the same run. For each network in f32 and f16: all checks, the times of a forward pass, a training step
and each node, peaks of the card's pool of memory. Calibration in both types comes first, and its predictions stand beside
what was measured; as far as there is time, all other architectures are timed for that too.

DIR gets `table.md`, written anew after every step so that a run which is stopped leaves what it had, and the JSON of
every command. What fails is in the table with what it said. `--device cpu` is a rehearsal without a card.
"""

import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
# PyTorch's name of each, in torchvision or else in timm; csp_densenet121 is in neither.
PEERS = {"csp_resnext50": "cspresnext50", "csp_darknet53": "cspdarknet53"}
# The first ones are done where time runs out.
NETWORKS = ("resnet50", "densenet121", "csp_densenet121", "csp_resnext50", "csp_darknet53", "mobilenet_v2")
TYPES = ("f32", "f16")
SAMPLES, WARM_UP, PATIENCE = 20, 5, 4
# Seconds for each type.
CALIBRATE = 50


class Run:
    """One run: its folder, its clock and what is known so far."""

    def __init__(self, arguments):
        self.arguments = arguments
        self.out = pathlib.Path(arguments.out).resolve()
        self.out.mkdir(parents=True, exist_ok=True)
        self.end = time.monotonic() + arguments.seconds
        self.rows, self.notes, self.facts, self.torch = {}, [], {}, {}
        # Network, type and error of each prediction.
        self.errors = []

    def left(self):
        return self.end - time.monotonic()

    def command(self, line, most, **more):
        """The result of a command, or a text that says why there is none."""
        limit = min(most, self.left() - 5)
        if limit < 5:
            return "no time was left"
        try:
            done = subprocess.run(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=limit, **more)
        except subprocess.TimeoutExpired:
            return f"stopped after {limit:.0f} s"
        except OSError as error:
            return str(error)
        return done

    def json(self, name, line, most):
        """What a command prints as JSON, kept in the folder; or why there is none. Exit 1 says that a check is off."""
        done = self.command(line, most)
        if isinstance(done, str):
            return done
        if done.returncode not in (0, 1):
            return (done.stderr.strip() or f"exit {done.returncode}").splitlines()[0]
        (self.out / f"{name}.json").write_text(done.stdout)
        try:
            return json.loads(done.stdout)
        except json.JSONDecodeError as error:
            return f"no JSON: {error}"


def first_line(run, *line):
    done = run.command(line, 30)
    ok = not isinstance(done, str) and done.returncode == 0 and done.stdout.strip()
    return done.stdout.strip().splitlines()[0] if ok else None


def binary(run):
    """The program: the one that was named, or built here."""
    if run.arguments.binary:
        return str(pathlib.Path(run.arguments.binary).resolve())
    environment = dict(os.environ)
    if run.arguments.device == "cuda":
        capability = first_line(run, "nvidia-smi", "--query-gpu=compute_cap", "--format=csv,noheader")
        environment.setdefault("CUDA_COMPUTE_CAP", (capability or "8.0").replace(".", ""))
        if not shutil.which("nvcc") and "CUDA_HOME" not in environment:
            folder, architecture = run.out / "toolkit", environment["CUDA_COMPUTE_CAP"]
            subprocess.run([ROOT / "tests/cuda/toolkit.sh", folder, architecture], check=True)
            line = f". '{folder}/env.sh' && env -0"
            found = subprocess.run(["bash", "-c", line], check=True, capture_output=True, text=True).stdout
            environment = dict(entry.split("=", 1) for entry in found.split("\0") if "=" in entry)
    # Link-time optimization takes minutes and changes nothing on the card.
    environment.update(CARGO_PROFILE_RELEASE_LTO="off", CARGO_PROFILE_RELEASE_CODEGEN_UNITS="16")
    features = "cuda" if run.arguments.device == "cuda" else "exec"
    line = ["cargo", "build", "--release", "--locked", "--features", features, "--manifest-path", ROOT / "Cargo.toml"]
    subprocess.run(line, check=True, env=environment)
    target = environment.get("CARGO_TARGET_DIR", ROOT / "target")
    return str(pathlib.Path(target, "release", "csp-profile").resolve())


def facts(run, program):
    ask = "--query-gpu=name,driver_version,compute_cap,memory.total,clocks.max.sm,power.limit"
    run.facts = {
        "card": first_line(run, "nvidia-smi", ask, "--format=csv,noheader") or "no `nvidia-smi` here",
        "program": first_line(run, program, "--version"),
        "revision": first_line(run, "git", "-C", str(ROOT), "describe", "--always", "--dirty"),
        "device": run.arguments.device,
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
    }


def measure(run, program, network, dtype, *more, name):
    line = [program, "measure", str(ROOT / f"architectures/{network}.json"), "--device", run.arguments.device]
    line += ["--dtype", dtype, "--batch", str(run.arguments.batch), "--format", "json", "--no-report"]
    line += ["--samples", str(SAMPLES), "--warm-up", str(WARM_UP), "--patience", str(PATIENCE), "--sources", "1"]
    return run.json(name, line + list(more), run.arguments.most)


def calibrated(run, program, dtype):
    """The file that `calibrate` wrote for a type, or None; why goes to the notes."""
    done = run.command([program, "calibrate", "--help"], 20)
    if isinstance(done, str) or done.returncode != 0:
        run.notes.append("This program has no `calibrate`.")
        return None
    file = run.out / f"calibration-{dtype}.json"
    line = [program, "calibrate", "--device", run.arguments.device, "--dtype", dtype, "--out", str(file)]
    # Its rounds may take a quarter more, and fitting some seconds.
    done = run.command([*line, "--seconds", str(CALIBRATE)], 1.5 * CALIBRATE + 20)
    if isinstance(done, str) or done.returncode != 0 or not file.exists():
        said = done if isinstance(done, str) else done.stderr.strip()
        run.notes.append(f"`calibrate` of {dtype} failed: {said}")
        return None
    return file


def predictions(run, program, calibrations):
    """The error of a forward pass of every network that is shipped and not in the table, timed and nothing else."""
    others = sorted(path.stem for path in (ROOT / "architectures").glob("*.json")
                    if not path.name.endswith((".budget.json", ".schema.json")))
    for dtype, calibration in calibrations.items():
        if not calibration:
            continue
        for network in others:
            # The table itself needs most of the time.
            if network in run.arguments.networks or run.left() < 0.6 * run.arguments.seconds:
                continue
            report = measure(run, program, network, dtype, "--predict", str(calibration), "--no-checks", "--no-training",
                             name=f"quick-{network}-{dtype}")
            if isinstance(report, str):
                run.notes.append(f"{network} {dtype}, time alone: {report}")
            elif (report.get("prediction") or {}).get("error") is not None:
                run.errors.append((network, dtype, report["prediction"]["error"]))
        write(run)


def accuracy(run):
    """RMSPE and shares of all predictions of a type."""
    lines = []
    for dtype in TYPES:
        errors = [error for _, kind, error in run.errors if kind == dtype]
        if errors:
            rmspe = 100 * (sum(error * error for error in errors) / len(errors)) ** 0.5
            bands = ", ".join(f"±{band} %: {sum(abs(error) <= band / 100 for error in errors)}" for band in (5, 10, 15))
            lines.append(f"- predictions of {dtype}: RMSPE {rmspe:.1f} %; of {len(errors)} networks, within {bands}")
    return lines


# PyTorch, in a process of its own: what it does to the card ends with it.


def torch_model(network):
    import torchvision

    name = PEERS.get(network, network)
    if hasattr(torchvision.models, name):
        return getattr(torchvision.models, name)(weights=None)
    try:
        import timm
    except ImportError:
        return None
    return timm.create_model(name, pretrained=False) if name in timm.list_models() else None


def torch_times(network, dtype, shape, device):
    import torch

    # The same numbers as here: no reduced precision in products of f32.
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    model = torch_model(network)
    if model is None:
        return {"why": f"no {network} in torchvision or timm"}
    kind = {"f32": torch.float32, "f16": torch.float16}[dtype]
    model = model.to(device=device, dtype=kind)
    x = torch.randn(*shape, device=device, dtype=kind)
    on_card = device == "cuda"

    def timed(step):
        for _ in range(WARM_UP):
            step()
        times, start = [], time.monotonic()
        while len(times) < SAMPLES and (len(times) < 3 or time.monotonic() - start < PATIENCE):
            if on_card:
                before, behind = (torch.cuda.Event(enable_timing=True) for _ in range(2))
                before.record()
                step()
                behind.record()
                behind.synchronize()
                times.append(before.elapsed_time(behind))
            else:
                begin = time.perf_counter()
                step()
                times.append(1e3 * (time.perf_counter() - begin))
        return statistics.median(times)

    def forward():
        with torch.inference_mode():
            model(x)

    def training():
        model.zero_grad(set_to_none=True)
        model(x).sum().backward()

    made = {"torch": torch.__version__}
    for name, step in (("forward", forward), ("step", training)):
        model.train(name == "step")
        if on_card:
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        made[f"{name}_ms"] = timed(step)
        if on_card:
            made[f"{name}_peak_bytes"] = torch.cuda.max_memory_allocated()
    return made


def peer(run, network, dtype, report):
    """PyTorch's times on inputs of the same shape."""
    shape = json.dumps(report["architecture"]["inputs"][0]["shape"])
    line = [sys.executable, __file__, "--torch", network, dtype, shape, run.arguments.device]
    return run.json(f"torch-{network}-{dtype}", line, 60)


# The table.

HEAD = ("network", "type", "forward", "PyTorch", "training step", "PyTorch", "predicted forward")
HEAD += ("peak predicted / measured / with workspace", "the same of a training step", "checks")


def milliseconds(timing):
    if not timing:
        return "–"
    return f"{timing['median_ns'] / 1e6:.3f} ± {timing['mad_ns'] / 1e6:.3f}"


def mebibytes(memory):
    """Peaks, predicted, measured and with the workspace."""
    if not memory:
        return "–"
    return " / ".join(f"{memory[key] / 2**20:.1f}" for key in ("predicted_peak", "measured_peak", "allocated_peak"))


def verdicts(checks):
    """How many checks have each verdict, and the names of those that are off or were not made."""
    count, named = {}, []
    for check in checks:
        count[check["verdict"]] = count.get(check["verdict"], 0) + 1
        if check["verdict"] in ("off", "unchecked"):
            named.append(f"{check['name']}: {check['verdict']}")
    told = ", ".join(f"{number} {verdict}" for verdict, number in count.items())
    return told + (f" ({'; '.join(named)})" if named else "")


def slowest(network, dtype, report):
    """The five nodes that take most of a forward pass."""
    timed = [node for node in report["measurement"]["nodes"] if node["forward"]]
    timed.sort(key=lambda node: -node["forward"]["median_ns"])
    return [f"| {network} {dtype} | {node['name']} | {milliseconds(node['forward'])} |" for node in timed[:5]]


def predicted(report):
    """Median predicted for a forward pass in ms, as `measure --predict` reports it; None where it has none."""
    prediction = report.get("prediction") or {}
    return prediction.get("forward_ns", 0) / 1e6 or None


def row(network, dtype, entry):
    report = entry.get("measure")
    if not isinstance(report, dict):
        return f"| {network} | {dtype} | {report or 'not begun'} |" + " |" * (len(HEAD) - 3)
    measured = report["measurement"]
    times, memory = measured["time"], {curve["name"]: curve for curve in measured["memory"]}
    told = entry.get("torch")
    beside = ["–", "–"]
    if isinstance(told, dict) and "forward_ms" in told:
        beside = [f"{told['forward_ms']:.3f}", f"{told['step_ms']:.3f}"]
    guess = entry.get("predicted")
    forward = times["forward"]
    error = "–"
    if guess and forward:
        error = f"{guess:.3f} ({100 * (guess * 1e6 / forward['median_ns'] - 1):+.0f} %)"
    cells = [network, dtype, milliseconds(forward), beside[0], milliseconds(times["training_step"]), beside[1], error]
    cells += [mebibytes(memory.get("inference")), mebibytes(memory.get("training")), verdicts(measured["checks"])]
    return "| " + " | ".join(cells) + " |"


def write(run):
    lines = ["# csp-profile on a card", ""]
    lines += [f"- {name}: {value}" for name, value in run.facts.items()]
    lines += [f"- batch {run.arguments.batch}, medians of at most {SAMPLES} samples ± MAD, ms; memory in MiB", ""]
    lines += ["| " + " | ".join(HEAD) + " |", "|" + "---|" * len(HEAD)]
    lines += [row(network, dtype, entry) for (network, dtype), entry in run.rows.items()]
    lines += [""] + accuracy(run)
    lines += ["", "| network | its slowest nodes | forward |", "|---|---|---|"]
    for (network, dtype), entry in run.rows.items():
        if isinstance(entry.get("measure"), dict):
            lines += slowest(network, dtype, entry["measure"])
    for entry in run.rows.values():
        told = entry.get("torch")
        why = told if isinstance(told, str) else (told or {}).get("why")
        if why and f"PyTorch: {why}" not in run.notes:
            run.notes.append(f"PyTorch: {why}")
    lines += [""] + [f"- {note}" for note in run.notes]
    (run.out / "table.md").write_text("\n".join(lines).rstrip() + "\n")


def main():
    if sys.argv[1:2] == ["--torch"]:
        network, dtype, shape, device = sys.argv[2:]
        try:
            made = torch_times(network, dtype, json.loads(shape), device)
        except ImportError as error:
            made = {"why": str(error)}
        print(json.dumps(made))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", default=NETWORKS, metavar="NETWORK")
    parser.add_argument("--out", default="cuda-results", metavar="DIR")
    parser.add_argument("--binary", metavar="PATH", help="a csp-profile built with the feature cuda; else one is built")
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=570, help="of the whole run, after building")
    parser.add_argument("--most", type=float, default=75, help="seconds that one network may take")
    run = Run(parser.parse_args())
    program = binary(run)
    run.end = time.monotonic() + run.arguments.seconds
    facts(run, program)
    run.rows = {(network, dtype): {} for network in run.arguments.networks for dtype in TYPES}
    write(run)
    # Calibration first: without it there is nothing to predict with.
    calibrations = {dtype: calibrated(run, program, dtype) for dtype in TYPES}
    write(run)
    predictions(run, program, calibrations)
    for (network, dtype), entry in run.rows.items():
        calibration = calibrations[dtype]
        predict = ["--predict", str(calibration)] if calibration else []
        entry["measure"] = measure(run, program, network, dtype, *predict, name=f"{network}-{dtype}")
        if predict and isinstance(entry["measure"], str):
            # Without the prediction the rest still counts.
            run.notes.append(f"{network} {dtype} with --predict: {entry['measure']}")
            entry["measure"] = measure(run, program, network, dtype, name=f"{network}-{dtype}")
        if isinstance(entry["measure"], dict):
            entry["predicted"] = predicted(entry["measure"])
            if (entry["measure"].get("prediction") or {}).get("error") is not None:
                run.errors.append((network, dtype, entry["measure"]["prediction"]["error"]))
            entry["torch"] = peer(run, network, dtype, entry["measure"])
        write(run)
    run.facts["seconds"] = round(run.arguments.seconds - run.left())
    write(run)
    print((run.out / "table.md").read_text())


if __name__ == "__main__":
    main()
