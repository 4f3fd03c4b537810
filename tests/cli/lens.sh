# What each layer would say: the last one what predict says, bit for bit.
. "$CASES/lib.sh"
exec 2>&1
facts_model m
prompt='The capital of Veland is'
ranks() { sed 's/#[0-9][0-9][0-9]*/#N/g'; } # far down, they depend on the last bits
lancet lens m "$prompt" --target Tovik | ranks
lancet lens m "$prompt" --tokens 5: --layers 1,3 --top 3
lancet --color always lens m "$prompt" --tokens 5: --layers 3 --top 1 | cat -v
lancet lens m --ids 263,741 --layers 0 --target-id 309 | ranks
lancet lens m "$prompt" >table
for threads in 1 2 3; do lancet --threads $threads lens m "$prompt" | cmp - table; done
printf '%s\n' "$prompt" | lancet lens m - | cmp - table
# All logits of the last layer at every position, and of the last position alone.
lancet lens m "$prompt" --layers 3 --tokens : --top 1024 --target ' Tovik' --json >lens.json
lancet predict m "$prompt" --logits logits.npy >/dev/null
lancet lens m "$prompt" --layers 3 --tokens 5: --top 4 --json >last.json
lancet predict m "$prompt" --top 4 --json >next.json
python3 - <<'END'
import json, struct
lens = json.load(open("lens.json"))
data = open("logits.npy", "rb").read()[128:]
logits = [struct.unpack("<1024f", data[at:at + 4096]) for at in range(0, len(data), 4096)]
for cell in lens["cells"]:
    row = logits[cell["position"]]
    assert cell["layer"] == 3 and {t["id"]: t["logit"] for t in cell["top"]} == dict(enumerate(row)), cell["position"]
    ranks = [t["id"] for t in cell["top"]]
    assert ranks == sorted(ranks, key=lambda i: (-row[i], i))
    assert cell["target"]["rank"] == ranks.index(lens["target"]["id"]) + 1
    assert cell["target"]["probability"] == cell["top"][cell["target"]["rank"] - 1]["probability"]
    assert abs(sum(t["probability"] for t in cell["top"]) - 1) < 1e-6
print(len(lens["cells"]), "rows of", len(logits), "equal")
last, following = json.load(open("last.json")), json.load(open("next.json"))
assert [c["top"] for c in last["cells"]] == [following["next"]]
END
# Of a long prompt the last 16 tokens, unless others are asked for.
long=$(yes the | head -n 40 | tr '\n' ' ')
lancet lens m "$long" --json --layers 0 | grep -c '"layer"'
lancet lens m "$long" --json --layers 0 --tokens 3:9 | grep -o '"position": [0-9]*' | tr '\n' ' '
echo
# A target is what comes behind the prompt: with a space where its script needs one.
lancet lens m "$prompt" --layers 3 --tokens 5: --target Tovik --json >a
lancet lens m "$prompt" --layers 3 --tokens 5: --target ' Tovik' --json >b
lancet lens m "$prompt" --layers 3 --tokens 5: --target-id 343 --json >c
for file in a b c; do grep -A 3 '"target": {$' $file; done | sort | uniq -c | sed 's/^ *//'
try lancet lens m "$prompt" --top 0
try lancet lens m "$prompt" --layers 4
try lancet lens m "$prompt" --tokens 6:
try lancet lens m "$prompt" --target-id 1024
try lancet lens m "$prompt" --target a --target-id 1
try lancet lens m "$prompt" --target ''
try lancet lens m --ids 1,99999
try lancet lens m
