# Losses of files: the same for any number of threads; what all files have together.
. "$CASES/lib.sh"
exec 2>&1
context() { sed 's/to [0-9]*, the context/to N, the context/'; }
facts_model m
yes 'The Eiffel Tower is in Arlen. ' | head -n 20 >a.txt
yes '世界 is in Arlen. ' | head -n 5 >b.txt
lancet perplexity m a.txt b.txt >table
sed 's/ .*//' table
for threads in 1 3; do lancet --threads $threads perplexity m a.txt b.txt | cmp - table; done
lancet perplexity m - <a.txt --json >json
sed 's/[0-9][0-9.e-]*/N/g' json
# A window that sees less predicts no better.
sum() { lancet perplexity m a.txt --json "$@" | sed -n 's/.*"perplexity": \([0-9.]*\).*/\1/p' | tail -n 1; }
awk "BEGIN { exit !($(sum --window 4 --stride 1) > $(sum --window 64 --stride 8)) }" || echo 'a small window is better'
: >empty.txt
try lancet perplexity m empty.txt
try lancet perplexity m missing.txt
try lancet perplexity m
try lancet perplexity m a.txt --window 1 2>&1 | context
try lancet perplexity m a.txt --window 100000 2>&1 | context
try lancet perplexity m a.txt --window 10 --stride 11
try lancet perplexity m a.txt --window 10 --stride 0
try lancet perplexity m a.txt --prefix none
# A tokenizer that puts something in front of a text: then the first token is scored too, and its bytes count.
count() { lancet perplexity m b.txt --window 24 --json "$@" | sed -n '/"total"/,$s/ *"\(tokens\|bytes\)": \([0-9]*\).*/\1 \2/p' | tr '\n' ' '; }
test "$(count)" = "$(count --prefix first)" || echo 'without a prefix they differ'
before=$(count)
python3 - <<'END'
import json
t = json.load(open("m/tokenizer.json"))
begin = {"SpecialToken": {"id": "<|endoftext|>", "type_id": 0}}
t["post_processor"] = {"type": "TemplateProcessing", "single": [begin, {"Sequence": {"id": "A", "type_id": 0}}], "pair": [],
                       "special_tokens": {"<|endoftext|>": {"id": "<|endoftext|>", "ids": [0], "tokens": ["<|endoftext|>"]}}}
json.dump(t, open("m/tokenizer.json", "w"))
END
after=$(count)
set -- $before $after
echo "$(($6 - $2)) token, $(($8 - $4)) bytes more ($(wc -c <b.txt) of $8)"
test "$(count --prefix first)" = "$after" || echo 'not every token is scored once'
test "$(sum --window 24)" = "$(sum --window 24 --prefix first)" && echo 'it makes no difference where the prefix stands'
