# Tokens with ids and places; from an argument, standard input, a file of lines.
. "$CASES/lib.sh"
exec 2>&1
facts_model m
lancet tokenize m 'The capital of 中' >table
sed -n '1p;$p' table
lancet tokenize m --ids 'The capital' >ids
printf 'The capital\n' | lancet tokenize m --ids - | cmp - ids
printf 'The capital\n\nThe capital' >lines
lancet tokenize m --batch lines >batch
{ cat ids; echo; cat ids; } | cmp - batch
lancet tokenize m --json 'a中' | grep -c '"bytes": "[0-9a-f]*"'
lancet tokenize m --json 'The capital' >json
# The places of the JSON joined are the text.
sed -n 's/.*"text": "\(.*\)", "start".*/\1/p' json | tr -d '\n'
echo
lancet tokenize m --json --batch lines | tail -n 6
try lancet tokenize m
try lancet tokenize m text --batch lines
try lancet tokenize m --batch missing
small_model bare
try lancet tokenize bare text
# What lancet lacks is refused by its name.
for part in normalizer pre_tokenizer model; do
    python3 - $part <<'END'
import json, sys
document = json.load(open("m/tokenizer.json"))
document[sys.argv[1]] = {**(document[sys.argv[1]] or {}), "type": "Brand\nNew"}
json.dump(document, open("bare/tokenizer.json", "w"))
END
    try lancet tokenize bare text
done
# A tokenizer with more tokens than the embedding has rows: they are tokens, but the model cannot take them.
python3 - <<'END'
import json
document = json.load(open("m/tokenizer.json"))
document["added_tokens"].append({**document["added_tokens"][0], "id": 1024, "content": "<extra>"})
json.dump(document, open("m/tokenizer.json", "w"))
END
lancet tokenize m --ids 'The <extra>'
try lancet predict m 'The <extra>'
lancet predict m 'The capital' --top 1
