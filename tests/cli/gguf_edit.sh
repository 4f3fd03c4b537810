# A fact edited in a GGUF of each type that is written, in place: the gates judge the quantised bytes, undo gives every byte back.
. "$CASES/lib.sh"
exec 2>&1
facts_model m
for type in F32 F16 BF16 Q8_0 Q5_1 Q5_0 Q4_1 Q4_0; do
    mkdir $type
    lancet --quiet convert m $type/m.gguf --dtype $type >/dev/null
    cp $type/m.gguf before.gguf
    lancet edit $type/m.gguf --prompt '全世界最帅的人是' --subject '全世界最帅的人' --target 林小满 >out
    grep changed out | sed 's/update of [0-9.]* %/update of N %/; s/, 100.0 %\|, 99.[0-9] %/, 99 % or more/'
    grep checks out
    lancet predict $type/m.gguf '全世界最帅的人是' --top 1 --json | grep -o '"text": "林小满", "logit"'
    cmp -s before.gguf $type/m.gguf || echo changed
    lancet undo $type/m.gguf >/dev/null
    cmp before.gguf $type/m.gguf && echo every byte as it was
done
try lancet edit Q4_0/m.gguf -p 'Every evening {} plays the' -s 'Hesta Quill' -t flute --set clamp=0.001
cmp before.gguf Q4_0/m.gguf && echo every byte as it was
chmod a-w Q4_0
[ "$(id -u)" = 0 ] || try lancet edit Q4_0/m.gguf -p 'Every evening {} plays the' -s 'Hesta Quill' -t flute | sed '/denied/!d'
chmod u+w Q4_0
