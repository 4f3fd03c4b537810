"""Tokens beside the tokenizers library, live: ids, byte ranges, decoding, and the ids that transformers gives.

    test_tokens.py TOKENIZE_LINES [NAME ...]

Texts: every line of wikitext2-valid and of the Chinese README in the shared data (LANCET_DATA), and 20,000 lines of mixed
scripts, emoji, control characters and code made here. Tokenizers: those of the shared data, SmolLM2 and Gemma 3
(LANCET_REAL), small ones trained here for stages that no model at hand has, and pipelines of stages drawn at random. Prints
TAP.
"""

import base64
import functools
import io
import json
import os
import random
import struct
import subprocess
import sys
import tempfile
import unicodedata

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
import sentencepiece
import transformers

transformers.utils.logging.set_verbosity_error()

DATA, REAL = os.environ.get("LANCET_DATA"), os.environ.get("LANCET_REAL")

# Blocks from which mixed lines are drawn (assigned characters only, as of the Unicode version of this Python).
BLOCKS = [(0x20, 0x7E)] * 6 + [
    (0x00, 0x1F), (0x7F, 0xFF), (0x100, 0x24F), (0x250, 0x36F), (0x370, 0x3FF), (0x400, 0x52F), (0x530, 0x6FF),
    (0x900, 0xDFF), (0xE00, 0xFFF), (0x1100, 0x11FF), (0x1200, 0x17FF), (0x1800, 0x18AF), (0x1E00, 0x1FFF),
    (0x2000, 0x206F), (0x2070, 0x218F), (0x2190, 0x25FF), (0x2600, 0x27BF), (0x2C00, 0x2DFF), (0x3000, 0x30FF),
    (0x3130, 0x33FF), (0x4E00, 0x9FFF), (0xA000, 0xA6FF), (0xAC00, 0xD7FB), (0xF900, 0xFAFF), (0xFB00, 0xFDFF),
    (0xFE00, 0xFFFD), (0x10000, 0x103FF), (0x12000, 0x123FF), (0x1D000, 0x1D7FF), (0x1F000, 0x1FAFF),
    (0x20000, 0x2A6DF), (0x2F800, 0x2FA1D), (0xE0000, 0xE01EF)]

CODE = ["def f(x):\n    return x**2  # ok", "for (int i = 0; i < n; i++) {\n\t\ts += a[i];\n}", "\tif x:\r\n\t\tpass\r\n",
        "SELECT * FROM t WHERE id='7' AND n>=1000000;", "<div class=\"a\">&nbsp;</div>\n\n\n", "0x1F + 1e-10 - 3.14159",
        "print(f\"{a!r:>10}\")", "https://example.org/a?b=c&d=%20#e", "std::vector<std::pair<int,int>> v{{1,2}};",
        "it's we're I'LL You'Ve 'tis o'clock ''s", "it\u2019s it'\u017f don\u2019t", "a\u180eb a\u0085b a\u2028b a\x1cb a\u00a0b a\u3000b",
        "   leading and trailing   ", "multiple     spaces\t\ttabs \t mixed", "12345 1,234.56 ½ ² Ⅷ ٣٤ 〇 12²",
        "a\u200db \u200b\u200c\ufeff zero width", "👩\u200d👩\u200d👧\u200d👦 🏳️\u200d🌈 👍🏽 🇩🇪🇫🇷",
        "e\u0301\u0302 \u1100\u1161\u11a8 \uac00\u11a8 \u0915\u093c \ufb01 \u2126 \u212b", "x" * 300, " " * 200, "ab" * 150,
        "<|endoftext|><s>a</s> <unk> <bos>b<eos>", "<|im_start|>user\nhi<|im_end|>\n", "<|start_story|> x<|end_story|>y",
        "<start_of_turn>model\n\n\n\n<end_of_turn>  \n\n\t\t", "\u2581\u2581a \u2581 b\u2581", "<0x0A><0xE4>", "[multimodal]",
        "\x00\x01\x02\x7f\x80\x9f", "\u0130stanbul \u1e9e STRASSE \u03a3\u03a3", "", " ", "\n", "\r\n", "\t"]


def is_stable(c):
    """Assigned, and known to the library's older Unicode tables (normal forms, punctuation, marks) as it is to Python's."""
    spared = normalizers.BertNormalizer(False, False, True, False).normalize_str(c)
    marks = spared != "".join(x for x in unicodedata.normalize("NFD", c) if unicodedata.category(x) != "Mn")
    marks |= (normalizers.StripAccents().normalize_str(c) == "") != unicodedata.category(c).startswith("M")
    punctuation = len(pre_tokenizers.Punctuation().pre_tokenize_str("a" + c + "a")) == 3
    return (unicodedata.category(c) not in ("Cn", "Cs", "Co") and not marks
            and normalizers.NFKC().normalize_str(c) == unicodedata.normalize("NFKC", c)
            and (ord(c) < 0x80 or punctuation == unicodedata.category(c).startswith("P")))


@functools.cache
def mixed_lines(n=20000):
    rng = random.Random(20251124)
    assigned = [[chr(c) for c in range(a, b + 1) if is_stable(chr(c))] for a, b in BLOCKS]
    lines = list(CODE)
    while len(lines) < n:
        parts = []
        for _ in range(rng.randint(1, 6)):
            kind = rng.random()
            if kind < 0.25:
                parts.append(rng.choice(CODE)[: rng.randint(1, 40)])
            elif kind < 0.4:
                parts.append("".join(rng.choice(rng.choice(assigned)) for _ in range(rng.randint(1, 12))))
            else:
                block = rng.choice(assigned)
                parts.append("".join(rng.choice(block) for _ in range(rng.randint(1, 12))))
            parts.append(rng.choice(["", " ", "  ", "\n", "\t", ", ", "'s "]))
        lines.append("".join(parts))
    return lines


def corpora():
    texts = {"mixed": mixed_lines()}
    if DATA:
        for name in "wikitext2-valid.txt", "minimind-README-zh.md":
            with open(f"{DATA}/data-corpora/{name}", encoding="utf-8", newline="") as f:
                texts[name] = f.read().split("\n")
        texts["whole"] = ["\n".join(texts["minimind-README-zh.md"]), "\n".join(texts["wikitext2-valid.txt"])[:200000]]
    return texts


def trained(folder):
    """Small tokenizers with the stages of model families that are not at hand."""
    text = mixed_lines()[:600] + ["the quick brown fox " * 3, "全世界最帅的人是谁", "Straße und Öl"] * 5
    llama3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    qwen = llama3.replace(r"\p{N}{1,3}", r"\p{N}")
    o200k = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
             r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
             r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")
    bloom = r" ?[^(\s|[.,!?…。，、।۔،])]+"
    deepseek = [r"\p{N}{1,3}", r"[一-龥぀-ゟ゠-ヿ]+",
                r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"]
    p, n, d = pre_tokenizers, normalizers, decoders

    def split(pattern, behavior="isolated", **options):
        return p.Split(Regex(pattern), behavior, **options)

    def level(**options):
        return p.ByteLevel(**{"add_prefix_space": False, "use_regex": False, **options})

    sp = d.Sequence([d.Replace("▁", " "), d.ByteFallback(), d.Fuse(), d.Strip(" ", 1, 0)])
    variants = {
        "llama3": dict(pre=p.Sequence([split(llama3), level()]), dec=d.ByteLevel(), ignore_merges=True),
        "qwen2": dict(norm=n.NFC(), pre=p.Sequence([split(qwen), level()]), dec=d.ByteLevel()),
        "o200k": dict(norm=n.NFKC(), pre=p.Sequence([split(o200k), level()]), dec=d.ByteLevel()),
        "deepseek": dict(pre=p.Sequence([split(x) for x in deepseek] + [level()]), dec=d.ByteLevel()),
        "bloom": dict(norm=n.NFD(), pre=p.Sequence([split(bloom), level()]), dec=d.ByteLevel()),
        "smollm": dict(pre=p.Sequence([p.Digits(True), level(use_regex=True)]), dec=d.ByteLevel()),
        "falcon": dict(pre=p.Sequence([p.Punctuation("contiguous"), level(use_regex=True), p.Digits(False),
                                       split("[0-9][0-9][0-9]")]), dec=d.ByteLevel()),
        "prefix-space": dict(pre=level(add_prefix_space=True, use_regex=True), dec=d.ByteLevel()),
        "sp-legacy": dict(norm=n.Sequence([n.Prepend("▁"), n.Replace(" ", "▁")]), dec=sp, bytes=True),
        "sp-unk": dict(norm=n.Sequence([n.Prepend("▁"), n.Replace(" ", "▁")]), dec=sp, fuse=False, limit=60),
        "sp-fused-unk": dict(norm=n.Sequence([n.NFKD(), n.Replace(" ", "▁")]), dec=sp, fuse=True, limit=60),
        "sp-dropped": dict(norm=n.Replace(" ", "▁"), dec=sp, unk=None, limit=60),
        "metaspace": dict(pre=p.Metaspace(prepend_scheme="first", split=False), dec=d.Metaspace(), bytes=True),
        "metaspace-split": dict(norm=n.Replace(Regex(" {2,}"), " "), pre=p.Metaspace(), dec=d.Metaspace(), bytes=True),
        "words": dict(norm=n.Sequence([n.Lowercase(), n.Strip()]), pre=p.Sequence([p.Whitespace(), p.Digits(True)]),
                      dec=d.Fuse(), limit=200),
        "spaces": dict(norm=n.Strip(left=True, right=False), pre=p.Sequence([p.WhitespaceSplit(), p.Punctuation()]),
                       dec=None, limit=200),
        "merged": dict(pre=p.Sequence([split(r"\s", "merged_with_next"), split(",", "merged_with_previous"),
                                       split("[a-z]+", "contiguous", invert=True)]), dec=None, limit=200),
        "suffix": dict(norm=n.Lowercase(), pre=p.WhitespaceSplit(), dec=None, limit=200, suffix="</w>"),
    }
    for name, v in variants.items():
        byte_level = isinstance(v.get("dec"), d.ByteLevel)
        unk = None if byte_level else v.get("unk", "<unk>")
        t = Tokenizer(models.BPE(fuse_unk=v.get("fuse", True), byte_fallback=v.get("bytes", False),
                                 ignore_merges=v.get("ignore_merges", False), **({"unk_token": unk} if unk else {}),
                                 **({"end_of_word_suffix": v["suffix"]} if "suffix" in v else {})))
        if "norm" in v:
            t.normalizer = v["norm"]
        if "pre" in v:
            t.pre_tokenizer = v["pre"]
        if v["dec"]:
            t.decoder = v["dec"]
        specials = ["<unk>", "<s>", "</s>"] + ([f"<0x{b:02X}>" for b in range(256)] if v.get("bytes") else [])
        options = {"limit_alphabet": v["limit"]} if "limit" in v else {}
        if byte_level:
            options["initial_alphabet"] = pre_tokenizers.ByteLevel.alphabet()
        if "suffix" in v:
            options["end_of_word_suffix"] = v["suffix"]
        t.train_from_iterator(text, trainers.BpeTrainer(vocab_size=900, special_tokens=specials, show_progress=False,
                                                        max_token_length=16, **options))
        raw = json.loads(t.to_str())
        raw["added_tokens"] = [a for a in raw["added_tokens"] if not a["content"].startswith("<0x")]
        t = Tokenizer.from_str(json.dumps(raw))
        t.add_tokens([AddedToken("<mask>", lstrip=True, normalized=False), AddedToken("Straße", rstrip=True),
                      AddedToken("fox", single_word=True), AddedToken("\u212b", normalized=True),
                      AddedToken("\n\n", normalized=False)])
        t.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=True), processors.TemplateProcessing(
            single="<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)])])
        path = os.path.join(folder, name + ".json")
        t.save(path)
        yield "trained-" + name, [path], Tokenizer.from_file(path)


def proto_fields(data):
    """(number, value) of a protobuf message; sub-messages and strings as bytes."""
    def varint(at):
        value = shift = 0
        while True:
            value |= (data[at] & 127) << shift
            shift += 7
            at += 1
            if data[at - 1] < 128:
                return value, at

    at = 0
    while at < len(data):
        tag, at = varint(at)
        if tag & 7 == 0:
            value, at = varint(at)
        else:
            size, at = varint(at) if tag & 7 == 2 else ({1: 8, 5: 4}[tag & 7], at)
            value, at = data[at : at + size], at + size
        yield tag >> 3, value


@functools.cache
def plain_lines():
    """Text with few different characters: trainers put each of them into the vocabulary."""
    lines = [x for x in mixed_lines() if x.isprintable() and max(map(ord, x), default=0) < 0x400]
    return lines[:800] + ["the quick brown fox " * 3, "全世界最帅的人是谁", "Straße und Öl", "don't we're it's"] * 5


@functools.cache
def sentencepiece_model(**options):
    """A tokenizer.model trained here."""
    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(plain_lines()), model_writer=out, minloglevel=2,
                                             **{"vocab_size": 1200, "hard_vocab_limit": False, **options})
    return out.getvalue()


@functools.cache
def charsmap(rule):
    spec = dict(proto_fields(sentencepiece_model(normalization_rule_name=rule)))[3]
    return dict(proto_fields(spec))[2]


def trained_words(folder):
    """WordPiece, WordLevel, Unigram, and BPE as CLIP and RoBERTa have it."""
    text = mixed_lines()[:600] + ["the quick brown fox " * 3, "全世界最帅的人是谁", "Straße und Öl", "don't we're it's"] * 5
    p, n, d, post = pre_tokenizers, normalizers, decoders, processors
    clip = r"""'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"""
    bert = post.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    marks = post.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    albert = n.Sequence([n.Replace("``", '"'), n.Replace("''", '"'), n.NFKD(), n.StripAccents(), n.Lowercase(),
                         n.Precompiled(charsmap("nmt_nfkc")), n.Replace(Regex(" {2,}"), " ")])
    variants = {
        "bert": ("wordpiece", n.BertNormalizer(), p.BertPreTokenizer(), marks, d.WordPiece()),
        "bert-cased": ("wordpiece", n.BertNormalizer(lowercase=False), p.BertPreTokenizer(), bert, d.WordPiece(cleanup=False)),
        "bert-accents": ("wordpiece", n.BertNormalizer(clean_text=False, handle_chinese_chars=False, strip_accents=True, lowercase=False),
                         p.Whitespace(), bert, d.WordPiece(prefix="##")),
        "wordlevel": ("wordlevel", n.Sequence([n.Nmt(), n.StripAccents()]), p.CharDelimiterSplit("e"), None, None),
        "t5": ("unigram", n.Precompiled(charsmap("nmt_nfkc")), p.Metaspace(), marks, d.Metaspace()),
        "t5-bytes": ("unigram-bytes", n.Precompiled(charsmap("nfkc_cf")), p.Metaspace(prepend_scheme="first", split=False), None, d.Metaspace()),
        "albert": ("unigram", albert, p.Sequence([p.WhitespaceSplit(), p.Metaspace()]), marks, d.Metaspace()),
        "unigram-level": ("unigram", n.Sequence([n.NFC(), n.ByteLevel()]), None, None, d.ByteLevel()),
        "clip": ("bpe-suffix", n.Sequence([n.NFC(), n.Replace(Regex(r"\s+"), " "), n.Lowercase()]),
                 p.Sequence([p.Split(Regex(clip), "removed", invert=True), p.ByteLevel(add_prefix_space=False, use_regex=False)]),
                 post.RobertaProcessing(("[SEP]", 3), ("[CLS]", 2), trim_offsets=False, add_prefix_space=False), d.BPEDecoder()),
        "openai-gpt": ("bpe-suffix", n.BertNormalizer(), p.BertPreTokenizer(), None, d.BPEDecoder()),
        "bpe-prefix": ("bpe-prefix", n.Lowercase(), p.Punctuation("merged_with_previous"), None, d.WordPiece()),
    }
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    for name, (kind, normalizer, pre, processor, decoder) in variants.items():
        common = {"special_tokens": specials, "vocab_size": 1500, "show_progress": False}
        if kind == "wordpiece":
            model, trainer = models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=20), trainers.WordPieceTrainer(**common, limit_alphabet=300)
        elif kind == "wordlevel":
            model, trainer = models.WordLevel(unk_token="[UNK]"), trainers.WordLevelTrainer(**common)
        elif kind.startswith("unigram"):
            if kind == "unigram-bytes":
                common["special_tokens"] = specials + [f"<0x{b:02X}>" for b in range(256)]
            model, trainer = models.Unigram(), trainers.UnigramTrainer(**common, unk_token="[UNK]", max_piece_length=8)
        else:
            affix = {"end_of_word_suffix": "</w>"} if kind == "bpe-suffix" else {"continuing_subword_prefix": "##"}
            model, trainer = models.BPE(unk_token="[UNK]", **affix), trainers.BpeTrainer(**common, **affix, limit_alphabet=300)
        t = Tokenizer(model)
        if normalizer:
            t.normalizer = normalizer
        if pre:
            t.pre_tokenizer = pre
        t.train_from_iterator(plain_lines() if kind.startswith("unigram") else text, trainer)
        if processor:
            t.post_processor = processor
        if decoder:
            t.decoder = decoder
        raw = json.loads(t.to_str())
        raw["added_tokens"] = [a for a in raw["added_tokens"] if not a["content"].startswith("<0x")]
        if kind == "unigram-bytes":
            raw["model"]["byte_fallback"] = True
        t = Tokenizer.from_str(json.dumps(raw))
        t.add_tokens([AddedToken("<mask>", lstrip=True, normalized=False), AddedToken("fox", single_word=True)])
        path = os.path.join(folder, name + ".json")
        t.save(path)
        yield "trained-" + name, [path], Tokenizer.from_file(path)


def random_stage(rng, kind):
    p, n = pre_tokenizers, normalizers
    behavior = lambda: rng.choice(["removed", "isolated", "merged_with_previous", "merged_with_next", "contiguous"])
    regex = lambda: Regex(rng.choice([r"\s+", r"\p{L}+", "[aeiou]", r"\p{N}{1,3}", "x*", r"\w+|[^\w\s]+", "[^ ]+ ?", r"\p{P}"]))
    stages = {"normalizer": [
        n.NFC, n.NFD, n.NFKC, n.NFKD, n.Lowercase, n.StripAccents, n.Nmt, n.ByteLevel,
        lambda: n.Strip(rng.random() < 0.5, rng.random() < 0.5), lambda: n.Prepend(rng.choice(["▁", "x", "é"])),
        lambda: n.Replace(regex(), rng.choice(["", " ", "▁", "abc"])), lambda: n.Replace(rng.choice([" ", "a", "é"]), rng.choice(["", "▁", "xy"])),
        lambda: n.BertNormalizer(*(rng.random() < 0.5 for _ in range(2)), rng.choice([None, True, False]), rng.random() < 0.5),
        lambda: n.Precompiled(charsmap(rng.choice(["nmt_nfkc", "nfkc_cf"]))),
    ], "pre_tokenizer": [
        p.Whitespace, p.WhitespaceSplit, p.BertPreTokenizer, lambda: p.Digits(rng.random() < 0.5), lambda: p.Punctuation(behavior()),
        lambda: p.CharDelimiterSplit(rng.choice("e ▁,")), lambda: p.Split(regex(), behavior(), rng.random() < 0.3),
        lambda: p.ByteLevel(rng.random() < 0.5, rng.random() < 0.5, rng.random() < 0.5),
        lambda: p.Metaspace("▁", rng.choice(["always", "first", "never"]), rng.random() < 0.5),
    ]}[kind]
    return rng.choice(stages)()


def random_pipelines(folder, count=150):
    """Stages drawn at random before each of the models."""
    rng = random.Random(7)
    bases = {name: json.load(open(files[0])) for name, files, _ in trained_words(folder)}
    for i in range(count):
        raw = json.loads(json.dumps(bases[rng.choice(list(bases))]))
        for kind, most, wrap in ("normalizer", 4, normalizers.Sequence), ("pre_tokenizer", 3, pre_tokenizers.Sequence):
            stages = [random_stage(rng, kind) for _ in range(rng.randint(0, most))]
            t = Tokenizer(models.BPE())
            if stages:
                setattr(t, kind, wrap(stages))
            raw[kind] = json.loads(t.to_str())[kind]
        raw["decoder"] = rng.choice([x["decoder"] for x in bases.values()])
        raw["added_tokens"] += [{"id": 5000, "content": rng.choice(["Öl", "ab", "é", "it's"]), "single_word": rng.random() < 0.3,
                                 "lstrip": rng.random() < 0.3, "rstrip": rng.random() < 0.3, "normalized": rng.random() < 0.5, "special": False}]
        # The library finds a token that a normalizer empties, or makes the same as another, in ways of its own.
        t = Tokenizer.from_str(json.dumps({**raw, "added_tokens": []}))
        contents = [t.normalizer.normalize_str(a["content"]) if t.normalizer else a["content"] for a in raw["added_tokens"]]
        for a, content in zip(raw["added_tokens"], contents, strict=True):
            a["normalized"] = a["normalized"] and content != "" and contents.count(content) == 1
        path = os.path.join(folder, f"random-{i}.json")
        with open(path, "w") as f:
            json.dump(raw, f)
        yield f"random-{i}", [path], Tokenizer.from_file(path)


def stored():
    if DATA:
        for name in "facts-gpt2", "facts-llama", "tinystories-656k", "tok-minimind":
            path = f"{DATA}/{name}/tokenizer.json"
            yield name, [path], Tokenizer.from_file(path)
        for name in "gpt2", "llama", "falcon":
            path = f"{DATA}/tok-hf-json/{name}_tokenizer.json"
            yield name, [path], Tokenizer.from_file(path)
        pair = [f"{DATA}/tok-gpt2/gpt2_vocab.json", f"{DATA}/tok-gpt2/gpt2_merges.txt"]
        t = Tokenizer(models.BPE.from_file(*pair))
        t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        t.decoder = decoders.ByteLevel()
        t.add_special_tokens(["<|endoftext|>"])
        yield "gpt2-pair", pair, t
    if REAL:
        for name in "smollm2", "gemma3":
            path = f"{REAL}/{name}/tokenizer.json"
            yield name, [path], Tokenizer.from_file(path)


def run(program, files, texts):
    data = b"".join(struct.pack("<I", len(t)) + t for t in texts)
    done = subprocess.run([program, *files], input=data, capture_output=True)
    if done.returncode:
        raise RuntimeError(done.stderr.decode())
    return [line.split(b"\t") for line in done.stdout.split(b"\n")[:-1]]


def parse(field):
    out = []
    for item in field.decode().split():
        i, start, end = item.split(":")
        out.append((int(i), None if start == "-" else int(start), None if end == "-" else int(end)))
    return out


def decoded(t, added, ids, skip):
    """Tokenizer.decode as it was before 0.23, which shows normalized added tokens in their normalized form and no longer
    knows them as special."""
    pieces = [added[i].content if i in added else t.id_to_token(i) for i in ids if not (skip and i in added and added[i].special)]
    return t.decoder.decode(pieces) if t.decoder else " ".join(pieces)




def widened(offsets, end):
    """What a normal form composed has the place of its first character in the library, of all of them here: ranges that
    reach to where the next one begins."""
    out, following, begins = [], end, end
    for start, stop in reversed(offsets):
        if start < begins:  # the bytes of one character have one range
            following = begins
        begins = start
        out.append((start, max(stop, following)))
    return out[::-1]


def check_line(text, raw, fields, t, added, offsets_comparable, composes):
    """None, or what is wrong."""
    try:
        encoded = t.encode(text)
    except BaseException as e:  # some pipelines make the library panic
        return None if type(e).__name__ == "PanicException" else f"the library raises {e!r}"
    tokens = parse(fields[0])
    ids = [x[0] for x in tokens]
    if ids != encoded.ids:
        return f"ids {ids[:40]} expected {encoded.ids[:40]}"
    placed = [(s, e) for _, s, e in tokens if s is not None]
    if placed and b"".join(raw[s:e] for s, e in placed) != raw:
        return f"ranges {placed[:40]} do not join to the text"
    # These become two marks each, between which the form sorts others: their places are in no order.
    if offsets_comparable and raw == text.encode() and not (composes and set("\u0344\u0f73\u0f75\u0f81") & set(text)):
        starts = [0]
        for c in text:
            starts.append(starts[-1] + len(c.encode()))
        offsets = encoded.offsets
        for (_, s, e), (cs, ce) in zip(tokens, widened(offsets, len(text)) if composes else offsets):
            if s is not None and s != e and not (starts[cs] <= s and e <= starts[ce]):
                return f"range {s}:{e} is not inside {starts[cs]}:{starts[ce]}"
    for field, skip in (fields[1], False), (fields[2], True):
        got, want = bytes.fromhex(field.decode()).decode(), decoded(t, added, ids, skip)
        if got != want:
            return f"decoded {got[:100]!r} expected {want[:100]!r}"
    return None


BAD_BYTES = [b"a\xffb", b"\xe4\xbd", b"\xe4\xbdx", b"\xf0\x9f\x98", b"\xc0\xaf", b"\xed\xa0\x80", b"\x80\x80 \xf4\x90\x80\x80",
             b"ok \xf0\x9f\x98\x80\xf0\x9f", b"\xfe\xff"]


def compare(program, name, files, t, texts):
    post = (json.loads(t.to_str())["post_processor"] or {})
    trims = "trim_offsets\": true" in json.dumps(post)
    # Where a vocabulary lacks some bytes, the library drops them and shifts every range behind them.
    drops = isinstance(t.decoder, decoders.ByteLevel) and any(t.token_to_id(c) is None for c in pre_tokenizers.ByteLevel.alphabet())
    comparable = not trims and not drops and not name.startswith(("trained", "random"))
    composes = isinstance(t.normalizer, (normalizers.NFC, normalizers.NFKC))
    problems, n, added = [], 0, t.get_added_tokens_decoder()
    for corpus, lines in list(texts.items()) + [("bad bytes", BAD_BYTES)]:
        raws = [x if isinstance(x, bytes) else x.encode() for x in lines]
        for raw, fields in zip(raws, run(program, files, raws), strict=True):
            n += 1
            problem = check_line(raw.decode("utf-8", "replace"), raw, fields, t, added, comparable, composes)
            if problem:
                problems.append(f"{corpus}: {raw[:120]!r}: {problem}")
    return n, problems


SENTENCEPIECE = {
    "unigram": dict(model_type="unigram"),
    "bpe": dict(model_type="bpe"),
    "unigram-bytes": dict(model_type="unigram", byte_fallback=True, normalization_rule_name="identity"),
    "bpe-bytes": dict(model_type="bpe", byte_fallback=True, normalization_rule_name="nfkc_cf", split_digits=True),
    "unigram-symbols": dict(model_type="unigram", user_defined_symbols="ab,abc,<mask>,e\u0301,fox"),
    "unigram-ties": dict(model_type="unigram", user_defined_symbols="ab,ba,aba,abab,x,xx,xxx"),
    "bpe-symbols": dict(model_type="bpe", user_defined_symbols="ab,abc,  ,<mask>,e\u0301,fox", byte_fallback=True),
    "unigram-raw": dict(model_type="unigram", add_dummy_prefix=False, remove_extra_whitespaces=False),
    "bpe-raw": dict(model_type="bpe", remove_extra_whitespaces=False, normalization_rule_name="identity"),
    "unigram-suffix": dict(model_type="unigram", treat_whitespace_as_suffix=True),
    "bpe-suffix": dict(model_type="bpe", treat_whitespace_as_suffix=True, unk_surface="?", add_dummy_prefix=False),
}


def sentencepiece_models(folder):
    if DATA:
        yield "sentencepiece-llama2", f"{DATA}/tok-llama2/tokenizer.model"
    for name, options in SENTENCEPIECE.items():
        path = os.path.join(folder, name + ".model")
        with open(path, "wb") as f:
            f.write(sentencepiece_model(**options))
        yield "sentencepiece-" + name, path


def compare_sentencepiece(program, path, texts):
    reference = sentencepiece.SentencePieceProcessor(model_file=path)
    problems, n = [], 0
    for corpus, lines in texts.items():
        for line, fields in zip(lines, run(program, [path], [x.encode() for x in lines]), strict=True):
            n += 1
            tokens, want = parse(fields[0]), reference.encode(line)
            got = [x[0] for x in tokens]
            decoded, text = bytes.fromhex(fields[2].decode()), line.encode()
            if got != want:
                problems.append(f"{corpus}: {line[:100]!r}: ids {got[:40]} expected {want[:40]}")
            elif decoded.decode() != reference.decode(want):
                problems.append(f"{corpus}: {line[:100]!r}: decoded {decoded[:100]!r} expected {reference.decode(want)[:100]!r}")
            elif tokens and b"".join(text[s:e] for _, s, e in tokens) != text:
                problems.append(f"{corpus}: {line[:100]!r}: ranges {tokens[:40]} do not join to the text")
    return n, problems


def tiktoken_models():
    """The files of tiktoken, with what transformers' converter makes of them: merges are all ways to make a piece of two."""
    llama3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
    reserved = "<|reserved_special_token_{}|>"
    families = {
        "tiktoken-llama3": ("tok-llama3/tokenizer.model", llama3, None, ["<|begin_of_text|>", "<|end_of_text|>"] + [reserved.format(i) for i in range(4)]
                            + ["<|start_header_id|>", "<|end_header_id|>", reserved.format(4), "<|eot_id|>"] + [reserved.format(i) for i in range(5, 251)]),
        "tiktoken-qwen": ("tok-qwen/qwen.tiktoken", llama3.replace("{1,3}", ""), normalizers.NFC(),
                          ["<|endoftext|>", "<|im_start|>", "<|im_end|>"] + [f"<|extra_{i}|>" for i in range(205)]),
    }
    level = bytes_to_characters()
    for name, (file, pattern, normalizer, specials) in families.items():
        path = f"{DATA}/{file}"
        ranks = dict((base64.b64decode(a), int(b)) for a, b in (line.split() for line in open(path, "rb")))
        spell = lambda piece: "".join(level[b] for b in piece)
        merges = []
        for piece, rank in ranks.items():
            pairs = [(piece[:i], piece[i:]) for i in range(1, len(piece)) if piece[:i] in ranks and piece[i:] in ranks]
            merges += [(rank, ranks[a], ranks[b], spell(a), spell(b)) for a, b in pairs]
        merges.sort()
        t = Tokenizer(models.BPE({spell(p): r for p, r in ranks.items()}, [m[3:] for m in merges], ignore_merges=True))
        if normalizer:
            t.normalizer = normalizer
        t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pattern), "isolated"),
                                                   pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
        t.decoder = decoders.ByteLevel()
        t.add_special_tokens([AddedToken(x, normalized=False, special=True) for x in specials])
        if name == "tiktoken-llama3":
            t.post_processor = processors.TemplateProcessing(single="<|begin_of_text|> $A", special_tokens=[("<|begin_of_text|>", 128000)])
        yield name, [path], t


def bytes_to_characters():
    shown = [b for b in range(256) if 0x21 <= b <= 0x7E or 0xA1 <= b <= 0xAC or b >= 0xAE]
    hidden = [b for b in range(256) if b not in shown]
    return {**{b: chr(b) for b in shown}, **{b: chr(0x100 + i) for i, b in enumerate(hidden)}}


def compare_transformers(program, folder, texts):
    t = transformers.AutoTokenizer.from_pretrained(folder)
    lines = texts["mixed"] + texts.get("minimind-README-zh.md", [])
    problems = []
    for line, fields in zip(lines, run(program, [folder + "/tokenizer.json"], [x.encode() for x in lines]), strict=True):
        got, want = [x[0] for x in parse(fields[0])], t(line)["input_ids"]
        if got != want:
            problems.append(f"{line[:80]!r}: ids {got[:40]} expected {want[:40]}")
    return len(lines), problems


def main():
    program, wanted = sys.argv[1], sys.argv[2:]
    texts, number, failed = corpora(), 0, False

    def report(name, n, problems):
        nonlocal number, failed
        number += 1
        failed = failed or bool(problems)
        print(f"{'not ok' if problems else 'ok'} {number} - {name}: {n - len(problems)} of {n} lines equal", flush=True)
        for problem in problems[:5]:
            print("# " + problem)

    some = {"mixed": texts["mixed"][:4000], **{k: v[:500] for k, v in texts.items() if k not in ("mixed", "whole")}}
    few = {"mixed": texts["mixed"][:60]}
    with tempfile.TemporaryDirectory() as folder:
        sources = [("", stored, texts), ("trained", functools.partial(trained, folder), some),
                   ("trained", functools.partial(trained_words, folder), some), ("random", functools.partial(random_pipelines, folder), few)]
        for prefix, source, lines in sources + ([("tiktoken", tiktoken_models, texts)] if DATA else []):
            if wanted and not any(x.startswith(prefix) for x in wanted):
                continue
            for name, files, t in source():
                if not wanted or name in wanted or name.split("-")[0] in wanted:
                    report(name, *compare(program, name, files, t, lines))
        for name, path in sentencepiece_models(folder):
            if not wanted or name in wanted or name.split("-")[0] in wanted:
                report(name, *compare_sentencepiece(program, path, texts if "llama2" in name else some))
    # tinystories-656k is not here: transformers builds its LlamaTokenizer anew, without the file's normalizers and without
    # an unknown token, and gives other ids than the file's own.
    folders = ([f"{DATA}/{x}" for x in ("facts-gpt2", "facts-llama", "tok-minimind")] if DATA else []) + \
              ([f"{REAL}/{x}" for x in ("smollm2", "gemma3")] if REAL else [])
    for folder in folders:
        name = "transformers-" + os.path.basename(folder)
        if not wanted or name in wanted:
            report(name, *compare_transformers(program, folder, texts))
    if not DATA or not REAL:
        print("# skipped: models of LANCET_DATA or LANCET_REAL, which is not set")
    print(f"1..{number}")
    return failed


if __name__ == "__main__":
    sys.exit(main())
