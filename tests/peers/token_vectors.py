"""Writes the known answers of the tokenizers library that the unit tests of src/text compare with:

    token_vectors.py FOLDER      makes FOLDER/vectors_{normalize,pretokenize,decode,tokenizer,sentencepiece}.h (FOLDER: tests/unit)
"""

import base64
import json
import os
import struct
import sys

import sentencepiece
import tokenizers
from tokenizers import Tokenizer

US = "\x1f"  # between pieces

TEXTS = ["Hello, world!  it's 12.5", "", " ", "  a  b ", "na\u00efve e\u0301 \u1e9b\u0323 \u0130I", "全世界最帅的人是 42", "\u1112\u1161\u11ab \ud55c \u0e33",
         "👍🏽 ﬁ ½ ² Ⅷ", "a\u180eb\u00a0c\u0085d\u3000e\u2028f", "x_y-z__w 'll 'S don\u2019t it'\u017f", "\n\n\t\ttab\r\nend \n", "a1b22c333d4444 ٣٤"]



def charsmap(rules):
    """A charsmap of SentencePiece: a double-array trie of the keys, each node's children put where they fit."""
    tree, strings = {}, b""
    for key, value in rules.items():
        node = tree
        for byte in key.encode():
            node = node.setdefault(byte, {})
        node[0] = len(strings)
        strings += value.encode() + b"\0"
    units = [0] * 512
    used = {0}

    def place(node, index):
        offset = next(k for k in range(1, 512) if not any(k ^ index ^ c in used for c in node))
        base = index ^ offset
        used.update(base ^ c for c in node)
        units[index] |= offset << 10 | (0 in node) << 8
        for c, child in node.items():
            if c == 0:
                units[base] = 1 << 31 | child
            else:
                units[base ^ c] = c
                place(child, base ^ c)

    place(tree, 0)
    blob = b"".join(u.to_bytes(4, "little") for u in units[: (max(used) | 255) + 1])
    return base64.b64encode(len(blob).to_bytes(4, "little") + blob + strings).decode()


NORMALIZERS = [
    {"type": "NFC"}, {"type": "NFD"}, {"type": "NFKC"}, {"type": "NFKD"}, {"type": "Lowercase"},
    {"type": "Strip", "strip_left": True, "strip_right": False}, {"type": "Strip", "strip_left": False, "strip_right": True},
    {"type": "Strip", "strip_left": True, "strip_right": True}, {"type": "Prepend", "prepend": "\u2581"},
    {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"}, {"type": "Replace", "pattern": {"Regex": "\\s+"}, "content": " "},
    {"type": "Replace", "pattern": {"Regex": "[aeiou]"}, "content": ""},
    {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "\u2581"}, {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"}]},
    {"type": "Sequence", "normalizers": [{"type": "NFKC"}, {"type": "Sequence", "normalizers": [{"type": "Lowercase"}]}]},
    {"type": "Sequence", "normalizers": []},
    {"type": "StripAccents"}, {"type": "Nmt"}, {"type": "ByteLevel"},
    {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None, "lowercase": True},
    {"type": "BertNormalizer", "clean_text": False, "handle_chinese_chars": False, "strip_accents": True, "lowercase": False},
    {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None, "lowercase": False},
    {"type": "Precompiled", "precompiled_charsmap": charsmap({"a": "bb", "n": "", "\u00ef": "i", "e\u0301": "\u00e9", "\ufb01": "fi", "\r": " ", "\n": " ", "\u4eba": "x y"})},
]

G2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
CL = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"


def split(pattern, behavior="Isolated", invert=False, kind="Regex"):
    return {"type": "Split", "pattern": {kind: pattern}, "behavior": behavior, "invert": invert}


PRETOKENIZERS = [split(G2), split(CL), split(" ", "MergedWithPrevious", kind="String")]
PRETOKENIZERS += [split(r"\s", b, i) for b in ("Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous") for i in (False, True)]
PRETOKENIZERS += [split(p) for p in (r"\w+", r"\d", r"^.", r".$", r"[a[bc ]]+", r"\p{N}{1,3}+", r"x*", r"(?m:l.w)", r"(?<=e)l", r"\bw", r"\h+", r"\S+",
                                     r"[^\w\s]", r"(?i:HELLO)", r"\u0061|\x{62}", r"a{,2}", r"[]\]]|[^]a ]")]
PRETOKENIZERS += [
    {"type": "Digits", "individual_digits": True}, {"type": "Digits", "individual_digits": False},
    {"type": "Punctuation", "behavior": "Isolated"}, {"type": "Punctuation", "behavior": "Contiguous"},
    {"type": "Whitespace"}, {"type": "WhitespaceSplit"}, {"type": "BertPreTokenizer"}, {"type": "CharDelimiterSplit", "delimiter": "\u4eba"},
    {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
    {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": False},
    {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": False},
    {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always", "split": True},
    {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "first", "split": False},
    {"type": "Metaspace", "replacement": "_", "prepend_scheme": "never"}, {"type": "Metaspace", "replacement": "\u2581", "add_prefix_space": True},
    {"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": True}, {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}]},
    {"type": "Sequence", "pretokenizers": [{"type": "Punctuation", "behavior": "Contiguous"}, {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
                                           {"type": "Digits", "individual_digits": False}, split("[0-9][0-9][0-9]")]},
]

DECODERS = [
    ({"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
     [["\u0120Hello", "\u0120w"], ["\u00e4\u00bd", "\u0142"], ["\u00e4\u00bd"], ["<|x y|>", "\u0120\u2581"], [], ["\u010a", "\u00c3"]]),
    ({"type": "Sequence", "decoders": [{"type": "Replace", "pattern": {"String": "\u2581"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"},
                                       {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
     [["\u2581Hello", "\u2581w"], ["\u2581", "<0xE4>", "<0xBD>", "<0xA0>"], ["a", "<0xE4>", "<0xBD>", "b"], ["<0x0A>", "<0x0a>", "<0xZZ>", "<0x1>"], []]),
    ({"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always"}, [["\u2581a", "\u2581b\u2581"], ["\u2581\u2581", "c"]]),
    ({"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "never"}, [["\u2581a", "\u2581b\u2581"]]),
    ({"type": "Replace", "pattern": {"Regex": "a+"}, "content": "X"}, [["baab", "a"], ["aa", "aa"]]),
    ({"type": "Sequence", "decoders": [{"type": "Fuse"}, {"type": "Replace", "pattern": {"Regex": "a+"}, "content": "X"}]}, [["aa", "aa"]]),
    ({"type": "Strip", "content": "-", "start": 2, "stop": 1}, [["---a--", "b-", "-c"]]),
    ({"type": "WordPiece", "prefix": "##", "cleanup": True}, [["##a", "##b", "c", ".", "do", "not", "##", "n't", "I", "'m", "' ", "x ."], []]),
    ({"type": "WordPiece", "prefix": "##", "cleanup": False}, [["a", "##b", "c", ".", "####d"]]),
    ({"type": "BPEDecoder", "suffix": "</w>"}, [["a", "b</w>", "c</w>x</w>", "d</w>"], ["a</w>"]]),
]


def added(id, content, **flags):
    return {"id": id, "content": content, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": False, **flags}


def bpe(vocab, merges, **options):
    return {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None, "fuse_unk": False,
            "byte_fallback": False, "vocab": {p: i for i, p in enumerate(vocab)}, "merges": merges, **options}


def tokenizer(model, tokens=(), **stages):
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": list(tokens), "normalizer": None, "pre_tokenizer": None,
            "post_processor": None, "decoder": None, **stages, "model": model}


LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
LEGACY = {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "\u2581"}, {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"}]}
TEMPLATE = {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
                                                     {"SpecialToken": {"id": "</s>", "type_id": 0}}],
            "pair": [], "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}, "</s>": {"id": "</s>", "ids": [2], "tokens": ["</s>"]}}}
LETTERS = ["<unk>", "<s>", "</s>", "h", "e", "l", "o", "w", "r", "d", "\u2581", "a", "b", "\u00e9"]
WORDS = LETTERS + ["he", "ll", "hell", "hello", "\u2581w", "or", "\u2581wor", "ld", "\u2581world", "ab", "ba", "aba", "\u2581\u2581"]
MERGES = ["h e", "l l", "he ll", "hell o", "\u2581 w", "o r", "\u2581w or", "l d", "\u2581wor ld", "a b", "b a", "ab a", "\u2581 \u2581"]
SPECIALS = [added(0, "<unk>", special=True), added(1, "<s>", special=True), added(2, "</s>", special=True)]
LEVEL_WORDS = ["h", "e", "l", "o", "\u0120", "w", "\u00c3", "\u00a9", "1", "'", "s", "he", "ll", "hell", "hello", "\u0120w", "\u00c3\u00a9", "'s", "lo", "\u0120hello"]
LEVEL_MERGES = [["h", "e"], ["l", "l"], ["he", "ll"], ["hell", "o"], ["\u0120", "w"], ["\u00c3", "\u00a9"], ["'", "s"], ["l", "o"]]


def wordpiece(vocab):
    return {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 10,
            "vocab": {p: i for i, p in enumerate(vocab)}}


def unigram(vocab, **options):
    return {"type": "Unigram", "unk_id": 0, "vocab": vocab, "byte_fallback": False, **options}


BERT = NORMALIZERS[-4]
MARKS = {"type": "BertProcessing", "sep": ["[SEP]", 2], "cls": ["[CLS]", 1], "trim_offsets": False, "add_prefix_space": False}

TOKENIZERS = [
    (tokenizer(bpe(LEVEL_WORDS, LEVEL_MERGES), pre_tokenizer=LEVEL, decoder=LEVEL),
     ["hello", "hello wello's", "h\u00e9llo h\u00e9", "xhxex", "", "hell o1l1", " hello  hello"]),
    (tokenizer(bpe(LEVEL_WORDS, LEVEL_MERGES, ignore_merges=True), pre_tokenizer={"type": "Sequence", "pretokenizers": [split(CL), {**LEVEL, "use_regex": False}]},
               decoder=LEVEL), ["hello hello", "1 hello", "hello'S"]),
    (tokenizer(bpe(WORDS, MERGES, unk_token="<unk>", fuse_unk=True), SPECIALS, normalizer=LEGACY, post_processor=TEMPLATE),
     ["hello world", "", "xyz", "hello xx  yy", "<s>hello</s> world", "abababa", "  a"]),
    (tokenizer(bpe(WORDS, MERGES, unk_token="<unk>"), normalizer=LEGACY, post_processor={"type": "Sequence", "processors": [LEVEL, TEMPLATE]}), ["xyz a", "axx"]),
    (tokenizer(bpe(WORDS, MERGES), normalizer=LEGACY), ["xyz hexllo", "helxlo wxxor ldx"]),
    (tokenizer(bpe(WORDS + ["<0x63>", "<0x64>", "<0xC3>", "<0xA8>"], MERGES, unk_token="<unk>", fuse_unk=True, byte_fallback=True), normalizer=LEGACY,
               decoder=DECODERS[1][0]), ["cab", "\u00e8\u00e9", "zzcza", "cz", "hello \u00e8 world"]),
    (tokenizer(bpe(WORDS, MERGES), [added(20, "he", single_word=True), added(21, "[M]", lstrip=True), added(22, "[R]", rstrip=True), added(23, "[MR]"),
                                    added(24, "Wo", normalized=True)], normalizer={"type": "Lowercase"}),
     ["he", "hello he", "hehe he_ he-he", "a  [M]  b", "a [R]  b", "[MR][M]", "wo WO ewo", "a[R] [M]b"]),
    (tokenizer(bpe(["a", "b", "c</w>", "a</w>", "ab", "abc</w>", "b</w>"], ["a b", "ab c</w>"], end_of_word_suffix="</w>"), pre_tokenizer={"type": "WhitespaceSplit"}),
     ["abc ab a", "cab"]),
    (tokenizer(bpe(["a", "##b", "##c", "ab", "abc", "b"], ["a ##b", "ab ##c"], continuing_subword_prefix="##"), pre_tokenizer={"type": "Whitespace"}), ["abc ab b", "abca"]),
    (tokenizer(bpe(LETTERS, []), pre_tokenizer={"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "first", "split": False},
               decoder={"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "first"}), ["a b", " a", "<s>a"]),
    (tokenizer(wordpiece(["[UNK]", "[CLS]", "[SEP]", "he", "##ll", "##o", "hell", "##l", "h", "w", "##\u00e9", "\u5168", ","]), [added(1, "[CLS]", special=True)],
               normalizer=BERT, pre_tokenizer={"type": "BertPreTokenizer"}, post_processor=MARKS, decoder={"type": "WordPiece", "prefix": "##", "cleanup": True}),
     ["hello hell", "Hello,w\u00e9 [CLS]h\u5168\u5168", "hhhhhhhhhhhh he", "hellx", "", "\u200d he"]),
    (tokenizer(wordpiece(["[UNK]", "a", "##b", "##\u00e9"]), pre_tokenizer={"type": "Whitespace"}, post_processor={**MARKS, "type": "RobertaProcessing"}),
     ["ab a\u00e9b ba", "abbbbbbbbbb abbbbbbbbb"]),
    (tokenizer({"type": "WordLevel", "vocab": {"a": 0, "b": 1, "?": 2}, "unk_token": "?"}, pre_tokenizer={"type": "CharDelimiterSplit", "delimiter": "-"}), ["a-b--c-a b", ""]),
    (tokenizer(unigram([["<unk>", 0], ["a", -1], ["b", -1], ["ab", -1.5], ["abc", -9], ["c", -8], ["\u2581", -2], ["\u2581a", -2.5], ["aa", -2]])),
     ["abcab", "aaab", "xxaxyb", "", "\u00e9", "\u2581a\u2581ab<unk>"]),
    (tokenizer(unigram([["<unk>", 0], ["a", -1], ["<0xC3>", -3], ["<0xA9>", -3]], byte_fallback=True), decoder=DECODERS[1][0]), ["a\u00e9a\u00e8a", "\u00e9\u00e9", "\u00e9\u00e8"]),
    (tokenizer(bpe(LETTERS, []), SPECIALS, pre_tokenizer={"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "first", "split": True}), ["a <s> b", "<s>a b"]),
]


def proto(*fields):
    """A protobuf message of (number, value): an int, a float, or bytes."""
    def varint(value):
        out = b""
        while value >= 128:
            out += bytes([value & 127 | 128])
            value >>= 7
        return out + bytes([value])

    out = b""
    for number, value in fields:
        wire = 0 if isinstance(value, int) else 5 if isinstance(value, float) else 2
        out += varint(number << 3 | wire)
        out += varint(value) if wire == 0 else struct.pack("<f", value) if wire == 5 else varint(len(value)) + value
    return out


def sentencepiece_model(kind, pieces, normalizer=(), trainer=()):
    """kind: 1 Unigram, 2 BPE; pieces: (text, score, kind of piece)."""
    parts = [(1, proto((1, text.encode()), (2, float(score)), (3, what))) for text, score, what in pieces]
    return proto(*parts, (2, proto((3, kind), *trainer)), (3, proto((1, b"x"), *normalizer)))


MARKED = [("<unk>", 0, 2), ("<s>", 0, 3), ("</s>", 0, 3)]
SP_WORDS = [("\u2581", -2, 1), ("a", -3, 1), ("b", -3.5, 1), ("ab", -4, 1), ("\u2581a", -4.5, 1), ("abc", -9, 1), ("c", -5, 1), ("ba", -4, 1), ("\u2581ab", -6, 1),
            ("\u00e9", -7, 1), ("fi", -6, 1), ("bb", -5, 1)]
MAP = base64.b64decode(charsmap({"a": "bb", "n": "", "\u00ef": "i", "e\u0301": "\u00e9", "\ufb01": "fi", "\n": " ", "\t": " ", "ab": "c c"}))
SP_TEXTS = ["ab abc", "", " ", "  a  b ", "e\u0301\u00e9 \ufb01", "xyzab", "abab\tba\n", "<s>ab</s>", "\u2581a", "fox ab", "na\u00efve", "aXb", "X  Xa "]
SENTENCEPIECE = [
    sentencepiece_model(1, MARKED + SP_WORDS),
    sentencepiece_model(2, MARKED + SP_WORDS),
    sentencepiece_model(1, MARKED + SP_WORDS, [(2, MAP)]),
    sentencepiece_model(2, MARKED + SP_WORDS, [(2, MAP), (3, 0)], [(44, b"?")]),
    sentencepiece_model(1, MARKED + [("X", 0, 4), ("fox", 0, 4)] + SP_WORDS, [(4, 0)]),
    sentencepiece_model(2, MARKED + [("X", 0, 4), ("fox", 0, 4)] + SP_WORDS, [(4, 0), (5, 1)]),
    sentencepiece_model(2, MARKED + SP_WORDS + [(" ", -1, 1), ("a ", -2, 1)], [(5, 0)], [(24, 1)]),
    sentencepiece_model(1, MARKED + SP_WORDS[:3] + [("ab", -1, 5)] + SP_WORDS[4:], [(3, 0), (4, 0)]),
]


def literal(text, name=""):
    """A C string literal, in parts that no compiler finds too long."""
    out, line = [], ""
    for byte in text.encode():
        c = chr(byte)
        line += f"\\{c}" if c in '"\\?' else c if 0x20 <= byte < 0x7F else f"\\{byte:03o}"
        if len(line) > 90:
            out.append(f'"{line}"')
            line = ""
    out.append(f'"{line}"')
    return "\n     ".join(out)


def compact(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def stage_of(kind, value):
    """The library's stage, through a tokenizer that has no other."""
    return getattr(Tokenizer.from_str(json.dumps(tokenizer(bpe(["a"], []), **{kind: value}))), kind)


def write(folder, name, columns, comment, groups, library=f"tokenizers {tokenizers.__version__}"):
    """groups: (what is tested, [(column, ..), ..]), ..."""
    path = os.path.join(folder, f"vectors_{name}.h")
    with open(path, "w", encoding="ascii", newline="\n") as f:
        f.write(f"/* What {library} answers{comment}. Written by tests/peers/token_vectors.py. */\n")
        f.write("static const char *const subjects[] = {\n")
        for subject, _ in groups:
            f.write(f"    {literal(subject if isinstance(subject, str) else compact(subject))},\n")
        f.write(f"}};\n\nstatic const struct {{\n    unsigned subject;\n    const char *{', *'.join(columns)};\n}} vectors[] = {{\n")
        for i, (_, rows) in enumerate(groups):
            for row in rows:
                f.write("    {" + f"{i}, " + ",\n     ".join(map(literal, row)) + "},\n")
        f.write("};\n")


def main():
    folder = sys.argv[1]
    write(folder, "normalize", ["text", "normal"], "",
          [(s, [(t, stage_of("normalizer", s).normalize_str(t)) for t in TEXTS]) for s in NORMALIZERS])
    write(folder, "pretokenize", ["text", "pieces"], "; pieces are ended by 0x1f",
          [(s, [(t, "".join(p + US for p, _ in stage_of("pre_tokenizer", s).pre_tokenize_str(t))) for t in TEXTS]) for s in PRETOKENIZERS])
    write(folder, "decode", ["pieces", "text"], "; pieces are ended by 0x1f",
          [(s, [("".join(p + US for p in pieces), stage_of("decoder", s).decode(pieces)) for pieces in cases]) for s, cases in DECODERS])
    loaded = [(value, texts, Tokenizer.from_str(json.dumps(value))) for value, texts in TOKENIZERS]
    write(folder, "tokenizer", ["text", "ids"], "",
          [(value, [(x, " ".join(map(str, t.encode(x).ids))) for x in texts]) for value, texts, t in loaded])
    loaded = [(model, sentencepiece.SentencePieceProcessor(model_proto=model)) for model in SENTENCEPIECE]
    write(folder, "sentencepiece", ["text", "ids", "decoded"], "; models in hexadecimal",
          [(model.hex(), [(x, " ".join(map(str, p.encode(x))), p.decode(p.encode(x))) for x in SP_TEXTS]) for model, p in loaded],
          f"sentencepiece {sentencepiece.__version__}")


if __name__ == "__main__":
    main()
