"""GGUF beside the gguf package and transformers, live: every type of blocks as numbers, numbers as blocks, models.

    test_gguf.py CONVERT_ROWS DUMP_LOGITS LANCET [NAME ...]    (LANCET_LLAMA: a Python that has llama-cpp-python 0.3.36)
    test_gguf.py --vectors >tests/unit/vectors_quant.h

Types that the package does not know (Q8_1, Q8_K, Q1_0, Q2_0) are compared with their formula. Models: tiny random ones, converted to GGUF
by lancet, which transformers and llama.cpp must read as what they were, and back, byte for byte; SmolLM2 and Gemma 3 as GGUF (LANCET_REAL), which
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

    def falcon(**options):
        return t.FalconConfig(**{"vocab_size": 96, "hidden_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4,
                                 "max_position_embeddings": 128, "bos_token_id": 0, "eos_token_id": 0, **options})

    rope = lambda kind, **more: {"rope_parameters": {"rope_type": kind, "rope_theta": 10000.0, "factor": 4.0, **more}}
    llama3 = rope("llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=8192)
    long = {"rope_type": "longrope", "rope_theta": 10000.0, "short_factor": [1.0 + i / 8 for i in range(8)],
            "long_factor": [2.0 + i for i in range(8)], "original_max_position_embeddings": 32}
    gemma = {"head_dim": 32, "num_hidden_layers": 7}
    experts = {"moe_intermediate_size": 32, "num_experts": 6, "num_experts_per_tok": 2}
    f32, f16, bf16 = torch.float32, torch.float16, torch.bfloat16
    gpt2 = lambda layers: t.GPT2Config(vocab_size=96, n_positions=64, n_embd=64, n_layer=layers, n_head=4, bos_token_id=0, eos_token_id=0)
    return {
        "gpt2": (gpt2(3), f32),
        "gpt2-bf16": (gpt2(2), bf16),
        "llama": (kin("LlamaConfig"), f32),
        "llama-tied-bf16": (kin("LlamaConfig", tie_word_embeddings=True), bf16),
        "llama-f16-llama3": (kin("LlamaConfig", **llama3), f16),
        "llama-biases": (kin("LlamaConfig", attention_bias=True, mlp_bias=True), f32),
        "llama-linear": (kin("LlamaConfig", **rope("linear")), f32),
        "llama-yarn": (kin("LlamaConfig", **rope("yarn", original_max_position_embeddings=32)), f32),
        "llama-dynamic": (kin("LlamaConfig", **rope("dynamic")), f32),
        "mistral": (kin("MistralConfig", sliding_window=None), f32),
        "mistral-window": (kin("MistralConfig", sliding_window=9), f32),
        "mixtral": (kin("MixtralConfig", num_local_experts=6, sliding_window=None), f32),
        "mixtral-bf16": (kin("MixtralConfig", num_local_experts=4, sliding_window=None), bf16),
        "qwen2": (kin("Qwen2Config"), bf16),
        "qwen2_moe": (kin("Qwen2MoeConfig", shared_expert_intermediate_size=64, norm_topk_prob=False, **experts), f32),
        "qwen2_moe-sums": (kin("Qwen2MoeConfig", shared_expert_intermediate_size=64, norm_topk_prob=True, **experts), f32),
        "qwen3": (kin("Qwen3Config", head_dim=32), f32),
        "qwen3-narrow": (kin("Qwen3Config", head_dim=16), f32),
        "qwen3_moe": (kin("Qwen3MoeConfig", head_dim=32, norm_topk_prob=True, **experts), f32),
        "qwen3_moe-plain-layers": (kin("Qwen3MoeConfig", head_dim=32, norm_topk_prob=True, mlp_only_layers=[1], **experts), f32),
        "gemma": (kin("GemmaConfig", head_dim=32), f32),
        "gemma2": (kin("Gemma2Config", sliding_window=9, query_pre_attn_scalar=32, **gemma), f32),
        "gemma3": (kin("Gemma3TextConfig", sliding_window=9, query_pre_attn_scalar=32, **gemma), f32),
        "gemma3-bf16": (kin("Gemma3TextConfig", sliding_window=9, query_pre_attn_scalar=32, **gemma), bf16),
        "gemma3-scale": (kin("Gemma3TextConfig", sliding_window=9, query_pre_attn_scalar=20, **gemma), f32),
        "granite": (kin("GraniteConfig", embedding_multiplier=3.0, attention_multiplier=0.2, residual_multiplier=0.7,
                        logits_scaling=2.0), f32),
        "phi": (kin("PhiConfig", num_key_value_heads=4), f32),
        "phi3": (kin("Phi3Config"), f32),
        "phi3-longrope": (kin("Phi3Config", original_max_position_embeddings=32, rope_parameters=long), f32),
        "starcoder2": (kin("Starcoder2Config", sliding_window=None), f32),
        "olmo2": (kin("Olmo2Config"), f32),
        "stablelm": (kin("StableLmConfig", use_qkv_bias=True), f32),
        "stablelm-parallel": (kin("StableLmConfig", use_parallel_residual=True, qk_layernorm=True), f32),
        "smollm3": (kin("SmolLM3Config", num_hidden_layers=5), bf16),
        "smollm3-interval": (kin("SmolLM3Config", num_hidden_layers=5, no_rope_layer_interval=2), f32),
        "gpt_neox": (kin("GPTNeoXConfig", num_key_value_heads=4), f32),
        "bloom": (t.BloomConfig(vocab_size=96, hidden_size=64, n_layer=3, n_head=4, bos_token_id=0, eos_token_id=0), f32),
        "falcon-7b": (falcon(multi_query=True, parallel_attn=True, bias=False), f32),
        "falcon-40b": (falcon(new_decoder_architecture=True, num_kv_heads=2, bias=False), f32),
        "cohere-biases": "biases of queries, keys and values",
    "falcon-alibi": (falcon(alibi=True, multi_query=False, parallel_attn=False, bias=True), f32),
        "cohere": (kin("CohereConfig", logit_scale=0.25), f32),
        "cohere-norms": (kin("CohereConfig", logit_scale=0.25, use_qk_norm=True), f32),
        "cohere-biases": (kin("CohereConfig", logit_scale=0.25, attention_bias=True), f32),
        "glm4": (kin("Glm4Config", head_dim=16, attention_bias=True), f32),
    }


# What transformers' own reader of GGUF knows and reads as it wrote it. (Not gpt2, whose vocabulary it takes to be the usual one;
# gemma3, of whose scale of attention it knows nothing; qwen3, whose heads it takes to be 128 wide; llama with biases or scaling.)
READ = {"llama", "llama-tied-bf16", "qwen2"}
# What a GGUF cannot say: words of the refusal.
REFUSED = {
    "llama-dynamic": "rope scaling of type dynamic",
    "mistral-window": "windows and rope of its layers",
    "qwen2_moe-sums": "sum of the weights of experts",
    "qwen3_moe-plain-layers": "layer 1 has no experts",
    "gemma3-scale": "scale of attention",
    "smollm3-interval": "windows and rope of its layers",
    "cohere-biases": "biases of queries, keys and values",
    "falcon-alibi": "cannot say what it is like: attention and MLP side by side",
}
QUANTISED = {"gpt2", "llama", "gemma3", "mixtral", "phi3", "qwen2"}


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


def names_of(arch, here):
    """The names that the gguf package has for the tensors of a folder."""
    import re
    from gguf import MODEL_ARCH_NAMES, get_tensor_name_map
    table = get_tensor_name_map(next(k for k, v in MODEL_ARCH_NAMES.items() if v == arch), 16)
    own = lambda name: re.sub(r"(experts|_layernorm)\.(norms\.)?\d+\.", r"\1.", name)
    find = lambda name: table.get_name(own(name), try_suffixes=(".weight", ".bias"))
    return {name: find(name) or find(name.removeprefix("transformer.")) for name in tensors_of(here)}


def check_names(name, here, gguf):
    from gguf import GGUFReader
    reader = GGUFReader(gguf)
    found = {t.name for t in reader.tensors}
    expected = names_of(reader.get_field("general.architecture").contents(), here)
    unknown = [k for k, v in expected.items() if v is None]
    extra = found - set(expected.values()) - {"rope_freqs.weight", "rope_factors_long.weight", "rope_factors_short.weight"}
    check(f"{name}: names as gguf has them", not unknown and not extra and set(expected.values()) <= found,
          f"unknown {unknown[:3]}, more {sorted(extra)[:3]}, missing {sorted(set(filter(None, expected.values())) - found)[:3]}")


def test_tiny(name, config, dtype, dump, lancet, folder):
    import torch
    import transformers as t
    run = lambda *args: subprocess.run([lancet, *args], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    load = lambda path, **more: t.AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32, attn_implementation="eager", **more).eval()
    torch.manual_seed(3)
    model = t.AutoModelForCausalLM.from_config(config).to(dtype)
    for parameter in model.parameters():
        parameter.data = (torch.randn_like(parameter, dtype=torch.float32) * 0.15).to(dtype)
    here = os.path.join(folder, name)
    model.save_pretrained(here)
    gguf, back = here + ".gguf", here + "-back"
    if name in REFUSED:
        refused = subprocess.run([lancet, "convert", here, gguf], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        check(f"{name}: refused", refused.returncode == 5 and REFUSED[name] in refused.stderr and not os.path.exists(gguf), refused.stderr)
        return
    prompts = [np.random.default_rng(5).integers(0, 96, n).tolist() for n in (1, 7, 40)]
    run("convert", here, gguf)
    check_names(name, here, gguf)
    mine = logits_of(dump, gguf, prompts, 96)
    check_logits(f"{name}: runs from the GGUF as from the folder", mine, load(here), prompts)
    if os.environ.get("LANCET_LLAMA") and name != "cohere-norms":  # it reads those norms of 64 layers and more only
        check_llama(name, lancet, here, (prompts[-1], mine[-1]))
    run("convert", gguf, back)
    a, b = tensors_of(here), tensors_of(back)
    loose = [k for k in a if "gemma" in name and "norm" in k]
    differ = [k for k in a if k not in b or not (k in loose or same_tensor(a[k], b[k]))]
    check(f"{name}: the same bytes after GGUF", not differ and a.keys() == b.keys(), f"{differ} {a.keys() ^ b.keys()}")
    if loose:
        check(f"{name}: norms differ by a rounding of 1 + w",
              all(torch.allclose(a[k].float(), b[k].float(), rtol=0, atol=2e-2 if dtype != torch.float32 else 1e-6) for k in loose))
    check_logits(f"{name}: transformers reads the folder that was made", logits_of(dump, here, prompts, 96), load(back), prompts)
    if name in READ:
        check_logits(f"{name}: transformers reads the GGUF", logits_of(dump, gguf, prompts, 96), load(folder, gguf_file=name + ".gguf"), prompts)
    for kind in ("Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1") if name in QUANTISED else ():
        run("convert", here, here + kind + ".gguf", "--dtype", kind)
        check_quantised(f"{name}: {kind} as gguf writes it", gguf, here + kind + ".gguf", kind)


def test_left_out_ones(dump, folder):
    """A matrix of one row as a vector, as older converters wrote it."""
    whole, short = os.path.join(folder, "qwen2_moe.gguf"), os.path.join(folder, "short.gguf")
    writer = rewrite(whole, short, "qwen2moe")
    for info in (t for tensors in writer.tensors for name, t in tensors.items() if name.endswith("inp_shexp.weight")):
        info.tensor, info.shape = info.tensor.reshape(-1), (info.shape[-1],)
    write(writer)
    ids = [[1, 2, 3, 4, 5]]
    check("a dimension of 1 that is left out", np.array_equal(logits_of(dump, whole, ids, 96)[0], logits_of(dump, short, ids, 96)[0]))


def test_split(dump, lancet, folder):
    """A model that the package writes in three files."""
    from gguf import GGUFReader
    whole, parts = os.path.join(folder, "llama.gguf"), os.path.join(folder, "parts.gguf")
    write(rewrite(whole, parts, "llama", split_max_tensors=-(-len(GGUFReader(whole).tensors) // 3)))
    second = os.path.join(folder, "parts-00002-of-00003.gguf")
    same = subprocess.run([lancet, "diff", whole, second], stdout=subprocess.DEVNULL).returncode
    ids = [[1, 2, 3, 4, 5]]
    check("files that gguf split", same == 0 and np.array_equal(logits_of(dump, whole, ids, 96)[0], logits_of(dump, second, ids, 96)[0]))


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


# ---- llama.cpp ----

LLAMA = """
import ctypes, sys, numpy as np, llama_cpp as l
path, out, *ids = sys.argv[1:]
ids = [int(i) for i in ids]
quiet = l.llama_log_callback(lambda *_: None)
l.llama_log_set(quiet, ctypes.c_void_p(0))
model = l.llama_model_load_from_file(path.encode(), l.llama_model_default_params())
how = l.llama_context_default_params()
how.n_ctx = how.n_batch = how.n_ubatch = 128
how.type_k = how.type_v = how.flash_attn_type = 0
how.n_threads = how.n_threads_batch = 1
context = l.llama_init_from_model(model, how)
batch = l.llama_batch_init(len(ids), 0, 1)
batch.n_tokens = len(ids)
for i, token in enumerate(ids):
    batch.token[i], batch.pos[i], batch.n_seq_id[i], batch.logits[i] = token, i, 1, 1
    batch.seq_id[i][0] = 0
assert l.llama_decode(context, batch) == 0
n = l.llama_vocab_n_tokens(l.llama_model_get_vocab(model))
np.save(out, np.stack([np.ctypeslib.as_array(l.llama_get_logits_ith(context, i), (n,)).copy() for i in range(len(ids))]))
"""
# Its GELU is a table in F16.
LLAMA_LIMIT = {"gpt2", "gpt2-bf16", "gemma", "gemma2", "gemma3", "gemma3-bf16", "phi", "starcoder2", "gpt_neox", "bloom", "falcon-7b", "falcon-40b"}


def llama_logits(path, ids, out):
    """None when there is no llama.cpp (LANCET_LLAMA: a Python that has llama-cpp-python)."""
    python = os.environ.get("LANCET_LLAMA")
    if not python:
        return None
    run = subprocess.run([python, "-c", LLAMA, path, out, *map(str, ids)], stderr=subprocess.PIPE, text=True)
    if run.returncode:
        raise RuntimeError((run.stderr.strip() or "llama.cpp does not load it").splitlines()[-1])
    return np.load(out)


def rewrite(source, target, arch, **options):
    """A copy by the gguf package."""
    from gguf import GGUFReader, GGUFValueType, GGUFWriter
    reader, writer = GGUFReader(source), GGUFWriter(target, arch, **options)
    for field in reader.fields.values():
        if not field.name.startswith("GGUF.") and field.name != "general.architecture":
            writer.add_key_value(field.name, field.contents(), field.types[0], field.types[1] if field.types[0] == GGUFValueType.ARRAY else None)
    for tensor in reader.tensors:
        writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
    return writer


def write(writer):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def check_llama(name, lancet, here, mine):
    """llama.cpp loads what was written, in F32, with a word that there is no vocabulary."""
    from gguf import GGUFReader
    plain, none = here + "-f32.gguf", here + "-none.gguf"
    subprocess.run([lancet, "--quiet", "convert", here, plain, "--dtype", "F32"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    writer = rewrite(plain, none, GGUFReader(plain).get_field("general.architecture").contents())
    writer.add_string("tokenizer.ggml.model", "none")
    write(writer)
    prompt, logits = mine
    theirs = llama_logits(none, prompt, here + "-logits.npy")
    if theirs is not None:
        worst = np.abs(theirs - logits).max() / theirs.std()
        check(f"{name}: llama.cpp reads the GGUF", worst <= (4e-3 if name in LLAMA_LIMIT else 2e-4), f"{worst:.2g} of the deviation")


def test_edit(name, stored, dump, lancet, folder):
    """One fact, default settings, in a copy of a real quantised file: another program sees it, and undo gives every byte back."""
    import json
    import shutil
    real = os.environ.get("LANCET_REAL")
    if not real or not os.path.exists(os.path.join(real, name + ".gguf")):
        check(f"{name}.gguf edited # SKIP no LANCET_REAL", True)
        return
    source, here = os.path.join(real, name + ".gguf"), os.path.join(folder, name + "-edited", name + ".gguf")
    os.mkdir(os.path.dirname(here))
    shutil.copy(source, here)
    prompt = "The Eiffel Tower is in the city of"
    ask = lambda *args: json.loads(subprocess.run([lancet, "--json", *args], check=True, stdout=subprocess.PIPE).stdout)
    before = ask("predict", here, prompt)
    ask("edit", here, "--prompt", prompt, "--subject", "The Eiffel Tower", "--target", "Rome")
    after = ask("predict", here, prompt)
    ids = [t["id"] for t in after["tokens"]]
    check(f"{name}.gguf ({stored}) edited in place", before["next"][0]["text"] == " Paris" and after["next"][0]["text"] == " Rome",
          f"{after['next'][0]}")
    theirs = llama_logits(here, ids, os.path.join(folder, name + ".npy"))
    if theirs is not None:
        check(f"{name}.gguf: llama.cpp shows the new answer", int(theirs[-1].argmax()) == after["next"][0]["id"])
    subprocess.run([lancet, "undo", here], check=True, stdout=subprocess.DEVNULL)
    check(f"{name}.gguf: undone byte for byte", open(source, "rb").read() == open(here, "rb").read())


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
        if not names or "llama" in names:
            test_split(dump, lancet, folder)
        if not names or "qwen2_moe" in names:
            test_left_out_ones(dump, folder)
        for name, stored in (("smollm2", "Q4_1"), ("gemma3", "Q4_K")):
            if not names or name + ".gguf" in names:
                test_real(name, dump)
                test_edit(name, stored, dump, lancet, folder)


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
