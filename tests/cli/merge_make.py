"""The models of merge.sh: base, a and b in BF16, and what is wrong with some others."""
import os
import struct
import sys

sys.path.insert(0, os.environ["CASES"])
import merge_model as model

base = model.make(1, "BF16")
a = model.make(2, "BF16", base)
model.write("base", base)
model.write("a", a)
model.write("b", model.make(3, "BF16", base))
model.write("near", model.make(5, "BF16", a, 2e-4))
model.write("f32", model.make(4, "F32", base))
for name, value in (("nan", 0x7FC0), ("inf", 0xFF80)):
    bad = dict(a)
    dtype, shape, data = bad["model.layers.0.mlp.up_proj.weight"]
    at = 2 * (3 * 512 + 17)
    bad["model.layers.0.mlp.up_proj.weight"] = (dtype, shape, data[:at] + struct.pack("<H", value) + data[at + 2:])
    model.write(name, bad)
large = dict(a)
large["model.norm.weight"] = ("BF16", [7], model.pack("BF16", [1, 2, 60000, 50000, 3, 4, 5]))
model.write("large", large)
