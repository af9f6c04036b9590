#!/usr/bin/env python3
"""Libraries that stand for NVIDIA's when a program is linked, and look for the real ones at the first call.

    lazy.py CUDARC OUT

CUDARC is the folder of cudarc's sources. OUT gets a lib*.so for the driver and each library: a linker script that
names an archive with the functions that cudarc declares. A function that is not found answers with its library's
own error for one that does not start. With CUDA_LAZY_DEBUG set, why a library was not found goes to standard error.
x86-64 Linux; needs gcc and ar.
"""

import pathlib
import re
import subprocess
import sys

# Linked as; cudarc's folder; the real library; what its functions answer where it is missing:
# CUDA_ERROR_STUB_LIBRARY, CUBLAS_STATUS_NOT_INITIALIZED, CURAND_STATUS_INITIALIZATION_FAILED,
# NVRTC_ERROR_INTERNAL_ERROR.
LIBRARIES = (
    ("cuda", "driver", "libcuda.so.1", 34),
    ("cublas", "cublas", "libcublas.so.13", 1),
    ("cublasLt", "cublaslt", "libcublasLt.so.13", 1),
    ("curand", "curand", "libcurand.so.10", 203),
    ("nvrtc", "nvrtc", "libnvrtc.so.13", 11),
)

RESOLVE = """#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
static int missing(void) {{ return {missing}; }}
static const char *const names[] = {{ {names} }};
__attribute__((visibility("hidden"))) void *lazy_{lib}_table[{count}];
__attribute__((visibility("hidden"))) void *lazy_{lib}_resolve(long index) {{
  static void *library;
  static int tried;
  if (!tried) {{
    library = dlopen("{soname}", RTLD_NOW | RTLD_GLOBAL);
    if (!library && getenv("CUDA_LAZY_DEBUG")) fprintf(stderr, "%s\\n", dlerror());
    tried = 1;
  }}
  void *found = library ? dlsym(library, names[index]) : 0;
  if (!found) found = (void *)missing;
  return lazy_{lib}_table[index] = found;
}}
"""

# All registers that can hold arguments are kept while the function is looked up.
SLOW = """
.text
.hidden lazy_{lib}_slow
.globl lazy_{lib}_slow
lazy_{lib}_slow:
{push}
sub $136, %rsp
{save}
mov %r11, %rdi
call lazy_{lib}_resolve
{restore}
add $136, %rsp
{pop}
jmp *%rax
"""

FUNCTION = """
.globl {name}
.type {name}, @function
{name}:
mov lazy_{lib}_table+{offset}(%rip), %rax
test %rax, %rax
je 1f
jmp *%rax
1: mov ${index}, %r11
jmp lazy_{lib}_slow
"""


def assembly(text):
    return "__asm__({});\n".format("\n".join(f'"{line}\\n"' for line in text.strip().splitlines()))


def source(lib, soname, missing, names):
    integers = ("rdi", "rsi", "rdx", "rcx", "r8", "r9")
    slow = SLOW.format(
        lib=lib,
        push="\n".join(f"push %{register}" for register in integers),
        pop="\n".join(f"pop %{register}" for register in reversed(integers)),
        save="\n".join(f"movups %xmm{index}, {16 * index}(%rsp)" for index in range(8)),
        restore="\n".join(f"movups {16 * index}(%rsp), %xmm{index}" for index in range(8)),
    )
    quoted = ", ".join(f'"{name}"' for name in names)
    functions = (FUNCTION.format(name=name, lib=lib, offset=8 * index, index=index) for index, name in enumerate(names))
    resolve = RESOLVE.format(missing=missing, names=quoted, lib=lib, count=len(names), soname=soname)
    return resolve + assembly(slow) + "".join(map(assembly, functions))


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    cudarc, out = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]).resolve()
    out.mkdir(parents=True, exist_ok=True)
    for lib, folder, soname, missing in LIBRARIES:
        declared = (cudarc / "src" / folder / "sys" / "mod.rs").read_text()
        names = sorted(set(re.findall(r"fn ((?:cu|nvrtc)\w+)\s*\(", declared)) - {"culib"})
        code, made, archive = (out / f"{lib}.c", out / f"{lib}.o", out / f"lib{lib}_lazy.a")
        code.write_text(source(lib, soname, missing, names))
        subprocess.check_call(["gcc", "-O1", "-fPIC", "-c", "-o", made, code])
        archive.unlink(missing_ok=True)
        subprocess.check_call(["ar", "rcs", archive, made])
        (out / f"lib{lib}.so").write_text(f"INPUT({archive})\n")
        print(f"{soname}: {len(names)} functions")


if __name__ == "__main__":
    main()
