/* What tokenizers 0.23.3 answers. Written by tests/peers/token_vectors.py. */
static const char *const subjects[] = {
    "{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,\"added_tokens\":[],\"normalizer\""
     ":null,\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\""
     ":true,\"use_regex\":true},\"post_processor\":null,\"decoder\":{\"type\":\"ByteLevel\",\"add"
     "_prefix_space\":false,\"trim_offsets\":true,\"use_regex\":true},\"model\":{\"type\":\"BPE\""
     ",\"dropout\":null,\"unk_token\":null,\"continuing_subword_prefix\":null,\"end_of_word_suffi"
     "x\":null,\"fuse_unk\":false,\"byte_fallback\":false,\"vocab\":{\"h\":0,\"e\":1,\"l\":2,\"o\""
     ":3,\"\304\240\":4,\"w\":5,\"\303\203\":6,\"\302\251\":7,\"1\":8,\"'\":9,\"s\":10,\"he\":11,"
     "\"ll\":12,\"hell\":13,\"hello\":14,\"\304\240w\":15,\"\303\203\302\251\":16,\"'s\":17,\"lo\""
     ":18,\"\304\240hello\":19},\"merges\":[[\"h\",\"e\"],[\"l\",\"l\"],[\"he\",\"ll\"],[\"hell\""
     ",\"o\"],[\"\304\240\",\"w\"],[\"\303\203\",\"\302\251\"],[\"'\",\"s\"],[\"l\",\"o\"]]}}",
    "{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,\"added_tokens\":[],\"normalizer\""
     ":null,\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",\"pat"
     "tern\":{\"Regex\":\"(\?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\\\r\\\\n\\\\p{L}\\\\p{N}]\?\\\\p{L}+|"
     "\\\\p{N}{1,3}| \?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n]*|\\\\s*[\\\\r\\\\n]+|\\\\s+(\?!\\\\S"
     ")|\\\\s+\"},\"behavior\":\"Isolated\",\"invert\":false},{\"type\":\"ByteLevel\",\"add_prefi"
     "x_space\":false,\"trim_offsets\":true,\"use_regex\":false}]},\"post_processor\":null,\"deco"
     "der\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":true,\"use_regex\""
     ":true},\"model\":{\"type\":\"BPE\",\"dropout\":null,\"unk_token\":null,\"continuing_subword"
     "_prefix\":null,\"end_of_word_suffix\":null,\"fuse_unk\":false,\"byte_fallback\":false,\"voc"
     "ab\":{\"h\":0,\"e\":1,\"l\":2,\"o\":3,\"\304\240\":4,\"w\":5,\"\303\203\":6,\"\302\251\":7,"
     "\"1\":8,\"'\":9,\"s\":10,\"he\":11,\"ll\":12,\"hell\":13,\"hello\":14,\"\304\240w\":15,\"\303"
     "\203\302\251\":16,\"'s\":17,\"lo\":18,\"\304\240hello\":19},\"merges\":[[\"h\",\"e\"],[\"l\""
     ",\"l\"],[\"he\",\"ll\"],[\"hell\",\"o\"],[\"\304\240\",\"w\"],[\"\303\203\",\"\302\251\"],["
     "\"'\",\"s\"],[\"l\",\"o\"]],\"ignore_merges\":true}}",
    "{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,\"added_tokens\":[{\"id\":0,\"con"
     "tent\":\"<unk>\",\"single_word\":false,\"lstrip\":false,\"rstrip\":false,\"normalized\":fal"
     "se,\"special\":true},{\"id\":1,\"content\":\"<s>\",\"single_word\":false,\"lstrip\":false,\""
     "rstrip\":false,\"normalized\":false,\"special\":true},{\"id\":2,\"content\":\"</s>\",\"sing"
     "le_word\":false,\"lstrip\":false,\"rstrip\":false,\"normalized\":false,\"special\":true}],\""
     "normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Prepend\",\"prepend\":\"\342"
     "\226\201\"},{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":\"\342\226\201"
     "\"}]},\"pre_tokenizer\":null,\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\""
     ":[{\"SpecialToken\":{\"id\":\"<s>\",\"type_id\":0}},{\"Sequence\":{\"id\":\"A\",\"type_id\""
     ":0}},{\"SpecialToken\":{\"id\":\"</s>\",\"type_id\":0}}],\"pair\":[],\"special_tokens\":{\""
     "<s>\":{\"id\":\"<s>\",\"ids\":[1],\"tokens\":[\"<s>\"]},\"</s>\":{\"id\":\"</s>\",\"ids\":["
     "2],\"tokens\":[\"</s>\"]}}},\"decoder\":null,\"model\":{\"type\":\"BPE\",\"dropout\":null,\""
     "unk_token\":\"<unk>\",\"continuing_subword_prefix\":null,\"end_of_word_suffix\":null,\"fuse"
     "_unk\":true,\"byte_fallback\":false,\"vocab\":{\"<unk>\":0,\"<s>\":1,\"</s>\":2,\"h\":3,\"e"
     "\":4,\"l\":5,\"o\":6,\"w\":7,\"r\":8,\"d\":9,\"\342\226\201\":10,\"a\":11,\"b\":12,\"\303\251"
     "\":13,\"he\":14,\"ll\":15,\"hell\":16,\"hello\":17,\"\342\226\201w\":18,\"or\":19,\"\342\226"
     "\201wor\":20,\"ld\":21,\"\342\226\201world\":22,\"ab\":23,\"ba\":24,\"aba\":25,\"\342\226\201"
     "\342\226\201\":26},\"merges\":[\"h e\",\"l l\",\"he ll\",\"hell o\",\"\342\226\201 w\",\"o "
     "r\",\"\342\226\201w or\",\"l d\",\"\342\226\201wor ld\",\"a b\",\"b a\",\"ab a\",\"\342\226"
     "\201 \342\226\201\"]}}",
    "{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,\"added_tokens\":[],\"normalizer\""
     ":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Prepend\",\"prepend\":\"\342\226\201\""
     "},{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":\"\342\226\201\"}]},\"pr"
     "e_tokenizer\":null,\"post_processor\":{\"type\":\"Sequence\",\"processors\":[{\"type\":\"By"
     "teLevel\",\"add_prefix_space\":false,\"trim_offsets\":true,\"use_regex\":true},{\"type\":\""
     "TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"<s>\",\"type_id\":0}},{\"Seque"
     "nce\":{\"id\":\"A\",\"type_id\":0}},{\"SpecialToken\":{\"id\":\"</s>\",\"type_id\":0}}],\"p"
     "air\":[],\"special_tokens\":{\"<s>\":{\"id\":\"<s>\",\"ids\":[1],\"tokens\":[\"<s>\"]},\"</"
     "s>\":{\"id\":\"</s>\",\"ids\":[2],\"tokens\":[\"</s>\"]}}}]},\"decoder\":null,\"model\":{\""
     "type\":\"BPE\",\"dropout\":null,\"unk_token\":\"<unk>\",\"continuing_subword_prefix\":null,"
     "\"end_of_word_suffix\":null,\"fuse_unk\":false,\"byte_fallback\":false,\"vocab\":{\"<unk>\""
     ":0,\"<s>\":1,\"</s>\":2,\"h\":3,\"e\":4,\"l\":5,\"o\":6,\"w\":7,\"r\":8,\"d\":9,\"\342\226\201"
     "\":10,\"a\":11,\"b\":12,\"\303\251\":13,\"he\":14,\"ll\":15,\"hell\":16,\"hello\":17,\"\342"
     "\226\201w\":18,\"or\":19,\"\342\226\201wor\":20,\"ld\":21,\"\342\226\201world\":22,\"ab\":2"
     "3,\"ba\":24,\"aba\":25,\"\342\226\201\342\226\201\":26},\"merges\":[\"h e\",\"l l\",\"he ll"
     "\",\"hell o\",\"\342\226\201 w\",\"o r\",\"\342\226\201w or\",\"l d\",\"\342\226\201wor ld\""
     ",\"a b\",\"b a\",\"ab a\",\"\342\226\201 \342\226\201\"]}}",
    "{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,\"added_tokens\":[],\"normalizer\""
     ":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Prepend\",\"prepend\":\"\342\226\201\""
     "},{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":\"\342\226\201\"}]},\"pr"
     "e_tokenizer\":null,\"post_processor\":null,\"decoder\":null,\"model\":{\"type\":\"BPE\",\"d"
     "ropout\":null,\"unk_token\":null,\"continuing_subword_prefix\":null,\"end_of_word_suffix\":"
     "null,\"fuse_unk\":false,\"byte_fallback\":false,\"vocab\":{\"<unk>\":0,\"<s>\":1,\"</s>\":2"
     ",\"h\":3,\"e\":4,\"l\":5,\"o\":6,\"w\":7,\"r\":8,\"d\":9,\"\342\226\201\":10,\"a\":11,\"b\""
     ":12,\"\303\251\":13,\"he\":14,\"ll\":15,\"hell\":16,\"hello\":17,\"\342\226\201w\":18,\"or\""
     ":19,\"\342\226\201wor\":20,\"ld\":21,\"\342\226\201world\":22,\"ab\":23,\"ba\":24,\"aba\":2"
     "5,\"\342\226\201\342\226\201\":26},\"merges\":[\"h e\",\"l l\",\"he ll\",\"hell o\",\"\342\226"
     "\201 w\",\"o r\",\"\342\226\201w or\",\"l d\",\"\342\226\201wor ld\",\"a b\",\"b a\",\"ab a"
     "\",\"\342\226\201 \342\226\201\"]}}",
    "{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,\"added_tokens\":[],\"normalizer\""
     ":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Prepend\",\"prepend\":\"\342\226\201\""
     "},{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":\"\342\226\201\"}]},\"pr"
     "e_tokenizer\":null,\"post_processor\":null,\"decoder\":{\"type\":\"Sequence\",\"decoders\":"
     "[{\"type\":\"Replace\",\"pattern\":{\"String\":\"\342\226\201\"},\"content\":\" \"},{\"type"
     "\":\"ByteFallback\"},{\"type\":\"Fuse\"},{\"type\":\"Strip\",\"content\":\" \",\"start\":1,"
     "\"stop\":0}]},\"model\":{\"type\":\"BPE\",\"dropout\":null,\"unk_token\":\"<unk>\",\"contin"
     "uing_subword_prefix\":null,\"end_of_word_suffix\":null,\"fuse_unk\":true,\"byte_fallback\":"
     "true,\"vocab\":{\"<unk>\":0,\"<s>\":1,\"</s>\":2,\"h\":3,\"e\":4,\"l\":5,\"o\":6,\"w\":7,\""
     "r\":8,\"d\":9,\"\342\226\201\":10,\"a\":11,\"b\":12,\"\303\251\":13,\"he\":14,\"ll\":15,\"h"
     "ell\":16,\"hello\":17,\"\342\226\201w\":18,\"or\":19,\"\342\226\201wor\":20,\"ld\":21,\"\342"
     "\226\201world\":22,\"ab\":23,\"ba\":24,\"aba\":25,\"\342\226\201\342\226\201\":26,\"<0x63>\""
     ":27,\"<0x64>\":28,\"<0xC3>\":29,\"<0xA8>\":30},\"merges\":[\"h e\",\"l l\",\"he ll\",\"hell"
     " o\",\"\342\226\201 w\",\"o r\",\"\342\226\201w or\",\"l d\",\"\342\226\201wor ld\",\"a b\""
     ",\"b a\",\"ab a\",\"\342\226\201 \342\226\201\"]}}",
    "{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,\"added_tokens\":[{\"id\":20,\"co"
     "ntent\":\"he\",\"single_word\":true,\"lstrip\":false,\"rstrip\":false,\"normalized\":false,"
     "\"special\":false},{\"id\":21,\"content\":\"[M]\",\"single_word\":false,\"lstrip\":true,\"r"
     "strip\":false,\"normalized\":false,\"special\":false},{\"id\":22,\"content\":\"[R]\",\"sing"
     "le_word\":false,\"lstrip\":false,\"rstrip\":true,\"normalized\":false,\"special\":false},{\""
     "id\":23,\"content\":\"[MR]\",\"single_word\":false,\"lstrip\":false,\"rstrip\":false,\"norm"
     "alized\":false,\"special\":false},{\"id\":24,\"content\":\"Wo\",\"single_word\":false,\"lst"
     "rip\":false,\"rstrip\":false,\"normalized\":true,\"special\":false}],\"normalizer\":{\"type"
     "\":\"Lowercase\"},\"pre_tokenizer\":null,\"post_processor\":null,\"decoder\":null,\"model\""
     ":{\"type\":\"BPE\",\"dropout\":null,\"unk_token\":null,\"continuing_subword_prefix\":null,\""
     "end_of_word_suffix\":null,\"fuse_unk\":false,\"byte_fallback\":false,\"vocab\":{\"<unk>\":0"
     ",\"<s>\":1,\"</s>\":2,\"h\":3,\"e\":4,\"l\":5,\"o\":6,\"w\":7,\"r\":8,\"d\":9,\"\342\226\201"
     "\":10,\"a\":11,\"b\":12,\"\303\251\":13,\"he\":14,\"ll\":15,\"hell\":16,\"hello\":17,\"\342"
     "\226\201w\":18,\"or\":19,\"\342\226\201wor\":20,\"ld\":21,\"\342\226\201world\":22,\"ab\":2"
     "3,\"ba\":24,\"aba\":25,\"\342\226\201\342\226\201\":26},\"merges\":[\"h e\",\"l l\",\"he ll"
     "\",\"hell o\",\"\342\226\201 w\",\"o r\",\"\342\226\201w or\",\"l d\",\"\342\226\201wor ld\""
     ",\"a b\",\"b a\",\"ab a\",\"\342\226\201 \342\226\201\"]}}",
    "{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,\"added_tokens\":[],\"normalizer\""
     ":null,\"pre_tokenizer\":{\"type\":\"WhitespaceSplit\"},\"post_processor\":null,\"decoder\":"
     "null,\"model\":{\"type\":\"BPE\",\"dropout\":null,\"unk_token\":null,\"continuing_subword_p"
     "refix\":null,\"end_of_word_suffix\":\"</w>\",\"fuse_unk\":false,\"byte_fallback\":false,\"v"
     "ocab\":{\"a\":0,\"b\":1,\"c</w>\":2,\"a</w>\":3,\"ab\":4,\"abc</w>\":5,\"b</w>\":6},\"merge"
     "s\":[\"a b\",\"ab c</w>\"]}}",
    "{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,\"added_tokens\":[],\"normalizer\""
     ":null,\"pre_tokenizer\":{\"type\":\"Whitespace\"},\"post_processor\":null,\"decoder\":null,"
     "\"model\":{\"type\":\"BPE\",\"dropout\":null,\"unk_token\":null,\"continuing_subword_prefix"
     "\":\"##\",\"end_of_word_suffix\":null,\"fuse_unk\":false,\"byte_fallback\":false,\"vocab\":"
     "{\"a\":0,\"##b\":1,\"##c\":2,\"ab\":3,\"abc\":4,\"b\":5},\"merges\":[\"a ##b\",\"ab ##c\"]}"
     "}",
    "{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,\"added_tokens\":[],\"normalizer\""
     ":null,\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"\342\226\201\",\"prepend_"
     "scheme\":\"first\",\"split\":false},\"post_processor\":null,\"decoder\":{\"type\":\"Metaspa"
     "ce\",\"replacement\":\"\342\226\201\",\"prepend_scheme\":\"first\"},\"model\":{\"type\":\"B"
     "PE\",\"dropout\":null,\"unk_token\":null,\"continuing_subword_prefix\":null,\"end_of_word_s"
     "uffix\":null,\"fuse_unk\":false,\"byte_fallback\":false,\"vocab\":{\"<unk>\":0,\"<s>\":1,\""
     "</s>\":2,\"h\":3,\"e\":4,\"l\":5,\"o\":6,\"w\":7,\"r\":8,\"d\":9,\"\342\226\201\":10,\"a\":"
     "11,\"b\":12,\"\303\251\":13},\"merges\":[]}}",
    "{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,\"added_tokens\":[{\"id\":1,\"con"
     "tent\":\"[CLS]\",\"single_word\":false,\"lstrip\":false,\"rstrip\":false,\"normalized\":fal"
     "se,\"special\":true}],\"normalizer\":{\"type\":\"BertNormalizer\",\"clean_text\":true,\"han"
     "dle_chinese_chars\":true,\"strip_accents\":null,\"lowercase\":true},\"pre_tokenizer\":{\"ty"
     "pe\":\"BertPreTokenizer\"},\"post_processor\":{\"type\":\"BertProcessing\",\"sep\":[\"[SEP]"
     "\",2],\"cls\":[\"[CLS]\",1],\"trim_offsets\":false,\"add_prefix_space\":false},\"decoder\":"
     "{\"type\":\"WordPiece\",\"prefix\":\"##\",\"cleanup\":true},\"model\":{\"type\":\"WordPiece"
     "\",\"unk_token\":\"[UNK]\",\"continuing_subword_prefix\":\"##\",\"max_input_chars_per_word\""
     ":10,\"vocab\":{\"[UNK]\":0,\"[CLS]\":1,\"[SEP]\":2,\"he\":3,\"##ll\":4,\"##o\":5,\"hell\":6"
     ",\"##l\":7,\"h\":8,\"w\":9,\"##\303\251\":10,\"\345\205\250\":11,\",\":12}}}",
    "{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,\"added_tokens\":[],\"normalizer\""
     ":null,\"pre_tokenizer\":{\"type\":\"Whitespace\"},\"post_processor\":{\"type\":\"RobertaPro"
     "cessing\",\"sep\":[\"[SEP]\",2],\"cls\":[\"[CLS]\",1],\"trim_offsets\":false,\"add_prefix_s"
     "pace\":false},\"decoder\":null,\"model\":{\"type\":\"WordPiece\",\"unk_token\":\"[UNK]\",\""
     "continuing_subword_prefix\":\"##\",\"max_input_chars_per_word\":10,\"vocab\":{\"[UNK]\":0,\""
     "a\":1,\"##b\":2,\"##\303\251\":3}}}",
    "{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,\"added_tokens\":[],\"normalizer\""
     ":null,\"pre_tokenizer\":{\"type\":\"CharDelimiterSplit\",\"delimiter\":\"-\"},\"post_proces"
     "sor\":null,\"decoder\":null,\"model\":{\"type\":\"WordLevel\",\"vocab\":{\"a\":0,\"b\":1,\""
     "\?\":2},\"unk_token\":\"\?\"}}",
    "{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,\"added_tokens\":[],\"normalizer\""
     ":null,\"pre_tokenizer\":null,\"post_processor\":null,\"decoder\":null,\"model\":{\"type\":\""
     "Unigram\",\"unk_id\":0,\"vocab\":[[\"<unk>\",0],[\"a\",-1],[\"b\",-1],[\"ab\",-1.5],[\"abc\""
     ",-9],[\"c\",-8],[\"\342\226\201\",-2],[\"\342\226\201a\",-2.5],[\"aa\",-2]],\"byte_fallback"
     "\":false}}",
    "{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,\"added_tokens\":[],\"normalizer\""
     ":null,\"pre_tokenizer\":null,\"post_processor\":null,\"decoder\":{\"type\":\"Sequence\",\"d"
     "ecoders\":[{\"type\":\"Replace\",\"pattern\":{\"String\":\"\342\226\201\"},\"content\":\" \""
     "},{\"type\":\"ByteFallback\"},{\"type\":\"Fuse\"},{\"type\":\"Strip\",\"content\":\" \",\"s"
     "tart\":1,\"stop\":0}]},\"model\":{\"type\":\"Unigram\",\"unk_id\":0,\"vocab\":[[\"<unk>\",0"
     "],[\"a\",-1],[\"<0xC3>\",-3],[\"<0xA9>\",-3]],\"byte_fallback\":true}}",
    "{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,\"added_tokens\":[{\"id\":0,\"con"
     "tent\":\"<unk>\",\"single_word\":false,\"lstrip\":false,\"rstrip\":false,\"normalized\":fal"
     "se,\"special\":true},{\"id\":1,\"content\":\"<s>\",\"single_word\":false,\"lstrip\":false,\""
     "rstrip\":false,\"normalized\":false,\"special\":true},{\"id\":2,\"content\":\"</s>\",\"sing"
     "le_word\":false,\"lstrip\":false,\"rstrip\":false,\"normalized\":false,\"special\":true}],\""
     "normalizer\":null,\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"\342\226\201\""
     ",\"prepend_scheme\":\"first\",\"split\":true},\"post_processor\":null,\"decoder\":null,\"mo"
     "del\":{\"type\":\"BPE\",\"dropout\":null,\"unk_token\":null,\"continuing_subword_prefix\":n"
     "ull,\"end_of_word_suffix\":null,\"fuse_unk\":false,\"byte_fallback\":false,\"vocab\":{\"<un"
     "k>\":0,\"<s>\":1,\"</s>\":2,\"h\":3,\"e\":4,\"l\":5,\"o\":6,\"w\":7,\"r\":8,\"d\":9,\"\342\226"
     "\201\":10,\"a\":11,\"b\":12,\"\303\251\":13},\"merges\":[]}}",
};

static const struct {
    unsigned subject;
    const char *text, *ids;
} vectors[] = {
    {0, "hello",
     "14"},
    {0, "hello wello's",
     "14 15 1 12 3 17"},
    {0, "h\303\251llo h\303\251",
     "0 16 12 3 4 0 16"},
    {0, "xhxex",
     "11"},
    {0, "",
     ""},
    {0, "hell o1l1",
     "13 4 3 8 2 8"},
    {0, " hello  hello",
     "4 14 4 4 14"},
    {1, "hello hello",
     "14 19"},
    {1, "1 hello",
     "8 19"},
    {1, "hello'S",
     "14 9"},
    {2, "hello world",
     "1 10 17 22 2"},
    {2, "",
     "1 2"},
    {2, "xyz",
     "1 10 0 2"},
    {2, "hello xx  yy",
     "1 10 17 10 0 26 0 2"},
    {2, "<s>hello</s> world",
     "1 1 10 17 2 10 22 2"},
    {2, "abababa",
     "1 10 23 23 25 2"},
    {2, "  a",
     "1 26 10 11 2"},
    {3, "xyz a",
     "1 10 0 0 0 10 11 2"},
    {3, "axx",
     "1 10 11 0 0 2"},
    {4, "xyz hexllo",
     "26 17"},
    {4, "helxlo wxxor ldx",
     "10 17 20 10 21"},
    {5, "cab",
     "10 27 23"},
    {5, "\303\250\303\251",
     "10 29 30 13"},
    {5, "zzcza",
     "10 27 0 11"},
    {5, "cz",
     "10 27 0"},
    {5, "hello \303\250 world",
     "10 17 10 29 30 22"},
    {6, "he",
     "14"},
    {6, "hello he",
     "17 14"},
    {6, "hehe he_ he-he",
     "14 14 14 14 14"},
    {6, "a  [M]  b",
     "11 27 12"},
    {6, "a [R]  b",
     "11 28 12"},
    {6, "[MR][M]",
     "29 27"},
    {6, "wo WO ewo",
     "30 30 4 30"},
    {6, "a[R] [M]b",
     "11 28 27 12"},
    {7, "abc ab a",
     "5 0 6 3"},
    {7, "cab",
     "0 6"},
    {8, "abc ab b",
     "4 3 5"},
    {8, "abca",
     "4"},
    {9, "a b",
     "10 11 10 12"},
    {9, " a",
     "10 11"},
    {9, "<s>a",
     "10 11"},
    {10, "hello hell",
     "1 6 5 6 2"},
    {10, "Hello,w\303\251 [CLS]h\345\205\250\345\205\250",
     "1 6 5 12 0 1 8 11 11 2"},
    {10, "hhhhhhhhhhhh he",
     "1 0 3 2"},
    {10, "hellx",
     "1 0 2"},
    {10, "",
     "1 2"},
    {10, "\342\200\215 he",
     "1 3 2"},
    {11, "ab a\303\251b ba",
     "1 1 2 1 3 2 0 2"},
    {11, "abbbbbbbbbb abbbbbbbbb",
     "1 0 1 2 2 2 2 2 2 2 2 2 2"},
    {12, "a-b--c-a b",
     "0 1 2 2"},
    {12, "",
     ""},
    {13, "abcab",
     "4 3"},
    {13, "aaab",
     "8 3"},
    {13, "xxaxyb",
     "0 1 0 2"},
    {13, "",
     ""},
    {13, "\303\251",
     "0"},
    {13, "\342\226\201a\342\226\201ab<unk>",
     "7 6 3 0"},
    {14, "a\303\251a\303\250a",
     "1 2 3 1 0 1"},
    {14, "\303\251\303\251",
     "2 3 2 3"},
    {14, "\303\251\303\250",
     "0"},
    {15, "a <s> b",
     "10 11 10 1 10 12"},
    {15, "<s>a b",
     "1 11 10 12"},
};
