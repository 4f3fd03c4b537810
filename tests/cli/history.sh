# Log, undo, history and verify on changes of the shipped model, and what stops them.
. "$CASES/lib.sh"
exec 2>&1
# Records are named by where they really are.
lancet() { command lancet "$@" 2>said; status=$?; sed "s|$PWD/||" said >&2; return $status; }
facts_model m
cp -r m start
state() { sha256sum <m/model.safetensors | cut -c1-64; }
change() { lancet edit m --requests m/requests.json --cases "$1" >/dev/null && state >"state.$2"; }
is() { [ "$(state)" = "$(cat "state.$1")" ] && echo "state $1"; }
records() {
    lancet log m --json | python3 -c '
import json, sys
for r in json.load(sys.stdin)["records"]:
    print(r["number"], r["kind"], "undoes", r["undoes"], "undone by", r["undone_by"], [t["name"] for t in r["tensors"]])'
}

echo '# nothing yet'
state >state.0
lancet log m
lancet undo m
try lancet undo m --to 1
lancet verify m

echo '# two changes, and back one by one'
change 3 1
change 7 2
lancet log m | sed 's/[^ ].*  \(20[0-9-]* [0-9:]*\)  .*/one line/'
lancet undo m; is 1
lancet undo m; is 0
lancet undo m
records

echo '# forth and back'
lancet undo m --to 2; is 2
lancet undo m --to 0; is 0
lancet undo m --to 2 --json
lancet undo m --to 6
records | tail -n 3
lancet verify m | grep -v structure

echo '# smaller, fewer'
lancet history repack m --json | grep -o '"repacked": [1-9]'
lancet history prune m --keep 3
lancet history prune m --json --keep 3 | grep removed
try lancet undo m --to 0
lancet undo m --to 5; is 2
try lancet history clean m

echo '# something else changed it'
lancet undo m --to 5 >/dev/null
change 12 3
printf x | dd of=m/model.safetensors bs=1 seek="$(($(wc -c <m/model.safetensors) - 1))" conv=notrunc 2>/dev/null
lancet verify m | tail -n 1 # not a tensor that a record names
cp m/model.safetensors changed
python3 - <<'END'
import json, struct
with open("m/model.safetensors", "r+b") as f:
    n, = struct.unpack("<Q", f.read(8))
    begin = json.loads(f.read(n))["transformer.h.1.mlp.c_proj.weight"]["data_offsets"][0]
    f.seek(8 + n + begin)
    f.write(b"\xff\x7f")
END
try lancet verify m | grep -v structure | sed "s|$PWD/||"
cp m/model.safetensors changed
try lancet undo m
cmp m/model.safetensors changed
try lancet log nothing

echo '# a change that was cut, after its last byte was written'
rm -rf m
cp -r start m
change 3 1
mv m/.lancet/0001 m/.lancet/0001.open
try lancet predict m x
try lancet verify m | tail -n 3 | sed "s|$PWD/||"
try lancet undo m
is 0
ls -A m/.lancet
change 3 1
mv m/.lancet/0001 m/.lancet/0001.open
lancet verify --recover m | sed -n '1p;$p'
is 0
change 3 1
mv m/.lancet/0001 m/.lancet/0001.open
lancet verify --recover --json m | grep recovered
is 0

echo '# records of somebody else'
touch m/.lancet/notes
try lancet undo m
lancet verify m | tail -n 2 | sed "s|$PWD/||"
ls m/.lancet

echo '# in use'
rm m/.lancet/notes
mkfifo prompt
command lancet predict m - <prompt >/dev/null 2>&1 &
exec 3>prompt
wait_for_model $!
try lancet undo m
exec 3>&-
wait $!

echo '# without history'
lancet edit m --requests m/requests.json --cases 3 --no-history >/dev/null
lancet log m
ls -A m/.lancet
rm -rf m
cp -r start m
change 3 1
try lancet edit m --requests m/requests.json --cases 7 --no-history | tail -n 2
is 1
lancet undo m --no-history
is 0
lancet log m
