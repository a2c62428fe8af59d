#!/usr/bin/env python3
"""fusion_test.py PTXAS OBJECT...: no assembler fuses a product and a sum that the sources keep apart.

An `add`, `sub` or `mul` without a rounding mode may become part of a fused multiply-add, "aggressively optimized by the
code optimizer" (PTX ISA, add, mul); with one it may not. So (1) none in the objects' PTX is without, and (2) the
assembler that is free to fuse, as the driver's is, makes the same machine code of it as one that is forbidden to.
(2) compares whole programs, since the number of FFMA alone proves little: loops are unrolled, and divisions, square
roots and exponentials are made of them.
"""
import collections
import concurrent.futures
import os
import pathlib
import re
import struct
import subprocess
import sys
import tempfile

MAY_BE_FUSED = re.compile(r"^\s*(?:@!?%p\d+\s+)?((?:add|sub|mul)(?:\.ftz|\.sat)*\.(?:f16|f16x2|bf16|bf16x2|f32|f32x2|f64))\s",
                          re.MULTILINE)
ARCHITECTURE = "sm_90"  # Where fusion was seen, for 1,024 sums of one kernel.


def ptx_of(object_file):
    """The PTX that an object carries uncompressed, as nvcc -no-compress leaves it."""
    content = object_file.read_bytes()
    return [match.group().decode() for match in re.finditer(rb"\.version \d+\.\d+\s[^\0]*", content)]


def sections(cubin):
    """A 64-bit ELF file's sections of code, by name."""
    content = cubin.read_bytes()
    (offset,) = struct.unpack_from("<Q", content, 0x28)
    size, count, names = struct.unpack_from("<HHH", content, 0x3A)
    headers = [struct.unpack_from("<IIQQQQ", content, offset + i * size) for i in range(count)]
    strings = headers[names][4]
    code = {}
    for name, _, _, _, start, length in headers:
        end = content.index(b"\0", strings + name)
        title = content[strings + name:end].decode()
        if title.startswith(".text."):
            code[title.removeprefix(".text.")] = content[start:start + length]
    return code


def assemble(ptxas, ptx, fuse, folder):
    source, cubin = folder / "kernel.ptx", folder / f"{fuse}.cubin"
    source.write_text(ptx)
    subprocess.run([ptxas, f"-arch={ARCHITECTURE}", f"--fmad={fuse}", source, "-o", cubin], check=True)
    return sections(cubin)


def faults_in(ptxas, ptx):
    """(kernels, faults) of one PTX program."""
    unmarked = collections.Counter(MAY_BE_FUSED.findall(ptx))
    faults = [f"{count} {instruction} without a rounding mode" for instruction, count in sorted(unmarked.items())]
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        free = assemble(ptxas, ptx, "true", folder)
        forbidden = assemble(ptxas, ptx, "false", folder)
    faults += [f"{kernel}: the assembler fuses" for kernel in forbidden if free.get(kernel) != forbidden[kernel]]
    return len(forbidden), faults


def main():
    ptxas, *objects = sys.argv[1:]
    programs = [(name, ptx) for name in objects if name.endswith(".cu.o") for ptx in ptx_of(pathlib.Path(name))]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(lambda program: faults_in(ptxas, program[1]), programs))
    failed = False
    for (name, _), (kernels, faults) in zip(programs, results):
        failed |= bool(faults)
        print(f"{pathlib.Path(name).name}: {kernels} kernels, {'; '.join(faults) or 'nothing fused'}")
    silent = {name for name in objects if name.endswith(".cu.o")} - {name for name, _ in programs}
    if silent or not programs:
        sys.exit(f"no PTX in {', '.join(sorted(silent)) or 'the objects: there are none'}")
    sys.exit(failed)


main()
