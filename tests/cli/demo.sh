# The demo: edits, keeps the neighbours, undoes byte for byte, and prints every command that it runs.
. "$CASES/lib.sh"
lancet demo d >out
grep '^\$ ' out
# The most likely token after each prompt, in order.
sed -n 's/^1  "\(.*\)"  .*/\1/p' out
grep -E '^[0-9a-f]{64}  facts/model.safetensors$' out | sort | uniq -c | awk '{print $1}' | sort
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
END
