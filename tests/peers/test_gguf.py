"""GGUF beside the gguf package and transformers, live: every type of blocks as numbers, numbers as blocks, models.

    test_gguf.py CONVERT_ROWS DUMP_LOGITS LANCET [NAME ...]
    test_gguf.py --vectors >tests/unit/vectors_quant.h

Types that the package does not know (Q8_1, Q8_K, Q1_0, Q2_0) are compared with their formula. Models: tiny random ones, converted to GGUF
by lancet, which transformers must read as what they were, and back, byte for byte; SmolLM2 and Gemma 3 as GGUF (LANCET_REAL), which
transformers reads too, in F32. Logits agree within 2e-4 of their deviation. Prints TAP.
"""

import os
import subprocess
import sys
import tempfile

os.environ["HF_HUB_OFFLINE"] = "1"

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType as T
from gguf.quants import dequantize, quantize

BLOCKS = {t.name: GGML_QUANT_SIZES[t] for t in T if t not in (T.F32, T.F16, T.F64) and "I" != t.name[0] or t.name.startswith("IQ")}
BLOCKS["Q8_1"] = (32, 36)  # the package's size is that of an older layout
BLOCKS["Q2_0"] = (64, 18)
WRITTEN = ["BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1"]
count = failed = 0


def check(name, ok, why=""):
    global count, failed
    count += 1
    failed += not ok
    print(f"{'ok' if ok else 'not ok'} {count} - {name}" + (f" # {why}" if why and not ok else ""), flush=True)


def by_formula(name, blocks):
    half = lambda at: blocks[:, at:at + 2].copy().view(np.float16).astype(np.float32)
    if name == "Q8_1":
        return half(0) * blocks[:, 4:].view(np.int8).astype(np.float32)
    if name == "Q8_K":
        return blocks[:, :4].copy().view(np.float32) * blocks[:, 4:260].view(np.int8).astype(np.float32)
    if name == "Q1_0":
        return half(0) * (2 * np.unpackbits(blocks[:, 2:], axis=1, bitorder="little").astype(np.float32) - 1)
    if name == "Q2_0":
        q = (blocks[:, 2:, None] >> np.array([0, 2, 4, 6], np.uint8)) & 3
        return half(0) * (q.reshape(len(blocks), -1).astype(np.float32) - 1)
    return None


def numbers_of(name, blocks):
    with np.errstate(all="ignore"):
        own = by_formula(name, blocks)
        return own if own is not None else dequantize(blocks, T[name])


def same_bits(a, b):
    """Every NaN is like every other."""
    a, b = np.ascontiguousarray(a, np.float32).ravel(), np.ascontiguousarray(b, np.float32).ravel()
    return a.shape == b.shape and bool(np.all((a.view(np.uint32) == b.view(np.uint32)) | (np.isnan(a) & np.isnan(b))))


def convert(program, how, name, data):
    return subprocess.run([program, how, name], input=data, stdout=subprocess.PIPE, check=True).stdout


def test_reading(program):
    r = np.random.default_rng(7)
    for name, (_, size) in BLOCKS.items():
        blocks = r.integers(0, 256, (4000, size), np.uint8)
        got = np.frombuffer(convert(program, "read", name, blocks.tobytes()), np.float32)
        want = numbers_of(name, blocks)
        check(f"{name} is read bit for bit", same_bits(got, want), f"{np.sum(got != want.ravel())} differ")


def floats_for_writing(r, n):
    """Blocks of several scales, some with ties, zeros, equal numbers, numbers that underflow."""
    x = r.standard_normal((n, 32)).astype(np.float32) * np.exp(r.uniform(-12, 6, (n, 1))).astype(np.float32)
    x[::7] = np.round(x[::7] * 8) / 8
    x[5::50] = 0
    x[6::50] = x[6::50, :1]
    x[7::50] *= np.float32(1e-6)
    x[8::50] = np.abs(x[8::50])
    return x + np.float32(0)  # no -0: numpy's least of 0 and -0 is either


def test_writing(program):
    x = floats_for_writing(np.random.default_rng(8), 20000)
    for name in WRITTEN:
        with np.errstate(all="ignore"):
            want = quantize(x, T[name])
        got = np.frombuffer(convert(program, "write", name, x.tobytes()), np.uint8)
        check(f"{name} is written byte for byte", np.array_equal(got, want.ravel()),
              f"{np.sum(got != want.ravel())} bytes differ")


# ---- models ----

def tiny_models():
    """name -> (config, dtype)"""
    import torch
    import transformers as t

    def kin(name, **options):
        return getattr(t, name)(**{"vocab_size": 96, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 3,
                                   "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 128,
                                   "bos_token_id": 0, "eos_token_id": 0, "pad_token_id": None, **options})

    llama3 = {"rope_type": "llama3", "rope_theta": 500000.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
              "original_max_position_embeddings": 8192}
    gemma = {"head_dim": 32, "num_hidden_layers": 7}
    return {
        "gpt2": (t.GPT2Config(vocab_size=96, n_positions=64, n_embd=64, n_layer=3, n_head=4, bos_token_id=0, eos_token_id=0), torch.float32),
        "gpt2-bf16": (t.GPT2Config(vocab_size=96, n_positions=64, n_embd=64, n_layer=2, n_head=4, bos_token_id=0, eos_token_id=0), torch.bfloat16),
        "llama": (kin("LlamaConfig"), torch.float32),
        "llama-tied-bf16": (kin("LlamaConfig", tie_word_embeddings=True), torch.bfloat16),
        "llama-f16-llama3": (kin("LlamaConfig", rope_parameters=llama3), torch.float16),
        "llama-biases": (kin("LlamaConfig", attention_bias=True, mlp_bias=True), torch.float32),
        "qwen2": (kin("Qwen2Config"), torch.bfloat16),
        "qwen3": (kin("Qwen3Config", head_dim=32), torch.float32),
        "gemma2": (kin("Gemma2Config", sliding_window=9, query_pre_attn_scalar=32, **gemma), torch.float32),
        "gemma3": (kin("Gemma3TextConfig", sliding_window=9, query_pre_attn_scalar=32, **gemma), torch.float32),
        "gemma3-bf16": (kin("Gemma3TextConfig", sliding_window=9, query_pre_attn_scalar=32, **gemma), torch.bfloat16),
        "granite": (kin("GraniteConfig", embedding_multiplier=3.0, attention_multiplier=0.2, residual_multiplier=0.7,
                        logits_scaling=2.0), torch.float32),
        "phi3": (kin("Phi3Config"), torch.float32),
        "starcoder2": (kin("Starcoder2Config", sliding_window=None), torch.float32),
        "olmo2": (kin("Olmo2Config"), torch.float32),
        "stablelm": (kin("StableLmConfig", use_qkv_bias=True), torch.float32),
    }


# What transformers' own reader of GGUF does not know, or reads otherwise (of gpt2 not the size of the vocabulary, of gemma3 not
# the scale of attention, which follows from the width of a head).
NOT_READ = {"gpt2", "gpt2-bf16", "gemma3", "gemma3-bf16", "granite", "olmo2", "stablelm", "phi3", "starcoder2", "gemma2", "llama-biases", "llama-f16-llama3"}


def logits_of(program, path, prompts, vocabulary):
    with tempfile.TemporaryDirectory() as folder:
        lines, out = os.path.join(folder, "ids"), os.path.join(folder, "out")
        with open(lines, "w") as f:
            f.write("".join(" ".join(map(str, ids)) + "\n" for ids in prompts))
        subprocess.run([program, path, lines, "logits", out], check=True)
        return np.split(np.fromfile(out, np.float32).reshape(-1, vocabulary), np.cumsum([len(p) for p in prompts])[:-1])


def check_logits(name, got, model, prompts):
    import torch
    worst = 0
    with torch.no_grad():
        for ids, mine in zip(prompts, got):
            theirs = model(torch.tensor([ids])).logits[0].float().numpy()
            worst = max(worst, np.abs(theirs - mine).max() / theirs.std())
    check(name, worst <= 2e-4, f"{worst:.2g} of the deviation")


def tensors_of(path):
    from safetensors import safe_open
    with safe_open(os.path.join(path, "model.safetensors"), "pt") as f:
        return {name: f.get_tensor(name) for name in f.keys()}


def same_tensor(a, b):
    import torch
    return a.dtype == b.dtype and a.shape == b.shape and torch.equal(a.contiguous().view(torch.uint8), b.contiguous().view(torch.uint8))


def test_tiny(name, config, dtype, dump, lancet, folder):
    import torch
    import transformers as t
    run = lambda *args: subprocess.run([lancet, *args], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    torch.manual_seed(3)
    model = t.AutoModelForCausalLM.from_config(config).to(dtype)
    for parameter in model.parameters():
        parameter.data = (torch.randn_like(parameter, dtype=torch.float32) * 0.15).to(dtype)
    here = os.path.join(folder, name)
    model.save_pretrained(here)
    model = model.float().eval()
    prompts = [np.random.default_rng(5).integers(0, 96, n).tolist() for n in (1, 7, 40)]
    gguf, back = here + ".gguf", here + "-back"
    run("convert", here, gguf)
    check_logits(f"{name}: runs from the GGUF as from the folder", logits_of(dump, gguf, prompts, 96), model, prompts)
    run("convert", gguf, back)
    a, b = tensors_of(here), tensors_of(back)
    loose = [k for k in a if "gemma" in name and "norm" in k]
    differ = [k for k in a if k not in b or not (k in loose or same_tensor(a[k], b[k]))]
    check(f"{name}: the same bytes after GGUF", not differ and a.keys() == b.keys(), f"{differ} {a.keys() ^ b.keys()}")
    if loose:
        check(f"{name}: norms differ by a rounding of 1 + w", all(torch.allclose(a[k].float(), b[k].float(), rtol=0, atol=2e-2 if dtype != torch.float32 else 1e-6)
                                                                for k in loose))
    again = t.AutoModelForCausalLM.from_pretrained(back, dtype=torch.float32, attn_implementation="eager").eval()
    if not loose:
        check_logits(f"{name}: transformers reads the folder that was made", logits_of(dump, here, prompts, 96), again, prompts)
    if name not in NOT_READ:
        theirs = t.AutoModelForCausalLM.from_pretrained(folder, gguf_file=name + ".gguf", dtype=torch.float32, attn_implementation="eager").eval()
        check_logits(f"{name}: transformers reads the GGUF", logits_of(dump, gguf, prompts, 96), theirs, prompts)
    for kind in ("Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1"):
        run("convert", here, here + kind + ".gguf", "--dtype", kind)
        check_quantised(f"{name}: {kind} as gguf writes it", gguf, here + kind + ".gguf", kind)


def check_quantised(name, plain, quantised, kind):
    from gguf import GGUFReader
    a = {t.name: t for t in GGUFReader(plain).tensors}
    ok = True
    for t in GGUFReader(quantised).tensors:
        if t.tensor_type.name == kind:
            x = dequantize(np.asarray(a[t.name].data), a[t.name].tensor_type) + np.float32(0)
            ok = ok and np.array_equal(quantize(x, T[kind]).ravel(), np.asarray(t.data).ravel())
    check(name, ok)


def test_real(name, dump):
    import torch
    import transformers as t
    real = os.environ.get("LANCET_REAL")
    if not real or not os.path.exists(os.path.join(real, name + ".gguf")):
        check(f"{name}.gguf # SKIP no LANCET_REAL", True)
        return
    theirs = t.AutoModelForCausalLM.from_pretrained(real, gguf_file=name + ".gguf", dtype=torch.float32, attn_implementation="eager").eval()
    tokenizer = t.AutoTokenizer.from_pretrained(os.path.join(real, name))
    prompts = [tokenizer(text).input_ids for text in ("The Eiffel Tower is located in the city of", "Once upon a time, there was")]
    check_logits(f"{name}.gguf: as its dequantised F32 in transformers",
                 logits_of(dump, os.path.join(real, name + ".gguf"), prompts, theirs.config.vocab_size), theirs, prompts)


def test_vocabularies(lancet):
    """The files of llama.cpp that hold a vocabulary alone open."""
    import glob
    import json
    from gguf import GGUFReader
    files = sorted(glob.glob(os.path.join(os.environ.get("LANCET_DATA", "/nowhere"), "tok-llamacpp-vectors", "*.gguf")))
    for path in files:
        fields = GGUFReader(path).fields
        run = subprocess.run([lancet, "--json", "info", path], stdout=subprocess.PIPE)
        shown = json.loads(run.stdout) if run.returncode == 0 else {}
        check(f"{os.path.basename(path)} opens", shown.get("tokenizer") == "in the file" and shown.get("tensors") == 0 and
              len(fields["tokenizer.ggml.tokens"].data) > 0)
    if not files:
        check("vocabularies # SKIP no LANCET_DATA", True)


def test_models(dump, lancet, names):
    import torch
    import transformers
    torch.set_num_threads(1)
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    with tempfile.TemporaryDirectory() as folder:
        for name, (config, dtype) in tiny_models().items():
            if names and name not in names:
                continue
            try:
                test_tiny(name, config, dtype, dump, lancet, folder)
            except Exception as e:
                check(name, False, f"{type(e).__name__}: {str(e).splitlines()[0] if str(e) else ''}")
    for name in ("smollm2", "gemma3"):
        if not names or name + ".gguf" in names:
            test_real(name, dump)


# ---- vectors for the unit test ----

def stream(seed, n):
    """The bytes of a linear congruential generator that C repeats."""
    out = bytearray()
    for _ in range(n):
        seed = (seed * 6364136223846793005 + 1442695040888963407) % 2**64
        out.append(seed >> 56)
    return np.frombuffer(bytes(out), np.uint8)


def fnv(data):
    h = 0xcbf29ce484222325
    for byte in data:
        h = (h ^ byte) * 0x100000001b3 % 2**64
    return h


def print_vectors():
    print("/* Made by tests/peers/test_gguf.py --vectors, from the gguf package 0.19.0: of 16 blocks from the stream of bytes, the\n"
          " * FNV-1a hash of the numbers (every NaN as 0x7fc00000), and of 64 x 32 numbers that of the bytes. */\n")
    print("#include <stdint.h>\n\nstatic const struct quant_vector {\n    const char *dtype;\n    uint64_t hash;\n} read_vectors[] = {")
    for name, (_, size) in BLOCKS.items():
        x = np.ascontiguousarray(numbers_of(name, stream(1, 16 * size).reshape(16, size)), np.float32)
        x[np.isnan(x)] = np.nan
        bits = x.view(np.uint32).copy()
        bits[np.isnan(x)] = 0x7fc00000
        print(f'    {{"{name}", 0x{fnv(bits.tobytes()):016x}}},')
    x = (stream(2, 2048).astype(np.float32) - 100) * (stream(3, 64).astype(np.float32).repeat(32) / 1024)
    print("}, write_vectors[] = {")
    for name in WRITTEN:
        print(f'    {{"{name}", 0x{fnv(quantize(x.reshape(64, 32), T[name]).tobytes()):016x}}},')
    print("};")


def main():
    if sys.argv[1] == "--vectors":
        print_vectors()
        return
    rows, dump, lancet, names = *sys.argv[1:4], sys.argv[4:]
    if not names:
        test_reading(rows)
        test_writing(rows)
        test_vocabularies(lancet)
    test_models(dump, lancet, names)
    print(f"1..{count}")
    sys.exit(failed != 0)


main()
