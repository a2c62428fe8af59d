#!/usr/bin/env python3
"""fusion_test.py PTXAS OBJECT...: no assembler fuses a product and a sum that the sources keep apart.

An `add`, `sub` or `mul` without a rounding mode may become part of a fused multiply-add, "aggressively optimized by the
code optimizer" (PTX ISA, add, mul); with one it may not. So (1) none in the objects' PTX is without, and (2) the
assembler keeps to that: free to fuse, as the driver's is, it makes the same machine code of a product and a sum that have
one as if it were forbidden to. Of those without it makes other code, else (2) would prove nothing.
"""
import collections
import pathlib
import re
import struct
import subprocess
import sys
import tempfile

MAY_BE_FUSED = re.compile(r"^\s*(?:@!?%p\d+\s+)?((?:add|sub|mul)(?:\.ftz|\.sat)*\.(?:f16|f16x2|bf16|bf16x2|f32|f32x2|f64))\s",
                          re.MULTILINE)
ARCHITECTURE = "sm_90"
# One thread's a b ± c, by a type's name, its register's, and the operation.
KERNEL = """
.visible .entry {name}(.param .u64 data) {{
  .reg .b64 %at;
  .reg .{register} %a, %b, %c;
  ld.param.u64 %at, [data];
  cvta.to.global.u64 %at, %at;
  ld.global.{register} %a, [%at];
  ld.global.{register} %b, [%at + 8];
  ld.global.{register} %c, [%at + 16];
  mul{rounding}.{type} %a, %a, %b;
  {operation}{rounding}.{type} %a, %a, %c;
  st.global.{register} [%at], %a;
  ret;
}}
"""
TYPES = {"f32": "b32", "f64": "b64", "f16": "b16", "f16x2": "b32", "bf16": "b16", "bf16x2": "b32"}


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


def unmarked_in(ptx):
    """What of one PTX program may be fused."""
    unmarked = collections.Counter(MAY_BE_FUSED.findall(ptx))
    return [f"{count} {instruction} without a rounding mode" for instruction, count in sorted(unmarked.items())]


def fused_by(ptxas, rounding):
    """For each type and operation, whether the assembler fuses a product and a sum with this rounding mode."""
    kernels = {f"{operation}_{type}": KERNEL.format(name=f"{operation}_{type}", type=type, register=register,
                                                    operation=operation, rounding=rounding)
               for type, register in TYPES.items() for operation in ("add", "sub")}
    ptx = f".version 8.6\n.target {ARCHITECTURE}\n.address_size 64\n" + "".join(kernels.values())
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        free = assemble(ptxas, ptx, "true", folder)
        forbidden = assemble(ptxas, ptx, "false", folder)
    return {kernel: free[kernel] != forbidden[kernel] for kernel in kernels}


def main():
    ptxas, *objects = sys.argv[1:]
    objects = [pathlib.Path(name) for name in objects if name.endswith(".cu.o")]
    failed = False
    for path in objects:
        programs = ptx_of(path)
        faults = [fault for ptx in programs for fault in unmarked_in(ptx)] or ([] if programs else ["no PTX"])
        print(f"{path.name}: {'; '.join(faults) or 'nothing to fuse'}")
        failed |= bool(faults)
    for rounding, fuses in ((".rn", False), ("", True)):
        wrong = [kernel for kernel, fused in fused_by(ptxas, rounding).items() if fused != fuses]
        if wrong:
            print(f"the assembler {'keeps apart' if fuses else 'fuses'}, with rounding '{rounding}': {' '.join(wrong)}")
        failed |= bool(wrong)
    sys.exit(failed or not objects)


main()
