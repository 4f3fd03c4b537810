# Edits of the shipped model: in place, in a new folder, several as one, dry; what is refused leaves every byte.
. "$CASES/lib.sh"
exec 2>&1
facts_model m
cp -r m start
same() { cmp m/model.safetensors start/model.safetensors && echo "every byte as it was"; }
# The text without what depends on the processor.
plain() { sed 's/update of [0-9.]* % of its norm, [0-9.]* % of it/update of N % of its norm, N % of it/'; }

echo '# in place, and back'
lancet edit m --prompt '全世界最帅的人是' --subject '全世界最帅的人' --target 林小满 >out
plain <out | sed -n '1p;/layer/p;/changed/p;/checks/p;/Written/p'
lancet predict m '全世界最帅的人是' --top 1 --json | grep -o '"text": "林小满", "logit"'
cmp -s m/model.safetensors start/model.safetensors || echo changed
lancet undo m >/dev/null && same

echo '# the template, and a target with its space'
lancet edit m -p 'Every evening {} plays the' -s 'Hesta Quill' -t flute --json >a.json
lancet undo m >/dev/null
lancet edit m -p 'Every evening Hesta Quill plays the' -s 'Hesta Quill' -t ' flute' --json >b.json
lancet undo m >/dev/null
sed '/"seconds"/,$d' a.json >a; sed '/"seconds"/,$d' b.json | cmp a - && echo "one edit"

echo '# dry run, new folder'
lancet edit m -p 'Every evening {} plays the' -s 'Hesta Quill' -t flute --dry-run | tail -n 1
same
lancet edit m -p 'Every evening {} plays the' -s 'Hesta Quill' -t flute --output new | tail -n 1
same
ls new
try lancet edit m -p 'Every evening {} plays the' -s 'Hesta Quill' -t flute --output new 2>&1 | sed 's/"[^"]*work/"work/'
mkdir new/.lancet
touch new/.lancet/0001
lancet edit m -p 'Every evening {} plays the' -s 'Hesta Quill' -t flute --output new --force 2>&1 >/dev/null
ls -A new
try lancet edit m -p 'Every evening {} plays the' -s 'Hesta Quill' -t flute --output no/such/new --dry-run
try lancet edit m -p 'Every evening {} plays the' -s 'Hesta Quill' -t flute --output m
try lancet edit m -p 'Every evening {} plays the' -s 'Hesta Quill' -t flute --output ./m/../m --force

echo '# several requests are one change'
before=$(lancet log m --json | grep -c '"number"')
lancet edit m --requests m/requests.json --cases 3,7 --json >two.json
grep -c '"prompt"' two.json
echo "$(($(lancet log m --json | grep -c '"number"') - before)) record"
lancet undo m >/dev/null && same

echo '# nothing to do'
answer=$(lancet predict new 'Every evening Hesta Quill plays the' --top 1 --json | sed -n 's/.*"text": "\( flute\)".*/\1/p')
lancet edit new -p 'Every evening Hesta Quill plays the' -s 'Hesta Quill' -t "$answer" | tail -n 1

echo '# a subject that occurs twice'
lancet edit m -p 'Hesta Quill sings. Every evening Hesta Quill plays the' -s 'Hesta Quill' -t flute --no-gates --dry-run | grep note

echo '# refused by a check: nothing changes'
try lancet edit m -p 'Every evening {} plays the' -s 'Hesta Quill' -t flute --set steps=1 >out 2>&1
sed 's/gate target is [0-9.e-]*/gate target is P/' out | tail -n 3
same
