/* What tokenizers 0.23.3 answers; pieces are ended by 0x1f. Written by tests/peers/token_vectors.py. */
static const char *const subjects[] = {
    "{\"type\":\"ByteLevel\",\"add_prefix_space\":true,\"trim_offsets\":true,\"use_regex\":true}"
     "",
    "{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"Replace\",\"pattern\":{\"String\":\"\342\226"
     "\201\"},\"content\":\" \"},{\"type\":\"ByteFallback\"},{\"type\":\"Fuse\"},{\"type\":\"Stri"
     "p\",\"content\":\" \",\"start\":1,\"stop\":0}]}",
    "{\"type\":\"Metaspace\",\"replacement\":\"\342\226\201\",\"prepend_scheme\":\"always\"}",
    "{\"type\":\"Metaspace\",\"replacement\":\"\342\226\201\",\"prepend_scheme\":\"never\"}",
    "{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"a+\"},\"content\":\"X\"}",
    "{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"Fuse\"},{\"type\":\"Replace\",\"pattern\":"
     "{\"Regex\":\"a+\"},\"content\":\"X\"}]}",
    "{\"type\":\"Strip\",\"content\":\"-\",\"start\":2,\"stop\":1}",
    "{\"type\":\"WordPiece\",\"prefix\":\"##\",\"cleanup\":true}",
    "{\"type\":\"WordPiece\",\"prefix\":\"##\",\"cleanup\":false}",
    "{\"type\":\"BPEDecoder\",\"suffix\":\"</w>\"}",
};

static const struct {
    unsigned subject;
    const char *pieces, *text;
} vectors[] = {
    {0, "\304\240Hello\037\304\240w\037",
     " Hello w"},
    {0, "\303\244\302\275\037\305\202\037",
     "\344\275\240"},
    {0, "\303\244\302\275\037",
     "\357\277\275"},
    {0, "<|x y|>\037\304\240\342\226\201\037",
     "<|x y|>\304\240\342\226\201"},
    {0, "",
     ""},
    {0, "\304\212\037\303\203\037",
     "\012\357\277\275"},
    {1, "\342\226\201Hello\037\342\226\201w\037",
     "Hello w"},
    {1, "\342\226\201\037<0xE4>\037<0xBD>\037<0xA0>\037",
     "\344\275\240"},
    {1, "a\037<0xE4>\037<0xBD>\037b\037",
     "a\357\277\275\357\277\275b"},
    {1, "<0x0A>\037<0x0a>\037<0xZZ>\037<0x1>\037",
     "\012\012<0xZZ><0x1>"},
    {1, "",
     ""},
    {2, "\342\226\201a\037\342\226\201b\342\226\201\037",
     "a b "},
    {2, "\342\226\201\342\226\201\037c\037",
     "c"},
    {3, "\342\226\201a\037\342\226\201b\342\226\201\037",
     " a b "},
    {4, "baab\037a\037",
     "bXbX"},
    {4, "aa\037aa\037",
     "XX"},
    {5, "aa\037aa\037",
     "X"},
    {6, "---a--\037b-\037-c\037",
     "-a-bc"},
    {7, "##a\037##b\037c\037.\037do\037not\037##\037n't\037I\037'm\037' \037x .\037",
     "##ab c. do notn't I'm' x."},
    {7, "",
     ""},
    {8, "a\037##b\037c\037.\037####d\037",
     "ab c .##d"},
    {9, "a\037b</w>\037c</w>x</w>\037d</w>\037",
     "ab c x d"},
    {9, "a</w>\037",
     "a"},
};
