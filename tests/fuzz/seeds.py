#!/usr/bin/env python3
"""Writes the seed corpora of the fuzz targets: seeds.py FOLDER makes FOLDER/TARGET/NAME.

Every seed is made here, from a few lines that say what it is; nothing binary is kept in the repository. A target adds
one function to TARGETS that gives (name, bytes) pairs."""
import hashlib
import json
import os
import struct
import sys
import zlib


def safetensors(header, data=b"", length=None):
    text = header if isinstance(header, bytes) else json.dumps(header, separators=(",", ":")).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def entry(dtype, shape, begin, end):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def safetensors_seeds():
    yield "good-empty", safetensors({})
    yield "good-one", safetensors({"w": entry("F32", [2, 3], 0, 24)}, bytes(24))
    yield "good-metadata", safetensors({"__metadata__": {"format": "pt", "": "\u00e9"}, "w": entry("BF16", [1], 0, 2)}, bytes(2))
    yield "good-scalar-and-empty", safetensors({"s": entry("I64", [], 0, 8), "e": entry("F16", [0, 7], 8, 8)}, bytes(8))
    yield "good-small-floats", safetensors({"a": entry("F4", [4], 0, 2), "b": entry("F6_E2M3", [4], 2, 5)}, bytes(5))
    yield "good-many", safetensors({f"model.layers.{i}.w": entry("U8", [1], i, i + 1) for i in range(40)}, bytes(40))
    yield "good-spaces", safetensors(b' \n{ "w" : {"shape":[1] , "dtype":"U8","data_offsets":[0,1]} }  ', b"x")
    yield "good-escapes", safetensors(b'{"\\u00e9\\n\\ud83d\\ude00":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}', b"x")
    yield "bad-overlap", safetensors({"a": entry("U8", [2], 0, 2), "b": entry("U8", [2], 1, 3)}, bytes(3))
    yield "bad-hole", safetensors({"a": entry("U8", [1], 0, 1), "b": entry("U8", [1], 2, 3)}, bytes(3))
    yield "bad-trailing", safetensors({"a": entry("U8", [1], 0, 1)}, bytes(2))
    yield "bad-twice", safetensors(b'{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"\\u0061":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}', bytes(2))
    yield "bad-product", safetensors({"a": entry("F64", [2**32, 2**32, 2**31], 0, 8)}, bytes(8))
    yield "bad-length", safetensors({}, length=2**63 - 1)
    yield "bad-short", b"\x02\0\0"
    yield "bad-deep", safetensors(b'{"a":{"shape":[[[[[[[[')


def gguf(values=(), tensors=(), data=b"", version=3, counts=None):
    """Values are (key, type, bytes), tensors (name, dimensions, type, offset)."""
    text = lambda t: struct.pack("<Q", len(t)) + (t if isinstance(t, bytes) else t.encode())
    out = b"GGUF" + struct.pack("<I", version) + struct.pack("<QQ", *(counts or (len(tensors), len(values))))
    for key, kind, value in values:
        out += text(key) + struct.pack("<I", kind) + value
    for name, dims, kind, offset in tensors:
        out += text(name) + struct.pack(f"<I{len(dims)}QIQ", len(dims), *dims, kind, offset)
    return (out + bytes(-len(out) % 32) + data) if tensors else out


def gguf_seeds():
    def number(n, kind="I"):
        return struct.pack("<" + kind, n)

    def string(t):
        return struct.pack("<Q", len(t.encode())) + t.encode()

    def array(kind, n, data):
        return struct.pack("<IQ", kind, n) + data

    architecture = ("general.architecture", 8, string("llama"))
    sizes = [("llama.embedding_length", 4, number(8)), ("llama.block_count", 4, number(1)),
             ("llama.attention.head_count", 9, array(4, 2, number(2) + number(2))),
             ("llama.rope.freq_base", 6, number(10000.0, "f")), ("llama.rope.dimension_count", 10, number(2, "Q"))]
    yield "good-empty", gguf()
    yield "good-version-2", gguf([architecture], version=2)
    yield "good-types", gguf([(f"k{i}", i, bytes([1]) * n) for i, n in
                              enumerate([1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8]) if n])
    yield "good-model", gguf([architecture] + sizes, [("token_embd.weight", [8, 4], 0, 0), ("q", [32, 2], 2, 128)], bytes(192))
    yield "good-alignment", gguf([("general.alignment", 4, number(8))], [("a", [1], 24, 0), ("b", [2], 1, 8)], bytes(12))
    yield "good-vocabulary", gguf([architecture, ("tokenizer.ggml.tokens", 9, array(8, 3, string("a") + string("") + string("\u00e9"))),
                                   ("tokenizer.ggml.scores", 9, array(6, 3, bytes(12)))])
    yield "good-rope", gguf([architecture] + sizes, [("rope_freqs.weight", [4], 0, 0)], struct.pack("<4f", 1, 1, 4, 8))
    yield "good-longrope", gguf([("general.architecture", 8, string("phi3"))],
                                [("rope_factors_long.weight", [1], 0, 0), ("rope_factors_short.weight", [1], 0, 32)], bytes(64))
    yield "good-scaling", gguf([architecture, ("llama.rope.scaling.type", 8, string("yarn")), ("llama.rope.scaling.factor", 6, number(4.0, "f"))])
    for name in ("gemma3", "falcon", "gpt2", "mamba", "unknown"):
        yield f"good-{name}", gguf([("general.architecture", 8, string(name)), (f"{name}.block_count", 4, number(46)),
                                    (f"{name}.attention.head_count", 4, number(3))])
    def vocabulary(model, pieces, *more):
        texts = array(8, len(pieces), b"".join(string(p) for p, _, _ in pieces))
        scores = array(6, len(pieces), b"".join(number(float(s), "f") for _, s, _ in pieces))
        types = array(5, len(pieces), b"".join(number(t, "i") for _, _, t in pieces))
        return gguf([architecture, ("tokenizer.ggml.model", 8, string(model)), ("tokenizer.ggml.tokens", 9, texts),
                     ("tokenizer.ggml.scores", 9, scores), ("tokenizer.ggml.token_type", 9, types), *more])

    def merges(*pairs):
        return ("tokenizer.ggml.merges", 9, array(8, len(pairs), b"".join(map(string, pairs))))

    special = [("<unk>", 0, 2), ("<s>", 0, 3), ("</s>", 0, 3)]
    words = special + [("\u2581", -2, 1), ("a", -3, 1), ("b", -3.5, 1), ("ab", -4, 1), ("\u2581ab", -5, 1), ("\u00e9", -7, 1)]
    level = [(p, 0, 1) for p in ("a", "b", "\u0120", "ab", "\u0120ab", "\u010a", "1")]
    yield "good-llama-pieces", vocabulary("llama", words + [(f"<0x{b:02X}>", 0, 6) for b in range(256)])
    yield "good-gpt2-pieces", vocabulary("gpt2", level + [("<s>", 0, 3)], ("tokenizer.ggml.pre", 8, string("llama-bpe")),
                                         merges("a b", "\u0120 ab"), ("tokenizer.ggml.add_bos_token", 7, b"\1"),
                                         ("tokenizer.ggml.bos_token_id", 4, number(7)))
    yield "good-bert-pieces", vocabulary("bert", [("[UNK]", 0, 3), ("\u2581a", 0, 1), ("b", 0, 1), ("\u2581ab", 0, 1), ("[CLS]", 0, 3)],
                                         ("tokenizer.ggml.unknown_token_id", 4, number(0)), ("tokenizer.ggml.cls_token_id", 4, number(4)),
                                         ("tokenizer.ggml.seperator_token_id", 4, number(4)))
    yield "good-t5-pieces", vocabulary("t5", words, ("tokenizer.ggml.unknown_token_id", 4, number(0)),
                                       ("tokenizer.ggml.add_space_prefix", 7, b"\1"), ("tokenizer.ggml.remove_extra_whitespaces", 7, b"\1"),
                                       ("tokenizer.ggml.precompiled_charsmap", 9, array(0, 12, struct.pack("<III", 8, 1 << 10, 0))))
    yield "bad-pre", vocabulary("gpt2", level, ("tokenizer.ggml.pre", 8, string("none")), merges())
    yield "bad-gap", gguf([], [("a", [8], 0, 0), ("b", [8], 0, 64)], bytes(96))
    yield "bad-counts", gguf(counts=(2**63, 2**62))
    yield "bad-nested", gguf([("a", 9, array(9, 1, array(4, 1, number(1))))])
    yield "bad-length", gguf([("a", 8, number(2**64 - 1, "Q"))])
    yield "bad-product", gguf([], [("a", [2**32, 2**32], 0, 0)], bytes(32))


def index_seeds():
    def index(pairs, **more):
        return json.dumps({"metadata": {"total_size": 12}, "weight_map": dict(pairs), **more}).encode()

    yield "good", index([("a", "model-00001-of-00002.safetensors"), ("b", "model-00002-of-00002.safetensors")])
    yield "good-many", index([(f"model.layers.{i}.mlp.down_proj.weight", f"s{i % 3}.safetensors") for i in range(60)])
    yield "good-more", index([("\u00e9\n", "x")], other=[1, {"a": None, "b": [True, 1.5e-7]}])
    yield "bad-upwards", index([("a", "../x")])
    yield "bad-empty", index([])
    yield "bad-number", b'{"weight_map":{"a":1}}'
    yield "bad-twice", b'{"weight_map":{"a":"x","\\u0061":"y"}}'
    yield "bad-nul", b'{"weight_map":{"a\\u0000":"x"}}'
    yield "bad-surrogate", b'{"weight_map":{"\\ud800":"x"}}'


def journal_seeds():
    """Records as docs/history-format.md has them, for the model of tests/fault/sim_model.c. A first byte of flags: 1: put
    checksums right, 2: the files are half-changed, 4: the record is committed, 8: the merge is gone on with."""
    page = 4096
    nonce = 0x0123456789ABCDEF

    def random_bytes(state, n):
        out = bytearray()
        for _ in range(n):
            state ^= state << 13 & 2**64 - 1
            state ^= state >> 7
            state ^= state << 17 & 2**64 - 1
            out.append(state % 256)
        return bytes(out)

    def model(text, head, data, state):
        return struct.pack("<Q", head) + text.encode().ljust(head) + random_bytes(state, data)

    files = [
        model('{"x":{"dtype":"BF16","shape":[2500],"data_offsets":[0,5000]},'
              '"y":{"dtype":"U8","shape":[6001],"data_offsets":[5000,11001]}}', 160, 11001, 77),
        model('{"v":{"dtype":"U8","shape":[77],"data_offsets":[0,77]},'
              '"z":{"dtype":"F32","shape":[1500],"data_offsets":[77,6077]},'
              '"w":{"dtype":"U8","shape":[123],"data_offsets":[6077,6200]}}', 4500, 6200, 78)]
    heads = [168, 4508]
    guard = (nonce & 2**56 - 1 | 0x7F << 56).to_bytes(8, "little")
    sha = lambda data: hashlib.sha256(data).digest()
    padded = lambda data: data + bytes(-len(data) % page)

    def sealed(fixed, document):
        text = json.dumps(document, separators=(",", ":")).encode()
        head = fixed + struct.pack("<Q", len(text))
        return padded(head + sha(head + text) + text)

    def header(version=1, **more):
        document = {
            "number": 1, "kind": "edit", "command": "lancet edit", "note": None, "host": "h", "time": 1, "undoes": [], "drops": [],
            "files": [{"name": name, "size": len(files[i]), "head": heads[i], "sha256": sha(files[i][:heads[i]]).hex(),
                       "guard": guard.hex()} for i, name in enumerate(["one.safetensors", "two.safetensors"])],
            "tensors": [{"name": "x", "file": 0, "dtype": "BF16", "offset": 168, "bytes": 5000, "before": sha(files[0][168:5168]).hex()},
                        {"name": "z", "file": 1, "dtype": "F32", "offset": 4585, "bytes": 6000, "before": sha(files[1][4585:10585]).hex()}]}
        return sealed(b"LNCTHEAD" + struct.pack("<IIQ", version, page, nonce), {**document, **more})

    def chunk(sequence, file, own, n, planes=False, raw=False, before=bytes(32)):
        begin = own if planes else own // page * page
        end = own + n if planes else min(-(-(own + n) // page) * page, len(files[file])) if n else page
        held = files[file][begin:end]
        packed = held if raw else zlib.compress(bytes(len(held)) if planes else held)
        packing = 2 if raw else int(planes)
        head = b"LNCTCHNK" + struct.pack("<QQIIQQQQQ", nonce, sequence, file, packing, begin, end - begin, len(packed), own, n)
        head = (head + sha(held) + sha(files[file][own:own + n]) + sha(packed) + before).ljust(224, b"\0")
        return padded(head + sha(head) + packed)

    def trailer(n):
        after = [sha(files[0][168:5168]).hex(), sha(files[1][4585:10585]).hex()]
        return sealed(b"LNCTTAIL" + struct.pack("<QQ", nonce, n), {"after": after})

    firsts = chunk(0, 0, 0, 0) + chunk(1, 1, 0, 0)
    owned = [(0, 168, 2500), (0, 2668, 2500), (1, 4585, 3100), (1, 7685, 2900)]
    pages = b"".join(chunk(2 + i, *own) for i, own in enumerate(owned))
    planes = b"".join(chunk(i, *own, planes=True) for i, own in enumerate(owned))
    whole = header() + firsts + pages + trailer(6)
    for flags in range(4):
        yield f"good-open-{flags}", bytes([flags]) + whole
        yield f"good-cut-{flags}", bytes([flags]) + header() + firsts + pages[:2 * page] + bytes(3 * page)
    yield "good-header", b"\1" + header()
    yield "good-committed", b"\5" + whole
    yield "good-planes", b"\5" + header() + planes + trailer(4)
    yield "good-undo", b"\5" + header(kind="undo", drops=[1], note="{}") + firsts + pages + trailer(6)
    yield "good-unpadded", b"\1" + header().rstrip(b"\0")

    def merge_chunks(file, own, n, sequence):
        begin, end = (168, 5168) if file == 0 else (4585, 10585)
        before = sha(files[file][begin:end]) if own == begin else bytes(32)
        return chunk(sequence, file, own, n, raw=True, before=before)

    listed = [{"name": "x", "file": 0, "dtype": "BF16", "offset": 168, "bytes": 5000, "before": None},
              {"name": "v", "file": 1, "dtype": "U8", "offset": 4508, "bytes": 77, "before": None},
              {"name": "z", "file": 1, "dtype": "F32", "offset": 4585, "bytes": 6000, "before": None}]
    merge = header(version=2, kind="merge", tensors=listed) + chunk(0, 0, 0, 0, raw=True) + chunk(1, 1, 0, 0, raw=True)
    raw = [merge_chunks(*own, 2 + i) for i, own in enumerate(owned)]
    after = [sha(files[0][168:5168]).hex(), sha(files[1][4508:4585]).hex(), sha(files[1][4585:10585]).hex()]
    end = sealed(b"LNCTTAIL" + struct.pack("<QQ", nonce, 6), {"after": after})
    for flags in (1, 9, 11):
        yield f"good-merge-{flags}", bytes([flags]) + merge + b"".join(raw) + end
        yield f"good-merge-cut-{flags}", bytes([flags]) + merge + b"".join(raw[:3]) + bytes(3 * page)
    yield "good-merge-begun", b"\11" + merge
    yield "good-merge-first-page", b"\11" + merge[:-2 * page]
    yield "good-merge-committed", b"\5" + merge + b"".join(raw) + end
    yield "bad-empty", b"\0"
    yield "bad-torn", b"\0" + whole[:5000].ljust(3 * page, b"\xff")
    yield "bad-open-planes", b"\1" + header() + planes


def tokenizer_seeds():
    def tokenizer(vocab, merges, text, model=(), **stages):
        pieces = {p: i for i, p in enumerate(vocab)}
        document = {**stages, "model": {"type": "BPE", **dict(model), "vocab": pieces, "merges": merges}}
        return json.dumps(document, ensure_ascii=False).encode() + b"\0" + text.encode()

    def added(id, content, **flags):
        return {"id": id, "content": content, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True, **flags}

    def replace(pattern, content, kind="String"):
        return {"type": "Replace", "pattern": {kind: pattern}, "content": content}

    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    words = {"type": "Split", "pattern": {"Regex": r"(?i:'s|'t)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|\s+(?!\S)|\s+"},
             "behavior": "Isolated", "invert": False}
    metaspace = {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "first", "split": True}
    strip = {"type": "Strip", "strip_left": True, "strip_right": True}

    def normalizers(*stages):
        return {"type": "Sequence", "normalizers": list(stages)}

    def pretokenizers(*stages):
        return {"type": "Sequence", "pretokenizers": list(stages)}

    template = {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>"}}, {"Sequence": {"id": "A"}}],
                "special_tokens": {"<s>": {"id": "<s>", "ids": [0], "tokens": ["<s>"]}}}
    fallback = {"type": "Sequence", "decoders": [replace("\u2581", " "), {"type": "ByteFallback"}, {"type": "Fuse"},
                                                 {"type": "Strip", "content": " ", "start": 1, "stop": 0}]}
    yield "good-bytes", tokenizer(["h", "e", "he", "\u0120", "\u0120he"], ["h e", ["\u0120", "he"]],
                                  "he he'S \u00e9 12", pre_tokenizer=level, decoder=level)
    yield "good-split", tokenizer(["h", "e", "he", "\u0120"], ["h e"], "he's 1234  he\n", {"ignore_merges": True},
                                  pre_tokenizer=pretokenizers(words, {**level, "use_regex": False}), decoder=level)
    yield "good-fallback", tokenizer(["<s>", "<unk>", "\u2581", "a", "\u2581a", "<0xC3>", "<0xA9>"], [["\u2581", "a"]],
                                     "a a\u00e9 xx<s>", {"byte_fallback": True, "fuse_unk": True, "unk_token": "<unk>"},
                                     added_tokens=[added(0, "<s>")], post_processor=template, decoder=fallback,
                                     normalizer=normalizers({"type": "Prepend", "prepend": "\u2581"}, replace(" ", "\u2581")))
    yield "good-added", tokenizer(["a", "b", "ab"], ["a b"], "ab [M]  a xa b",
                                  added_tokens=[added(3, "[M]", lstrip=True, rstrip=True), added(4, "a", single_word=True, normalized=True)],
                                  normalizer=normalizers({"type": "NFKC"}, {"type": "Lowercase"}, strip))
    yield "good-metaspace", tokenizer(["\u2581", "a", "\u2581a"], ["\u2581 a"], "a a  a", pre_tokenizer=metaspace, decoder=metaspace)
    yield "good-words", tokenizer(["a</w>", "b", "ba</w>"], ["b a</w>"], "ba, a1 2", {"end_of_word_suffix": "</w>"},
                                  pre_tokenizer=pretokenizers({"type": "Whitespace"}, {"type": "Digits", "individual_digits": False},
                                                              {"type": "Punctuation", "behavior": "Contiguous"}, {"type": "WhitespaceSplit"}))
    pieces = {p: i for i, p in enumerate(["[UNK]", "[CLS]", "[SEP]", "he", "##ll", "h", "##\u00e9", "\u5168", ","])}
    marks = {"type": "BertProcessing", "sep": ["[SEP]", 2], "cls": ["[CLS]", 1]}
    bert = {"normalizer": {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None, "lowercase": True},
            "pre_tokenizer": {"type": "BertPreTokenizer"}, "post_processor": marks, "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
            "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 8, "vocab": pieces}}
    yield "good-bert", json.dumps(bert).encode() + "\0Hell he, h\u00e9\u5168 hhhhhhhhhhhh".encode()
    scores = [["<unk>", 0], ["a", -1], ["b", -1.5], ["ab", -2], ["\u2581", -2], ["\u2581a", -2.5], ["<0xC3>", -9], ["<0xA9>", -9]]
    yield "good-unigram", json.dumps({"normalizer": {"type": "Nmt"}, "pre_tokenizer": metaspace, "decoder": metaspace,
                                      "model": {"type": "Unigram", "unk_id": 0, "byte_fallback": True, "vocab": scores}}).encode() + "\0ab a\u00e9xxab".encode()
    yield "good-wordlevel", json.dumps({"normalizer": normalizers({"type": "StripAccents"}, {"type": "ByteLevel"}), "decoder": {"type": "BPEDecoder", "suffix": "a"},
                                        "pre_tokenizer": {"type": "CharDelimiterSplit", "delimiter": "-"},
                                        "model": {"vocab": {"a": 0, "?": 1}, "unk_token": "?"}}).encode() + b"\0a-b-a"
    yield "good-precompiled", (b'{"normalizer":{"type":"Precompiled","precompiled_charsmap":"CAAAAAAEAAAAAAAAYmIA"},'
                               b'"model":{"vocab":{"a":0,"b":1},"merges":[]}}\0aba')
    yield "good-marks", tokenizer(["e"], [], "e\u0301\u0323 \u1112\u1161\u11ab \ufb01", normalizer={"type": "NFD"})
    yield "good-order", b'{"model":{"merges":["a b"],"vocab":{"a":0,"b":1,"ab":2}}}\0abba'
    yield "bad-merge", tokenizer(["a", "b"], ["a b"], "ab")
    yield "bad-growth", tokenizer(["a"], [], "a" * 50, normalizer=normalizers(*[replace("a", "a" * 30)] * 9))
    yield "bad-pattern", tokenizer(["a"], [], "a" * 60, pre_tokenizer={"type": "Split", "pattern": {"Regex": "(a+a+)+[^a]"}, "behavior": "Removed"})
    yield "bad-text", tokenizer(["a"], [], "") + b"\xff\xe4\xbd\xed\xa0\x80"
    yield "bad-twice", b'{"model":{"vocab":{"a":0,"a":1},"merges":[]}}\0a'


def tokenizer_model_seeds():
    """SentencePiece's messages, built field by field, and lines of tiktoken; then a text and its length."""
    def varint(value):
        return bytes([value]) if value < 128 else bytes([value & 127 | 128]) + varint(value >> 7)

    def message(*fields):
        out = b""
        for number, value in fields:
            wire = 0 if isinstance(value, int) else 5 if isinstance(value, float) else 2
            out += varint(number << 3 | wire) + (varint(value) if wire == 0 else struct.pack("<f", value) if wire == 5 else varint(len(value)) + value)
        return out

    def model(pieces, text, kind=1, normalizer=(), trainer=()):
        parts = [(1, message((1, p.encode()), (2, float(score)), (3, what))) for p, score, what in pieces]
        whole = message(*parts, (2, message((3, kind), *trainer)), (3, message((1, b"x"), *normalizer)))
        return whole + text.encode() + bytes([len(text.encode())])

    marked = [("<unk>", 0, 2), ("<s>", 0, 3), ("</s>", 0, 3)]
    words = marked + [("\u2581", -2, 1), ("a", -3, 1), ("b", -3.5, 1), ("ab", -4, 1), ("\u2581a", -4.5, 1), ("\u00e9", -7, 1)]
    # "a" becomes "bb": the root's child lies at 1 ^ 97 = 96, its leaf at 97.
    units = [1 << 10] + [0] * 95 + [97 | 1 << 8 | 1 << 10, 1 << 31]
    charsmap = struct.pack("<I", 4 * len(units)) + b"".join(struct.pack("<I", u) for u in units) + b"bb\0"
    yield "good-unigram", model(words, " ab  a\u00e9x\u00e9")
    yield "good-bpe", model(words, "abab \u00e9 b", 2)
    yield "good-symbols", model(words + [("X", 0, 4), ("ba", 0, 4)], "aX Xbaab", 1, [(4, 0)])
    yield "good-symbols-bpe", model(words + [("X", 0, 4), ("ba", 0, 4)], "aX Xbaab", 2, [(3, 0)], [(24, 1)])
    yield "good-charsmap", model(words, "a ba a", 1, [(2, charsmap)])
    yield "good-bytes", model(words + [(f"<0x{b:02X}>", 0, 6) for b in range(256)], "a\u5168\U0001f600", 2, (), [(35, 1), (44, b"?")])
    yield "good-unused", model(words + [("bb", -1, 5)], "abb bb")
    yield "bad-charsmap", model(words, "a", 1, [(2, charsmap[:200])])
    yield "bad-type", model(words, "a", 3)
    yield "bad-twice", model(words + words[:1], "a")
    yield "bad-cut", model(words, "a")[:40]
    yield "bad-tiktoken", b"IQ== 0\nIg== 1\r\nYWI= 2\nab\2"
    yield "bad-empty", b"\0"


def recipe_seeds():
    def recipe(text):
        return text.strip().replace("|", "\n").encode()

    two = "models: [{model: a, parameters: {weight: 0.3}}, {model: b, parameters: {weight: 1e-5}}]"
    yield "good-linear", recipe("merge_method: linear|" + two + "|parameters: {normalize: no}|dtype: bfloat16|out_dtype: torch.float32")
    yield "good-block", recipe("merge_method: task_arithmetic|base_model: ./c|models:|- model: org/a|  parameters:|    weight:|    - filter: mlp|"
                               "      value: [0, .5, 1]|    - {value: -2}|parameters:|  lambda: 0.7|semantics: mergekit")
    yield "good-slices", recipe("merge_method: passthrough|slices:|- sources: [{model: a, layer_range: [0, 2]}]|- sources:|  - model: b|"
                                "    layer_range: [1, 3]|    parameters: {scale: {filter: x, value: 0}}|  base_model: c")
    yield "good-modules", recipe("merge_method: slerp|base_model: a|modules:|  default:|    models: [{model: a}, {model: b}]|"
                                 "    parameters: {t: [0, 1]}|tie_word_embeddings: false|tokenizer_source: ~")
    yield "good-aliases", recipe("merge_method: linear|models: [{model: a, parameters: &p {weight: &w [0, 1]}}, {model: b, parameters: *p}]")
    yield "good-quoted", recipe("'merge_method': \"linear\"|models: [{model: \"\\u00e9\\n\", parameters: {weight: !}}]".replace("!", "1"))
    yield "good-flag", b"=[{filter: mlp, value: [0, 1]}, {value: 0.5}]"
    yield "good-flag-number", b"=1e-5"
    yield "bad-flag", b"=[0, {value: 1}]"
    yield "bad-key", recipe("merge_method: linear|normalize: false|" + two)
    yield "bad-value", recipe("merge_method: slerp|base_model: a|models: [{model: a}, {model: b}]|parameters: {t: 1.5}")
    yield "bad-range", recipe("merge_method: passthrough|slices: [{sources: [{model: a, layer_range: [2, 0]}]}]")
    yield "bad-bomb", recipe("a0: &a0 [x, x, x, x, x, x, x, x]|" + "|".join(
        f"a{i}: &a{i} [" + ", ".join([f"*a{i - 1}"] * 8) + "]" for i in range(1, 8)))
    yield "bad-loop", recipe("merge_method: &m [*m]")
    yield "bad-deep", b"[" * 60
    yield "bad-flow", b"{" * 30 + b"[? : ,]" * 20
    yield "bad-twice", recipe("merge_method: linear|merge_method: linear")
    yield "bad-documents", recipe("merge_method: linear|---|x")
    yield "bad-tag", recipe("merge_method: !!binary aGVsbG8=")
    yield "bad-bytes", b"merge_method: \xff\xfe\x00"
    yield "bad-utf16", "merge_method: linear".encode("utf-16")


def config_seeds():
    sizes = {"vocab_size": 31, "hidden_size": 32, "n_embd": 32, "num_hidden_layers": 3, "n_layer": 3, "num_attention_heads": 4,
             "n_head": 4, "num_key_value_heads": 2, "intermediate_size": 48, "max_position_embeddings": 64, "head_dim": 8}
    more = {
        "gpt2": {}, "gpt_neo": {"attention_types": [[["global", "local"], 1], [["global"], 1]]}, "gptj": {"rotary_dim": 4},
        "gpt_neox": {"rotary_pct": 0.5}, "opt": {"do_layer_norm_before": False, "word_embed_proj_dim": 16}, "bloom": {},
        "llama": {"rope_scaling": {"type": "llama3", "factor": 8, "original_max_position_embeddings": 32}},
        "mistral": {"sliding_window": 8, "rope_parameters": {"rope_type": "yarn", "factor": 4, "mscale": 1, "mscale_all_dim": 2}},
        "qwen2": {"use_sliding_window": True, "max_window_layers": 1}, "qwen3": {"rope_scaling": {"type": "dynamic", "factor": 2}},
        "gemma": {"hidden_act": "gelu"}, "gemma2": {"final_logit_softcapping": None},
        "gemma3_text": {"layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
                        "rope_parameters": {"full_attention": {"rope_type": "linear", "factor": 8}}},
        "phi": {"qk_layernorm": True, "partial_rotary_factor": 0.5},
        "phi3": {"rope_scaling": {"type": "longrope", "short_factor": [1, 1, 1, 1], "long_factor": [2, 2, 4, 4]}},
        "falcon": {"new_decoder_architecture": True, "num_kv_heads": 2}, "stablelm": {"use_parallel_residual": True},
        "starcoder2": {"use_bias": False}, "olmo2": {}, "cohere": {"use_qk_norm": True},
        "granite": {"residual_multiplier": 0.2, "logits_scaling": 8}, "smollm3": {"no_rope_layers": [1, 0, 1]}, "glm4": {},
        "mixtral": {"num_local_experts": 4, "num_experts_per_tok": 2},
        "qwen2_moe": {"num_experts": 4, "num_experts_per_tok": 2, "decoder_sparse_step": 2, "mlp_only_layers": [0],
                      "moe_intermediate_size": 16, "shared_expert_intermediate_size": 24},
        "qwen3_moe": {"num_experts": 4, "num_experts_per_tok": 2, "norm_topk_prob": True, "moe_intermediate_size": 16},
        "mamba": {"state_size": 4, "conv_kernel": 4, "expand": 2, "time_step_rank": 2},
        "bert": {"type_vocab_size": 2, "layer_norm_eps": 1e-12}, "roberta": {"pad_token_id": 1, "type_vocab_size": 1},
        "distilbert": {"dim": 32, "n_layers": 3, "n_heads": 4, "hidden_dim": 48, "sinusoidal_pos_embds": True},
    }
    for model_type, options in more.items():
        yield "good-" + model_type, json.dumps({"model_type": model_type, **sizes, **options}).encode()
    yield "good-falcon-rw", json.dumps({"model_type": "falcon", **sizes, "alibi": True, "multi_query": False,
                                        "parallel_attn": False}).encode()
    yield "bad-heads", json.dumps({"model_type": "llama", **sizes, "num_key_value_heads": 3}).encode()
    yield "bad-partial", json.dumps({"model_type": "stablelm", **sizes, "partial_rotary_factor": 1e-9}).encode()


TARGETS = {"config": config_seeds, "recipe": recipe_seeds, "journal": journal_seeds, "safetensors": safetensors_seeds, "gguf": gguf_seeds, "index": index_seeds, "tokenizer": tokenizer_seeds, "tokenizer_model": tokenizer_model_seeds}


def main():
    root = sys.argv[1]
    for target, seeds in TARGETS.items():
        folder = os.path.join(root, target)
        os.makedirs(folder, exist_ok=True)
        for name, data in seeds():
            with open(os.path.join(folder, name), "wb") as f:
                f.write(data)


main()
