# The demo: edits and undoes byte for byte, merges, finds the pronoun's head, and prints every command that it runs.
. "$CASES/lib.sh"
lancet demo d >out
grep '^\$ ' out
# The most likely token after each prompt, in order.
sed -n 's/^1  "\(.*\)"  .*/\1/p' out
grep -E '^[0-9a-f]{64}  facts/model.safetensors$' out | sort | uniq -c | awk '{print $1}' | sort
grep -A 1 '^layer  head' out | awk 'NR == 2 {print $1 "." $2, ($3 >= 0.8)}'
sed -n '$p' out
# The models stay, the edited one as it was, with its history.
sha256sum d/facts/model.safetensors | cut -d' ' -f1 | grep -qF -f - out && echo "the digest is one of those shown"
lancet log d/facts | awk 'NR > 1 {print $1}'
# It does not touch a folder that holds something.
try lancet demo d
mkdir empty
lancet --json demo empty >out.json
python3 - <<'END'
import json
d = json.load(open("out.json"))
print(d["schema"], d["folder"], len(d["steps"]), d["sha256_before"] == d["sha256_after_undo"])
losses = {x["model"]: x for x in d["losses"]}
for text in ("code", "chinese"):
    won = {m: (losses["base"][text] - losses[m][text]) / (losses["base"][text] - losses[text][text]) for m in losses}
    print(text, "merged keeps", won["merged"] > .88, "more than the average", won["merged"] > won["average"])
END
