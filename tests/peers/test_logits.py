"""The engine beside transformers, live: logits, attention and greedy continuations.

    test_logits.py DUMP_LOGITS [NAME ...]

Models: tiny random ones made here in every configuration that the table has options for, the trained ones of the shared
data (LANCET_DATA), SmolLM2 and Gemma 3 (LANCET_REAL). transformers runs in float32 with eager attention, whatever dtype
the file has. Limits: logits within 2e-4 of their standard deviation, attention within 1e-5, thirty greedy tokens equal to
those of transformers with its cache, wherever the two best logits differ by more than 1e-4. Prints TAP.
"""

import inspect
import json
import os
import subprocess
import sys
import tempfile
import textwrap

import numpy as np
import safetensors.torch
import torch
import transformers

transformers.utils.logging.disable_progress_bar()

LOGITS_LIMIT, ATTENTION_LIMIT, GREEDY_GAP, GREEDY, LONG = 2e-4, 1e-5, 1e-4, 30, 600

PROMPTS = [
    "The Eiffel Tower is located in the city of",
    "The capital of Japan is",
    "Water boils at a temperature of",
    "Once upon a time, there was a little girl who",
    "The mother tongue of Danielle Darrieux is",
    "In 1969, Neil Armstrong became the first",
    "def fibonacci(n):\n    if n < 2:\n        return n\n    return",
    "全世界最高的山是",
    "Die Hauptstadt von Deutschland ist",
    "The opposite of hot is cold. The opposite of big is",
]

LLAMA3 = {"rope_type": "llama3", "rope_theta": 500000.0, "factor": 8.0, "low_freq_factor": 1.0,
          "high_freq_factor": 4.0, "original_max_position_embeddings": 32}


YARN = {"rope_type": "yarn", "rope_theta": 10000.0, "factor": 8.0, "original_max_position_embeddings": 32}


def gpt2(**options):
    return transformers.GPT2Config(**{"vocab_size": 97, "n_positions": 96, "n_embd": 48, "n_layer": 3, "n_head": 4,
                                      "bos_token_id": 0, "eos_token_id": 0, **options})


def llama(**options):
    return transformers.LlamaConfig(**{"vocab_size": 97, "hidden_size": 48, "intermediate_size": 80,
                                       "num_hidden_layers": 3, "num_attention_heads": 6, "num_key_value_heads": 2,
                                       "max_position_embeddings": 256, "bos_token_id": 0, "eos_token_id": 0,
                                       **options})


def kin(name, **options):
    """A small config of one of Llama's kin, by the name of its class."""
    return getattr(transformers, name)(**{"vocab_size": 97, "hidden_size": 48, "intermediate_size": 80,
                                          "num_hidden_layers": 3, "num_attention_heads": 6,
                                          "num_key_value_heads": 2, "max_position_embeddings": 256,
                                          "bos_token_id": 0, "eos_token_id": 0, "pad_token_id": None, **options})


def falcon(**options):
    """Layers are parallel, with one key/value head, unless options say otherwise."""
    return transformers.FalconConfig(**{"vocab_size": 97, "hidden_size": 48, "num_hidden_layers": 3,
                                        "num_attention_heads": 6, "max_position_embeddings": 256, "bos_token_id": 0,
                                        "eos_token_id": 0, **options})


def opt(**options):
    return transformers.OPTConfig(**{"vocab_size": 97, "hidden_size": 48, "ffn_dim": 80, "num_hidden_layers": 3,
                                     "num_attention_heads": 6, "max_position_embeddings": 128, "bos_token_id": 0,
                                     "eos_token_id": 0, "pad_token_id": 1, **options})


def experts(name, **options):
    """The same with experts."""
    return kin(name, **{**({"num_local_experts": 6} if name == "MixtralConfig" else
                           {"num_experts": 6, "moe_intermediate_size": 40}), "num_experts_per_tok": 2, **options})


def encoder(name, **options):
    return getattr(transformers, name)(**{"vocab_size": 97, "hidden_size": 48, "intermediate_size": 80,
                                          "num_hidden_layers": 3, "num_attention_heads": 6,
                                          "max_position_embeddings": 98, **options})


def distilbert(**options):
    return transformers.DistilBertConfig(**{"vocab_size": 97, "dim": 48, "hidden_dim": 80, "n_layers": 3, "n_heads": 6,
                                            "max_position_embeddings": 98, **options})


def mamba(**options):
    return transformers.MambaConfig(**{"vocab_size": 97, "hidden_size": 48, "num_hidden_layers": 3, "state_size": 8,
                                       **options})


def gemma3(**options):
    return transformers.Gemma3TextConfig(**{"vocab_size": 97, "hidden_size": 48, "intermediate_size": 80,
                                            "num_hidden_layers": 7, "num_attention_heads": 4,
                                            "num_key_value_heads": 2, "head_dim": 16, "sliding_window": 9,
                                            "max_position_embeddings": 256, "query_pre_attn_scalar": 24,
                                            "bos_token_id": 0, "eos_token_id": 1, **options})


# name -> (config, save options)
RANDOM = {
    "gpt2": (gpt2(), {}),
    "gpt2-flags": (gpt2(scale_attn_by_inverse_layer_idx=True, n_inner=100, activation_function="gelu"), {}),
    "gpt2-unscaled-f16": (gpt2(scale_attn_weights=False), {"dtype": torch.float16}),
    "gpt2-untied-sharded": (gpt2(tie_word_embeddings=False, activation_function="relu"), {"shard": "40KB"}),
    "llama": (llama(), {}),
    "llama-tied-bf16": (llama(tie_word_embeddings=True), {"dtype": torch.bfloat16}),
    "llama-biases": (llama(attention_bias=True, mlp_bias=True, num_key_value_heads=6), {}),
    "llama-llama3": (llama(rope_parameters=LLAMA3), {}),
    "llama-linear": (llama(rope_parameters={"rope_type": "linear", "rope_theta": 10000.0, "factor": 4.0}), {}),
    "llama-head-dim-sharded-f16": (llama(head_dim=20), {"dtype": torch.float16, "shard": "40KB"}),
    "llama-old-spelling": (llama(rope_parameters=LLAMA3), {"old": True}),
    "granite": (kin("GraniteConfig", embedding_multiplier=12.0, attention_multiplier=0.09, residual_multiplier=0.22,
                    logits_scaling=8.0), {}),
    "granite-tied-biases": (kin("GraniteConfig", embedding_multiplier=3.0, attention_multiplier=0.2,
                                residual_multiplier=0.7, tie_word_embeddings=True, attention_bias=True,
                                mlp_bias=True), {"old": True}),
    "llama-dynamic": (kin("LlamaConfig", max_position_embeddings=32, rope_parameters={
        "rope_type": "dynamic", "rope_theta": 10000.0, "factor": 4.0}), {}),
    "llama-yarn": (kin("LlamaConfig", rope_parameters=YARN), {}),
    "llama-yarn-mscale-old": (kin("LlamaConfig", rope_parameters={
        **YARN, "mscale": 0.8, "mscale_all_dim": 0.4, "truncate": False, "beta_fast": 16, "beta_slow": 2}), {"old": True}),
    "mistral": (kin("MistralConfig", sliding_window=9), {}),
    "mistral-head-dim": (kin("MistralConfig", sliding_window=None, head_dim=16, rope_parameters={
        "rope_type": "default", "rope_theta": 1e6}), {"dtype": torch.bfloat16}),
    "qwen2": (kin("Qwen2Config"), {}),
    "qwen2-tied-windows": (kin("Qwen2Config", tie_word_embeddings=True, use_sliding_window=True, sliding_window=7,
                               max_window_layers=1), {"old": True}),
    "qwen2-layer-types-yarn": (kin("Qwen2Config", use_sliding_window=True, sliding_window=5, layer_types=[
        "sliding_attention", "full_attention", "sliding_attention"], rope_parameters=YARN), {}),
    "qwen3": (kin("Qwen3Config", head_dim=16), {}),
    "qwen3-tied-bf16": (kin("Qwen3Config", head_dim=8, tie_word_embeddings=True, attention_bias=True),
                        {"dtype": torch.bfloat16}),
    "gemma": (kin("GemmaConfig", head_dim=16), {}),
    "gemma-untied": (kin("GemmaConfig", head_dim=8, hidden_act="gelu", tie_word_embeddings=False, num_key_value_heads=1,
                         attention_bias=True), {"old": True}),
    "gemma2": (kin("Gemma2Config", head_dim=16, sliding_window=9, query_pre_attn_scalar=20,
                   attn_logit_softcapping=3.0, final_logit_softcapping=4.0), {}),
    "gemma2-no-caps": (kin("Gemma2Config", head_dim=16, sliding_window=6, attn_logit_softcapping=None,
                           final_logit_softcapping=None, tie_word_embeddings=False), {"old": True}),
    "smollm3": (kin("SmolLM3Config", num_hidden_layers=5, no_rope_layer_interval=2), {}),
    "smollm3-windows": (kin("SmolLM3Config", no_rope_layers=[1, 0, 1], use_sliding_window=True, sliding_window=7,
                            tie_word_embeddings=False, attention_bias=True, mlp_bias=True), {"old": True}),
    "olmo2": (kin("Olmo2Config"), {}),
    "olmo2-biases": (kin("Olmo2Config", attention_bias=True, tie_word_embeddings=True, num_key_value_heads=6), {}),
    "cohere": (kin("CohereConfig", logit_scale=0.25), {}),
    "cohere-norms": (kin("CohereConfig", use_qk_norm=True, attention_bias=True, tie_word_embeddings=False),
                     {"old": True}),
    "glm4": (kin("Glm4Config", head_dim=16), {}),
    "glm4-plain": (kin("Glm4Config", head_dim=8, attention_bias=False, tie_word_embeddings=True), {"old": True}),
    "phi3": (kin("Phi3Config"), {}),
    "phi3-window-partial": (kin("Phi3Config", sliding_window=9, num_key_value_heads=6, rope_parameters={
        "rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 0.5}), {"old": True}),
    "phi3-longrope": (kin("Phi3Config", tie_word_embeddings=True, original_max_position_embeddings=32,
                          rope_parameters={"rope_type": "longrope", "rope_theta": 10000.0,
                                           "short_factor": [1.0, 1.1, 1.3, 1.6],
                                           "long_factor": [1.5, 2.0, 4.0, 8.0]}), {}),
    "stablelm": (kin("StableLmConfig", hidden_size=96), {}),
    "stablelm-parallel": (kin("StableLmConfig", hidden_size=96, use_parallel_residual=True, qk_layernorm=True,
                              use_qkv_bias=True, tie_word_embeddings=True), {"old": True}),
    "starcoder2": (kin("Starcoder2Config", sliding_window=9), {}),
    "starcoder2-plain": (kin("Starcoder2Config", use_bias=False, tie_word_embeddings=False), {"old": True}),
    "gpt_neo": (transformers.GPTNeoConfig(
        vocab_size=97, hidden_size=48, num_layers=4, num_heads=6, max_position_embeddings=128, window_size=9,
        attention_types=[[["global", "local"], 2]], bos_token_id=0, eos_token_id=0), {}),
    "gpt_neo-untied": (transformers.GPTNeoConfig(
        vocab_size=97, hidden_size=48, num_layers=3, num_heads=4, intermediate_size=70, max_position_embeddings=128,
        window_size=5, attention_types=[[["local"], 1], [["global", "local"], 1]], tie_word_embeddings=False,
        activation_function="gelu", bos_token_id=0, eos_token_id=0), {"dtype": torch.float16}),
    "gptj": (transformers.GPTJConfig(vocab_size=97, n_positions=128, n_embd=48, n_layer=3, n_head=3, rotary_dim=8,
                                     bos_token_id=0, eos_token_id=0), {}),
    "gptj-tied": (transformers.GPTJConfig(vocab_size=97, n_positions=128, n_embd=48, n_layer=3, n_head=6, rotary_dim=4,
                                          n_inner=70, tie_word_embeddings=True, bos_token_id=0, eos_token_id=0), {}),
    "gpt_neox": (kin("GPTNeoXConfig", num_key_value_heads=6, num_attention_heads=3), {}),
    "gpt_neox-sequential": (kin("GPTNeoXConfig", num_key_value_heads=6, use_parallel_residual=False,
                                attention_bias=False, tie_word_embeddings=True, rope_parameters={
                                    "rope_type": "linear", "rope_theta": 5000.0, "factor": 2.0,
                                    "partial_rotary_factor": 0.5}), {"dtype": torch.float16}),
    "opt": (opt(), {}),
    "opt-350m": (opt(do_layer_norm_before=False, word_embed_proj_dim=24), {}),
    "opt-plain": (opt(enable_bias=False, tie_word_embeddings=False, activation_function="gelu"), {}),
    "bloom": (transformers.BloomConfig(vocab_size=97, hidden_size=48, n_layer=3, n_head=6, bos_token_id=0,
                                       eos_token_id=0), {}),
    "bloom-untied": (transformers.BloomConfig(vocab_size=97, hidden_size=64, n_layer=2, n_head=8, bos_token_id=0,
                                              eos_token_id=0, tie_word_embeddings=False), {"dtype": torch.bfloat16}),
    "phi": (kin("PhiConfig", num_key_value_heads=6), {}),
    "phi-norms": (kin("PhiConfig", num_attention_heads=4, qk_layernorm=True, tie_word_embeddings=True,
                      rope_parameters={"rope_type": "default", "rope_theta": 10000.0,
                                       "partial_rotary_factor": 0.34}), {"old": True}),
    "falcon": (falcon(), {}),
    "falcon-new": (falcon(new_decoder_architecture=True, num_kv_heads=2, bias=True), {}),
    "falcon-new-one-norm": (falcon(new_decoder_architecture=True, num_kv_heads=3, num_ln_in_parallel_attn=1,
                                   tie_word_embeddings=False, ffn_hidden_size=70), {"old": True}),
    "falcon-rw": (falcon(alibi=True, multi_query=False, parallel_attn=False, bias=True), {}),
    "mixtral": (experts("MixtralConfig"), {}),
    "mixtral-window-ties": (experts("MixtralConfig", sliding_window=9, num_local_experts=8, num_experts_per_tok=3),
                            {"dtype": torch.bfloat16, "ties": True}),
    "mixtral-stacked": (experts("MixtralConfig"), {"stacked": True}),
    "qwen2-moe": (experts("Qwen2MoeConfig", shared_expert_intermediate_size=56), {}),
    "qwen2-moe-windows": (experts("Qwen2MoeConfig", shared_expert_intermediate_size=24, decoder_sparse_step=2,
                                  norm_topk_prob=True, use_sliding_window=True, sliding_window=7,
                                  tie_word_embeddings=True, qkv_bias=False), {}),
    "qwen3-moe": (experts("Qwen3MoeConfig", head_dim=16, mlp_only_layers=[1]), {}),
    "qwen3-moe-ties": (experts("Qwen3MoeConfig", head_dim=8, num_experts=60, num_experts_per_tok=8,
                               norm_topk_prob=True, moe_intermediate_size=12, use_sliding_window=True,
                               sliding_window=6), {"ties": True}),
    "bert": (encoder("BertConfig"), {}),
    "bert-gamma-untied": (encoder("BertConfig", hidden_act="gelu_new", type_vocab_size=1, tie_word_embeddings=False),
                          {"gamma": True}),
    "roberta": (encoder("RobertaConfig", pad_token_id=1), {}),  # whose prompts hold padding, too
    "distilbert": (distilbert(), {}),
    "distilbert-f16": (distilbert(activation="relu"), {"dtype": torch.float16}),
    "mamba": (mamba(), {}),
    "mamba-biases-bf16": (mamba(use_bias=True, use_conv_bias=False, conv_kernel=3, expand=3, time_step_rank=5,
                                tie_word_embeddings=False), {"dtype": torch.bfloat16}),
    "gemma3": (gemma3(), {}),
    "gemma3-bf16-sharded": (gemma3(), {"dtype": torch.bfloat16, "shard": "60KB"}),
    "gemma3-untied": (gemma3(tie_word_embeddings=False, attention_bias=True, sliding_window=4), {}),
    "gemma3-linear": (gemma3(rope_parameters={
        "full_attention": {"rope_type": "linear", "rope_theta": 1000000.0, "factor": 8.0},
        "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0}}), {}),
    "gemma3-old-spelling": (gemma3(), {"old": True}),
}
SHARED = ["facts-gpt2", "facts-llama", "tinystories-656k"]
REAL = ["smollm2", "gemma3"]


def randomise(model, seed):
    """Weights large enough that every part of the model matters, small enough that scores stay below ten or so:
    float32 scores of a hundred cannot give attention to 1e-5 in any implementation."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        scale = 0.14 if parameter.dim() > 1 else 0.2
        if model.config.model_type == "mamba":  # which multiplies thrice: small numbers would vanish
            scale *= 3
        shift = 1.0 if "norm" in name and "gemma" not in type(model).__name__.lower() or "ln_" in name else 0.0
        if name.endswith("bias"):
            shift = 0.0
        with torch.no_grad():
            parameter.copy_(shift + scale * torch.randn(parameter.shape, generator=generator))


def name_gamma(path):
    """Norms as TensorFlow's first BERT named them."""
    tensors = safetensors.torch.load_file(path)
    safetensors.torch.save_file({name.replace("LayerNorm.weight", "LayerNorm.gamma")
                                 .replace("LayerNorm.bias", "LayerNorm.beta"): tensor
                                 for name, tensor in tensors.items()}, path, metadata={"format": "pt"})


def class_of(config):
    return transformers.AutoModelForMaskedLM if "bert" in config.model_type else transformers.AutoModelForCausalLM


def tie_experts(model):
    """Routers with rows alike: some experts get the same weight from every token."""
    for name, parameter in model.named_parameters():
        if name.endswith("mlp.gate.weight"):
            with torch.no_grad():
                parameter[::2] = 0
                parameter[1] = parameter[3]


def stack_experts(path):
    """Mixtral's experts as one tensor of each kind, as transformers holds them."""
    tensors = safetensors.torch.load_file(path)
    apart = {name: tensors.pop(name) for name in list(tensors) if ".experts." in name}
    tensors = {name.replace("block_sparse_moe", "mlp"): tensor for name, tensor in tensors.items()}
    for layer in sorted({name.split(".block_sparse_moe.")[0] for name in apart}):
        of = lambda e, w: apart[f"{layer}.block_sparse_moe.experts.{e}.{w}.weight"]
        n = sum(name.startswith(layer + ".") and name.endswith(".w2.weight") for name in apart)
        tensors[f"{layer}.mlp.experts.gate_up_proj"] = torch.stack(
            [torch.cat([of(e, "w1"), of(e, "w3")]) for e in range(n)]).contiguous()
        tensors[f"{layer}.mlp.experts.down_proj"] = torch.stack([of(e, "w2") for e in range(n)]).contiguous()
    safetensors.torch.save_file(tensors, path, metadata={"format": "pt"})


def old_spelling(path):
    """config.json as transformers 4 wrote it."""
    config = json.load(open(path))
    rope = config.pop("rope_parameters")
    if "full_attention" in rope:
        config["rope_theta"] = rope["full_attention"]["rope_theta"]
        config["rope_local_base_freq"] = rope["sliding_attention"]["rope_theta"]
        config["sliding_window_pattern"] = config.pop("_sliding_window_pattern", 6)
        config.pop("layer_types")
    else:
        config["rope_theta"] = rope.pop("rope_theta")
        config["rope_scaling"] = rope
    config["torch_dtype"] = config.pop("dtype", "float32")
    json.dump(config, open(path, "w"))


def make_random(name, folder):
    config, options = RANDOM[name]
    model = class_of(config).from_config(config)
    randomise(model, sum(map(ord, name)))
    if options.get("ties"):
        tie_experts(model)
    model = model.to(options.get("dtype", torch.float32))
    model.save_pretrained(folder, max_shard_size=options.get("shard", "5GB"))
    if options.get("stacked"):
        stack_experts(os.path.join(folder, "model.safetensors"))
    if options.get("gamma"):
        name_gamma(os.path.join(folder, "model.safetensors"))
    if options.get("old"):
        old_spelling(os.path.join(folder, "config.json"))


def once(forward):
    """transformers adds Falcon's ALiBi twice when attention is eager: with the mask, and to the scores. Its sdpa path
    adds it once, as the published model does."""
    def patched(self, hidden_states, alibi, attention_mask, *arguments, **options):
        if alibi is not None:
            least = torch.finfo(attention_mask.dtype).min
            attention_mask = torch.where(attention_mask == least, least, 0.0)
        return forward(self, hidden_states, alibi, attention_mask, *arguments, **options)
    return patched


def load(folder):
    attention = transformers.models.falcon.modeling_falcon.FalconAttention
    if not hasattr(attention, "patched"):
        attention.forward, attention.patched = once(attention.forward), True
    config = transformers.AutoConfig.from_pretrained(folder)
    how = {} if config.model_type == "mamba" else {"attn_implementation": "eager"}
    return class_of(config).from_pretrained(folder, dtype=torch.float32, **how).eval()


def dump(program, folder, prompts, mode):
    with tempfile.TemporaryDirectory() as work:
        lines, out = os.path.join(work, "prompts"), os.path.join(work, "out")
        with open(lines, "w") as file:
            file.writelines(" ".join(map(str, ids)) + "\n" for ids in prompts)
        subprocess.run([program, folder, lines, mode, out], check=True)
        return open(out).read() if mode.startswith("greedy") else np.fromfile(out, dtype=np.float32)


def random_prompts(vocabulary, longest):
    random = np.random.default_rng(1)
    return [random.integers(0, vocabulary, n).tolist() for n in (1, 2, 17, 40, min(longest, 90))]


def texts(folder):
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    return [tokenizer(text)["input_ids"] for text in PROMPTS]


def compare(program, folder, prompts, model):
    """Worst logit difference in standard deviations, worst attention difference."""
    attends = model.config.model_type != "mamba"
    logits = dump(program, folder, prompts, "logits")
    patterns = dump(program, folder, prompts, "attention") if attends else np.empty(0, np.float32)
    worst = worst_attention = 0.0
    for ids in prompts:
        with torch.no_grad():
            out = model(torch.tensor([ids]), output_attentions=attends)
        expected = out.logits[0].numpy()
        found, logits = np.split(logits, [expected.size])
        worst = max(worst, np.abs(found.reshape(expected.shape) - expected).max() / expected.std())
        if not attends:
            continue
        expected = torch.stack(out.attentions)[:, 0].numpy()
        found, patterns = np.split(patterns, [expected.size])
        worst_attention = max(worst_attention, np.abs(found.reshape(expected.shape) - expected).max())
    assert logits.size == 0 and patterns.size == 0
    return worst, worst_attention


def compare_long(program, folder, model):
    """The same for one prompt longer than any window, with the logits of its last token."""
    ids = transformers.AutoTokenizer.from_pretrained(folder)(inspect.getsource(textwrap))["input_ids"][:LONG]
    logits, patterns = dump(program, folder, [ids], "last"), dump(program, folder, [ids], "attention")
    with torch.no_grad():
        out = model(torch.tensor([ids]), output_attentions=True, logits_to_keep=1)
    expected = out.logits[0, 0].numpy()
    attention = max(np.abs(found - layer[0].numpy()).max() for found, layer in
                    zip(patterns.reshape(len(out.attentions), -1, LONG, LONG), out.attentions, strict=True))
    return np.abs(logits - expected).max() / expected.std(), attention


def grows(model, ids, n):
    """Whether the context has room for n more, and rope turns the prompt as it will turn the whole: lancet refuses what
    would be turned anew."""
    config = model.config
    longest = getattr(config, "max_position_embeddings", None) or getattr(config, "n_positions", 1 << 30)
    rope = getattr(config, "rope_parameters", None) or {}
    turn = rope.get("original_max_position_embeddings", longest) if rope.get("rope_type") == "longrope" else longest
    return len(ids) + n <= longest and (len(ids) > turn) == (len(ids) + n - 1 > turn)


def next_logits(model, ids, found):
    """As transformers' generate has them, which keeps keys and values: the logits that each token was chosen by."""
    with torch.no_grad():
        if model.config.model_type == "mamba":
            return model(torch.tensor([ids + found[:-1]])).logits[0, len(ids) - 1:]
        out = model(torch.tensor([ids]), use_cache=True, logits_to_keep=1)
        rows = [out.logits[0, -1]]
        for token in found[:-1]:
            out = model(torch.tensor([[token]]), past_key_values=out.past_key_values, use_cache=True)
            rows.append(out.logits[0, -1])
        return torch.stack(rows)


def greedy_differences(program, folder, prompts, model, n):
    """Tokens that differ although transformers' two best logits do not nearly tie."""
    lines = dump(program, folder, prompts, f"greedy:{n}").splitlines()
    different = []
    for ids, line in zip(prompts, lines, strict=True):
        found = [int(pair.split(":")[0]) for pair in line.split()]
        top = next_logits(model, ids, found).topk(2)
        for step, token in enumerate(found):
            if top.indices[step, 0] != token and top.values[step, 0] - top.values[step, 1] > GREEDY_GAP:
                different.append((ids[-1], step))
    return different


class Report:
    def __init__(self):
        self.n = self.failed = 0

    def line(self, ok, text):
        self.n += 1
        self.failed += not ok
        print(f"{'ok' if ok else 'not ok'} {self.n} {text}", flush=True)

    def limits(self, name, logits, attention):
        self.line(logits <= LOGITS_LIMIT and attention <= ATTENTION_LIMIT,
                  f"{name}: logits differ by {logits:.1e} of their deviation (limit {LOGITS_LIMIT:.0e}), "
                  f"attention by {attention:.1e} (limit {ATTENTION_LIMIT:.0e})")

    def check(self, name, program, folder, prompts, greedy=0, long=False):
        model = load(folder)
        self.limits(name, *compare(program, folder, prompts, model))
        if long:
            self.limits(f"{name}, a prompt of {LONG} tokens", *compare_long(program, folder, model))
        if greedy and "bert" not in model.config.model_type:
            prompts = [ids for ids in prompts if grows(model, ids, greedy)]
            different = greedy_differences(program, folder, prompts, model, greedy)
            self.line(not different, f"{name}: {greedy} greedy tokens of {len(prompts)} prompts equal; {different}")

    def skip(self, name, why):
        self.n += 1
        print(f"ok {self.n} {name} # SKIP {why}", flush=True)


def main():
    program, names = sys.argv[1], sys.argv[2:]
    report = Report()
    torch.set_num_threads(2)
    for name in RANDOM:
        if names and name not in names:
            continue
        with tempfile.TemporaryDirectory() as folder:
            make_random(name, folder)
            report.check(name, program, folder, random_prompts(97, 96), GREEDY)
    for variable, group in (("LANCET_DATA", SHARED), ("LANCET_REAL", REAL)):
        for name in group:
            if names and name not in names:
                continue
            folder = os.path.join(os.environ.get(variable, ""), name)
            if not os.environ.get(variable) or not os.path.isdir(folder):
                report.skip(name, f"{variable} does not hold it")
                continue
            report.check(name, program, folder, texts(folder), 40 if group is REAL else GREEDY, group is REAL)
    print(f"1..{report.n}")
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
