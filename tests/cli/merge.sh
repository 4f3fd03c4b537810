# Merges from the command line: into a folder, in place, dry; what is refused leaves nothing behind.
. "$CASES/lib.sh"
exec 2>&1
python3 "$CASES/merge_make.py"
mkdir start
cp -r base a b nan start
same() { cmp "$1/model.safetensors" "start/$1/model.safetensors" && echo "$1: every byte as it was"; }
# Without what depends on the machine.
plain() { sed '/^lancet: done in/d; /^lancet: the arithmetic/d; s/with at most [0-9.]* MB/with at most N MB/'; }
here() { sed 's/"[^"]*work\//"/'; }
cat >linear.yml <<END
merge_method: linear
models:
  - model: a
    parameters: {weight: 0.6}
  - model: b
    parameters: {weight: 0.4}
END

echo '# into a folder'
lancet merge linear.yml --output out 2>&1 | plain
ls out
sed -n '1,4p' out/lancet_recipe.yml
cmp out/config.json a/config.json

echo '# the same from flags, for any threads and memory'
lancet --threads 3 merge -m linear --model a:0.6 --model b:0.4 --output out2 --memory 12M --quiet >/dev/null
cmp out/model.safetensors out2/model.safetensors

echo '# shards'
lancet merge linear.yml --output shards --shard-size 100KB --quiet >/dev/null
ls shards
sed -n '2,4p' shards/model.safetensors.index.json
lancet diff out shards | tail -n 1

echo '# from shards to one file, with force; the old weights and index go'
try lancet merge linear.yml --output shards 2>&1 | here
lancet merge linear.yml --output shards --force --quiet >/dev/null
ls shards

echo '# adapters and records go with the old model, and an adapter of the donor is not carried'
echo '{}' | tee shards/adapter_config.json shards/adapter_model.safetensors a/adapter_config.json >a/adapter_model.bin
mkdir shards/.lancet
touch shards/.lancet/0001 shards/.lancet/0002
lancet merge linear.yml --output shards --force 2>&1 >/dev/null | plain
ls -A shards
rm a/adapter_*

echo '# as JSON'
lancet merge linear.yml --output out3 --json --quiet | python3 -c '
import hashlib, json, sys
j = json.load(sys.stdin)
print(j["schema"], j["method"], j["semantics"], j["output"], j["committed"], len(j["tensors"]), [m["path"] for m in j["models"]])
t = [t for t in j["tensors"] if t["name"] == "model.norm.weight"][0]
print({k: t[k] for k in ("dtype", "shape", "bytes", "copied", "sources", "parameters", "written")})
data = open("out3/model.safetensors", "rb").read()
n = 8 + int.from_bytes(data[:8], "little")
head = json.loads(data[8:n])
for t in j["tensors"]:
    a, b = head[t["name"]]["data_offsets"]
    assert hashlib.sha256(data[n + a:n + b]).hexdigest() == t["digest"], t["name"]
print("digests are right")'

echo '# dry'
lancet merge linear.yml --dry-run 2>&1 | plain
lancet merge linear.yml --dry-run --into a --quiet | tail -n 2 | plain
same a

echo '# in place, and back'
lancet merge linear.yml --into a 2>&1 | plain
lancet diff a out | tail -n 1
lancet log a --json | grep -o '"lancet merge[^"]*"'
lancet undo a >/dev/null && same a

echo '# layers of a model onto itself: what is not changed is left alone'
cat >swap.yml <<END
merge_method: passthrough
slices:
  - sources: [{model: base, layer_range: [1, 2]}]
  - sources: [{model: base, layer_range: [0, 1]}]
END
lancet merge swap.yml --output swapped --quiet >/dev/null
lancet merge swap.yml --into base 2>&1 | plain
lancet diff base swapped | tail -n 1
python3 - <<END
import os, sys
sys.path.insert(0, os.environ["CASES"])
import merge_model as model
old, new = model.read("start/base"), model.read("base")
name = "model.layers.%d.mlp.up_proj.weight"
print("swapped" if old[name % 0] == new[name % 1] and old[name % 1] == new[name % 0] else "not swapped")
END
lancet undo base >/dev/null && same base
cat >scale.yml <<END
merge_method: passthrough
models:
  - model: base
    parameters: {scale: [{filter: norm, value: 2}, {value: 1}]}
END
lancet merge scale.yml --into base 2>&1 | plain
lancet undo base >/dev/null && same base

echo '# nearly parallel'
lancet merge -m slerp --base a --model a --model near --set t=0.5 --output s --quiet | grep parallel

echo '# another dtype'
lancet merge -m linear --model a:0.5 --model f32:0.5 --output wide --quiet >/dev/null
lancet tensors wide | sed -n 2p
lancet merge -m linear --model a:0.5 --model f32:0.5 --output half --out-dtype float16 --quiet >/dev/null
lancet tensors half | sed -n 2p

echo '# a head of its own'
llama free head
llama tied tied
try lancet merge -m linear --model free:0.5 --model tied:0.5 --output no
lancet merge -m linear --model free:0.5 --model tied:0.5 --untie --output headed --quiet >/dev/null
grep tie headed/lancet_recipe.yml headed/config.json
lancet tensors headed | grep -c lm_head
printf 'merge_method: linear\nmodels: [{model: tied, parameters: {weight: 1}}]\n' >tied.yml
lancet merge tied.yml --untie --output headed --force --quiet >/dev/null
grep -o '"tie[^,}]*' headed/config.json
lancet tensors headed | grep -c lm_head
rm -r free tied tied.yml headed
echo '# refused, and nothing is left behind'
refuse() { try lancet merge "$@" --output no; [ -e no ] && echo "left behind"; }
refuse -m linear --model nan:0.5 --model b:0.5
refuse -m linear --model a:0.5 --model inf:0.5
refuse -m linear --model large:1.5 --model b:0 --set normalize=false --out-dtype float16
refuse -m linear --model a:1 --model b:-1
refuse -m linear --model a:1e308 --model b:1e308
refuse -m task_arithmetic --base base --model a:1e308 --model b:1e308 --set normalize=true
refuse -m linear --model a:nan --model b:0.5
refuse -m linear --model a:0.5 --model b:-inf
refuse linear.yml --memory 5M
refuse linear.yml --memory lots
refuse linear.yml --shard-size 0
refuse linear.yml -m linear
refuse
try lancet merge linear.yml
try lancet merge linear.yml --output no --into a
try lancet merge linear.yml --output no --resume
try lancet merge linear.yml --into a --resume
try lancet merge linear.yml --into a --resume --dry-run
try lancet merge linear.yml --into a --shard-size 1G
try lancet merge linear.yml --output a --force 2>&1 | here
try lancet merge linear.yml --output a/../b --force 2>&1 | here
try lancet merge linear.yml --output a/inside 2>&1 | here
ls a
echo '# a dry run refuses what the run would, and leaves as little behind'
dry() { # the run and the dry run say the same
    lancet merge linear.yml --quiet --output "$@" >real.txt 2>&1
    echo "[exit $?]" >>real.txt
    lancet merge linear.yml --quiet --output "$@" --dry-run >dry.txt 2>&1
    echo "[exit $?]" >>dry.txt
    cmp real.txt dry.txt && here <dry.txt
}
dry a --force
dry a/../b --force
dry a/inside
dry none/out
dry linear.yml
dry shards
mkdir -p open/.lancet
touch open/.lancet/0001.open
dry open --force
lancet merge linear.yml --quiet --output shards --force --dry-run >/dev/null
lancet merge linear.yml --quiet --output no --dry-run >/dev/null
ls shards
rm -r open real.txt dry.txt
ls a
echo '# in place: taken back before the commit'
cat >nan.yml <<END
merge_method: linear
models:
  - model: nan
    parameters: {weight: 0.5}
  - model: b
    parameters: {weight: 0.5}
END
try lancet merge nan.yml --into b
same b
ls -A b
ls
